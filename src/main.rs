//! The `uproot` binary: parses the command line, calls the library, turns the result into an exit code.

fn main() -> std::process::ExitCode {
    let code = std::panic::catch_unwind(|| uproot::cli::run(std::env::args_os()))
        // The panic's message is on standard error already.
        .unwrap_or(uproot::model::ExitCode::Defect);
    std::process::ExitCode::from(code.code())
}
