//! Where results go, and how they look.

use super::args::{Format, OutputArguments};
use super::error::CliError;
use crate::journal;
use crate::model::output::shell_word;
use crate::report::{HtmlOptions, Report, TableOptions, html, json, table};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Writes a report as the options ask. The commands in it name the run by its id.
pub fn write_report(report: &Report, options: &OutputArguments) -> Result<(), CliError> {
    write(report, None, options)
}

/// As `write_report`, for a run whose directory is known: where its id alone would not find it, the
/// commands in the report name the directory.
pub fn write_report_of(report: &Report, dir: &Path, options: &OutputArguments) -> Result<(), CliError> {
    write(report, name_of_run(&report.run, dir).as_deref(), options)
}

fn write(report: &Report, run: Option<&str>, options: &OutputArguments) -> Result<(), CliError> {
    let to_terminal = options.output.is_none() && std::io::stdout().is_terminal();
    let text = match options.format {
        Format::Json => json(report),
        Format::Html => html(report, &HtmlOptions { run, clocks: None }),
        Format::Table => {
            let color = to_terminal && wants_color();
            let verbose = options.verbose > 0;
            table(report, &TableOptions { width: width(to_terminal), color, verbose, run })
        }
    };
    write_result(&text, options.output.as_deref())
}

/// Refuses `--format html` where there is no report of a run.
pub fn refuse_page(format: Format) -> Result<(), CliError> {
    match format {
        Format::Html => {
            Err(CliError::input("`html` is a report of a run; this is none", "give `table` or `json`"))
        }
        Format::Table | Format::Json => Ok(()),
    }
}

/// How a command line names a run, where its id is not enough: its directory, as a word of a shell.
fn name_of_run(id: &str, dir: &Path) -> Option<String> {
    let usual = std::env::var_os("UPROOT_RUNS").map_or_else(journal::default_runs_dir, PathBuf::from);
    name_outside(&usual, id, dir)
}

fn name_outside(usual: &Path, id: &str, dir: &Path) -> Option<String> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let dir = absolute(dir);
    (absolute(&usual.join(id)) != dir).then(|| shell_word(&dir.to_string_lossy()))
}

/// Writes a result to a file (whole or not at all) or to standard output.
pub fn write_result(text: &str, file: Option<&Path>) -> Result<(), CliError> {
    let Some(file) = file else { return print_bytes(text.as_bytes()) };
    let mut temporary = tempfile::NamedTempFile::new_in(directory_of(file)).map_err(CliError::Output)?;
    temporary.write_all(text.as_bytes()).map_err(CliError::Output)?;
    temporary.persist(file).map_err(|error| CliError::Output(error.error))?;
    Ok(())
}

/// Writes bytes to standard output. A reader that has seen enough (`| head`) changes neither what was
/// done nor the exit code.
pub fn print_bytes(bytes: &[u8]) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(CliError::Output),
    }
}

/// Refuses a result's file that could not be written, before any host is contacted for it.
pub fn refuse_unwritable(file: Option<&Path>, option: &str) -> Result<(), CliError> {
    let Some(file) = file else { return Ok(()) };
    let help = || format!("give `{option}` a file in a directory that is there and that you may write to");
    if file.is_dir() {
        return Err(CliError::input(format!("`{}` is a directory", file.display()), help()));
    }
    let directory = directory_of(file);
    tempfile::tempfile_in(directory).map(drop).map_err(|error| {
        let error = std::io::Error::from(error.kind());
        CliError::input(format!("`{}` cannot be written: {error}", file.display()), help())
    })
}

fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether colours are wanted (`NO_COLOR` set and not empty says no; so does `TERM=dumb`).
pub fn wants_color() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// How wide a table may be: the terminal's width; 80 columns where there is none.
pub fn width(to_terminal: bool) -> usize {
    if !to_terminal {
        return 80;
    }
    rustix::termios::tcgetwinsize(std::io::stdout())
        .map_or(80, |size| usize::from(size.ws_col))
        .clamp(40, 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_outside_of_the_usual_place_is_named_by_its_directory() {
        let name = |dir: &str| name_outside(Path::new("/state/runs"), "0199", Path::new(dir));
        assert_eq!(name("/state/runs/0199"), None);
        assert_eq!(name("/state/runs/./0199"), None);
        assert_eq!(name("/state/runs/copy").as_deref(), Some("/state/runs/copy"));
        assert_eq!(name("/my runs/0199").as_deref(), Some("'/my runs/0199'"));
        let here = std::env::current_dir().unwrap().join("runs/0199");
        assert_eq!(name("runs/0199").as_deref(), Some(shell_word(&here.to_string_lossy()).as_str()));
    }
}
