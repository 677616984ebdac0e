//! `journal export`.

use super::args::ExportArguments;
use super::error::CliError;
use super::evidence::{read_signers, refusal};
use super::output::{print_bytes, refuse_input, refuse_unwritable};
use super::run_log::runs_dir;
use crate::journal::{self, Export, Exported};
use crate::model::ExitCode;
use crate::model::output::{escape_line, shell_word};
use jiff::Timestamp;
use std::path::PathBuf;

/// Runs `journal export`. A run that is broken is refused unless the options ask for it; so is one that a process
/// writes, since it would change while it is packed.
pub fn run(arguments: &ExportArguments) -> Result<ExitCode, CliError> {
    let dir = journal::find(&runs_dir(arguments.runs.as_deref()), &arguments.run)?;
    let file = &arguments.output;
    refuse_input(file, "-o", &arguments.allowed_signers.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
    refuse_unwritable(Some(file), "-o")?;
    let _held = journal::hold_still(&dir)?;
    let signers = read_signers(arguments.allowed_signers.as_deref())?;
    let listed = arguments.allowed_signers.as_deref().map(std::fs::read).transpose();
    let listed = listed.map_err(|error| {
        CliError::input(format!("cannot read the allowed signers: {error}"), "give a file that can be read")
    })?;
    let audit = journal::audit(&dir, signers.as_ref(), Timestamp::now())?;
    if audit.is_broken() && !arguments.even_if_broken {
        let more = "`--even-if-broken` packs it all the same";
        return Err(refusal(&dir, &audit, "it is not exported", more));
    }
    let export = Export { audit: &audit, allowed_signers: listed.as_deref(), file, replace: arguments.force };
    let Exported { files, directory, left_out } = export.write()?;
    for name in left_out {
        tell!("note: `{}` is no file of a run, and is not in the archive", escape_line(&name));
    }
    let shown = escape_line(&shell_word(&file.to_string_lossy()));
    let check = format!("tar --zstd -xf {shown} && sh {directory}/check.sh YOUR_ALLOWED_SIGNERS");
    print_bytes(format!("{shown}: {files} files\ncheck it with: {check}\n").as_bytes())?;
    Ok(if audit.is_broken() { ExitCode::CannotVouch } else { ExitCode::Success })
}
