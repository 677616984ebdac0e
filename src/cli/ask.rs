//! Questions to the person at the terminal.

use super::error::CliError;
use crate::model::output::escape_line;
use std::io::{BufRead as _, IsTerminal as _, Write as _};

/// Asks a question to which only "yes" is yes; `otherwise` is what is said of any other answer.
pub fn ask(question: &str, otherwise: &str) -> Result<(), CliError> {
    let question = escape_line(question);
    if !std::io::stdin().is_terminal() {
        return Err(CliError::Refused(format!(
            "{question} There is no terminal to ask on: give `--yes` if that is what is wanted"
        )));
    }
    tell_part!("{question} [yes/no] ");
    std::io::stderr().flush().map_err(CliError::Output)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(CliError::System)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(CliError::Refused(otherwise.to_owned())) }
}
