//! How an exchange comes onto a Windows host through `cmd.exe`'s standard input.
//!
//! `cmd` runs each line as it comes, and knows neither labels nor delayed expansion there. So the lines only
//! write files into a folder that is new, private, and has a name nobody can guess; and run the first of the
//! files if each has the very length that it was sent with. A stream that is cut anywhere leaves a file that is
//! never run, in a folder that a later lock clears away.

use crate::transport::MAX_CMD_LINE;

/// A file that the exchange brings along.
pub(super) struct Sent {
    pub(super) name: String,
    pub(super) text: String,
}

/// Why a text cannot be brought onto a Windows host. Nothing of it was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// `cmd` reads bytes in the host's code page, so only ASCII is the same everywhere.
    #[error("line {line} of the step's script has other characters than ASCII's printable ones")]
    NotPlain {
        /// From 1.
        line: usize,
    },
    /// `cmd` cuts longer ones.
    #[error(
        "line {line} of the step's script is too long for `cmd` ({MAX_CMD_LINE} characters with its escapes)"
    )]
    TooLong {
        /// From 1.
        line: usize,
    },
    /// `echo on` and the like say no line.
    #[error("line {line} of the step's script cannot be written by `echo`: it is `{text}`")]
    Unspeakable {
        /// From 1.
        line: usize,
        /// What it is.
        text: String,
    },
}

/// The flat script that lays down `files` in the folder `nonce` names and runs the first of them. Where it
/// cannot even do that it answers with the word `failing` and why.
pub(super) fn flat_script(nonce: &str, failing: &str, files: &[Sent]) -> Result<String, TextError> {
    let stop = |why: &str| format!("echo = {failing} {why}& echo %U%:end& exit 0");
    let grants = r#""*S-1-5-18:(OI)(CI)F" "*S-1-5-32-544:(OI)(CI)F""#;
    let mut lines = vec![
        // Else a program of the current folder would come before the system's.
        "set \"NoDefaultCurrentDirectoryInExePath=1\"".to_owned(),
        "set \"UP_BAD=\"".to_owned(),
        "set \"UP_A=%ProgramData%\"".to_owned(),
        format!(
            "if not \"%UP_A:~1,2%\"==\":\\\" {}",
            stop("the host does not say where its program data are")
        ),
        format!("set \"UP_A=%UP_A%\\uproot.{nonce}\""),
        "mkdir \"%UP_A%\" <nul >nul 2>nul".to_owned(),
        format!("if not exist \"%UP_A%\\\" {}", stop("no folder can be made in the host's program data")),
        "icacls \"%UP_A%\" /setowner *S-1-5-32-544 <nul >nul 2>nul".to_owned(),
        format!("icacls \"%UP_A%\" /inheritance:r /grant:r {grants} <nul >nul 2>nul"),
        // Once more: one program that could not be started is no reason to lose a step. The code is compared as text, as
        // that of a program that could not be loaded is negative.
        "if not \"%errorlevel%\"==\"0\" set \"UP_BAD=grant\"".to_owned(),
        format!("if defined UP_BAD icacls \"%UP_A%\" /inheritance:r /grant:r {grants} <nul >nul 2>nul"),
        "if defined UP_BAD if \"%errorlevel%\"==\"0\" set \"UP_BAD=\"".to_owned(),
        "if defined UP_BAD rd \"%UP_A%\" <nul >nul 2>nul".to_owned(),
        format!("if not exist \"%UP_A%\\\" {}", stop("its login is no administrator's with all rights")),
        // Whoever was quick enough to put something there before it was private is not trusted.
        "for /f \"delims=\" %i in ('dir /b /a \"%UP_A%\" 2^>nul') do set \"UP_BAD=%i\"".to_owned(),
        format!("if defined UP_BAD {}", stop("another user put something into a new folder of ours")),
        "cd /d \"%UP_A%\"".to_owned(),
        format!("if /i not \"%cd%\"==\"%UP_A%\" {}", stop("a new folder of ours cannot be entered")),
    ];
    for file in files {
        for (number, line) in file.text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            lines.push(spoken(&file.name, line, number + 1)?);
        }
    }
    for file in files {
        let length: usize =
            file.text.lines().filter(|line| !line.is_empty()).map(|line| line.len() + 2).sum();
        lines.push(format!("for %i in ({}) do if not \"%~zi\"==\"{length}\" set \"UP_BAD=%i\"", file.name));
    }
    let run = files.first().map_or("", |file| file.name.as_str());
    lines.push(format!("if not defined UP_BAD cmd.exe /d /q /v:on /c \".\\{run} go\" <nul"));
    lines.push("cd /d \"%SystemRoot%\"".to_owned());
    lines.push("rd /s /q \"%UP_A%\" <nul >nul 2>nul".to_owned());
    // No end mark comes then: nothing is known.
    lines.push("if defined UP_BAD exit 1".to_owned());
    let mut script = lines.join("\n");
    script.push('\n');
    Ok(script)
}

/// The command that adds a line to a file.
fn spoken(file: &str, line: &str, number: usize) -> Result<String, TextError> {
    if !line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err(TextError::NotPlain { line: number });
    }
    let word = line.trim().to_ascii_lowercase();
    if word.is_empty() || word == "on" || word == "off" || word.starts_with("/?") {
        return Err(TextError::Unspeakable { line: number, text: line.to_owned() });
    }
    let command = format!(">>{file} echo {}", escaped(line));
    if command.len() > MAX_CMD_LINE { Err(TextError::TooLong { line: number }) } else { Ok(command) }
}

/// A text that `cmd` at its prompt prints as it is: with a caret after each `%`, no variable has such a name
/// and the text stays as it was; the caret itself goes.
fn escaped(line: &str) -> String {
    let mut text = String::new();
    let mut after_percent = false;
    for character in line.chars() {
        if after_percent || "^&|<>()\"%".contains(character) {
            text.push('^');
        }
        text.push(character);
        after_percent = character == '%';
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cmd_would_read_as_its_own_is_escaped() {
        assert_eq!(escaped("a & b | c"), "a ^& b ^| c");
        assert_eq!(escaped("%PATH%"), "^%^PATH^%");
        assert_eq!(escaped("\"x^y\" (z) < >"), "^\"x^^y^\" ^(z^) ^< ^>");
        assert_eq!(escaped("%%a 100% !b!"), "^%^%^a 100^%^  !b!".replace("  ", " "));
    }

    #[test]
    fn what_cannot_be_written_is_refused_by_its_line() {
        let send =
            |text: &str| flat_script("0", "unsure", &[Sent { name: "x.cmd".into(), text: text.to_owned() }]);
        assert_eq!(send("ver\n\u{e4}\n"), Err(TextError::NotPlain { line: 2 }));
        assert_eq!(send("ver\n\nOFF \n"), Err(TextError::Unspeakable { line: 3, text: "OFF ".into() }));
        assert_eq!(send(&"%".repeat(4100)), Err(TextError::TooLong { line: 1 }));
        assert!(send(&"a".repeat(8000)).is_ok());
    }

    #[test]
    fn every_line_is_one_that_cmd_takes() {
        let text = "ver\nif \"%~1\"==\"a&b\" (echo x>y)\n".to_owned();
        let script = flat_script("0", "unsure", &[Sent { name: "x.cmd".into(), text }]).unwrap();
        assert!(script.lines().all(|line| line.len() <= MAX_CMD_LINE && !line.is_empty()));
        assert!(script.contains("\"%~zi\"==\"33\""), "{script}");
    }
}
