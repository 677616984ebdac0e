//! The texts that go to a host: the command line, the reader that it starts, the frame of a script.
//!
//! The command line is plain words that any login shell parses alike (sh, csh, fish, PowerShell):
//! the reader holds no quote of either kind, no backslash, no `!`, no line break. The reader says
//! "ready" with the uid it runs as, throws lines away up to the "go" line, and evaluates the rest
//! once that has come to its end. What it evaluates is one compound command, which a shell parses
//! as a whole before it runs any of it: a stream that was cut off runs nothing.

use crate::inventory::BecomeMethod;
use uuid::Uuid;

/// The marks of one run. `reader` stands in the command line, where every user of the host can see
/// it; `frame` only goes over standard input, so that no other process of the host can know it
/// before the script runs.
#[derive(Debug, Clone)]
pub(super) struct Nonces {
    reader: String,
    frame: String,
}

impl Nonces {
    pub(super) fn random() -> Self {
        Self { reader: Uuid::new_v4().simple().to_string(), frame: Uuid::new_v4().simple().to_string() }
    }

    /// Stands before the uid on the reader's first line.
    pub(super) fn ready(&self) -> String {
        format!("{}:ready:", self.reader)
    }

    /// What sudo asks with, so that its question is told from any other text.
    pub(super) fn prompt(&self) -> String {
        format!("{}:password:", self.reader)
    }

    fn go(&self) -> String {
        format!("{}:go", self.reader)
    }

    /// Ends the noise before a script's own output, on both streams.
    pub(super) fn begin(&self) -> String {
        format!("{}:begin\n", self.frame)
    }

    /// Ends a script's standard output; status and line break follow.
    pub(super) fn end(&self) -> String {
        format!("\n{}:end:", self.frame)
    }

    /// Ends a script's standard error.
    pub(super) fn error_end(&self) -> String {
        format!("\n{}:end\n", self.frame)
    }
}

/// As whom the reader is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// As the login user.
    Plain,
    /// By sudo. Asking: there is a password for it; else it must not ask.
    Sudo { asking: bool },
    /// By doas, which must not ask: it reads passwords only from a terminal.
    Doas,
}

impl Access {
    pub(super) fn of(method: BecomeMethod, has_password: bool) -> Self {
        match method {
            BecomeMethod::Sudo => Self::Sudo { asking: has_password },
            BecomeMethod::Doas => Self::Doas,
        }
    }
}

/// The words of the command that starts the reader.
///
/// `env LC_ALL=C` makes sudo and doas give their reasons in English. `sudo -k` neither uses nor
/// leaves a cached login.
pub(super) fn command(nonces: &Nonces, access: Access) -> Vec<String> {
    let prompt = nonces.prompt();
    let before: &[&str] = match access {
        Access::Plain => &[],
        Access::Sudo { asking: true } => &["env", "LC_ALL=C", "sudo", "-k", "-S", "-p", &prompt],
        Access::Sudo { asking: false } => &["env", "LC_ALL=C", "sudo", "-k", "-n"],
        Access::Doas => &["env", "LC_ALL=C", "doas", "-n"],
    };
    let mut words: Vec<String> = before.iter().map(|word| (*word).to_owned()).collect();
    words.extend(["sh".to_owned(), "-c".to_owned(), reader(nonces)]);
    words
}

/// The same as one line for a login shell. Only the reader needs quotes; it holds none.
pub(super) fn command_line(nonces: &Nonces, access: Access) -> String {
    let mut words = command(nonces, access);
    if let Some(last) = words.last_mut() {
        *last = format!("'{last}'");
    }
    words.join(" ")
}

/// Unquoted `eval $(cat)` is exact here: an empty `IFS` splits nothing, `set -f` expands no name.
fn reader(nonces: &Nonces) -> String {
    let (ready, go) = (nonces.ready(), nonces.go());
    format!(
        "echo {ready}$(id -u); while read -r l; do case $l in {go}) set -f; IFS=; eval $(cat);; esac; done"
    )
}

/// What is sent once the reader is ready: the "go" line and the framed script. The input has to be
/// closed after it.
///
/// The script stands in one quoted word and runs in a subshell: it cannot leave the frame by an
/// `exit`, a syntax error or an unbalanced brace, and its here-documents keep their lines. Its
/// commands have an empty standard input.
pub(super) fn framed(nonces: &Nonces, script: &str) -> String {
    let quoted = script.replace('\'', "'\\''");
    let (begin, end, error_end) = (nonces.begin(), nonces.end(), nonces.error_end());
    let (begin, end, error_end) = (begin.trim(), end.trim(), error_end.trim());
    format!(
        "{go}\n{{ unset IFS; set +f\necho {begin}; echo {begin} >&2\n( eval '{quoted}\n' ) </dev/null\n\
         uproot_status=$?; echo; echo {end}$uproot_status; echo >&2; echo {error_end} >&2; exit 0; }}\n",
        go = nonces.go()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::{Command, Output, Stdio};

    fn fed(shell: &[&str], reader: &str, input: &[u8]) -> Output {
        let mut child = Command::new(shell[0])
            .args(&shell[1..])
            .args(["-c", reader])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    fn shells() -> Vec<Vec<&'static str>> {
        let all: [&[&str]; 4] = [&["sh"], &["dash"], &["bash"], &["busybox", "sh"]];
        all.iter()
            .filter(|words| Command::new(words[0]).arg("--help").output().is_ok())
            .map(|w| w.to_vec())
            .collect()
    }

    #[test]
    fn the_reader_holds_nothing_that_a_login_shell_treats_specially_in_single_quotes() {
        let nonces = Nonces::random();
        for access in
            [Access::Plain, Access::Sudo { asking: true }, Access::Sudo { asking: false }, Access::Doas]
        {
            let words = command(&nonces, access);
            for word in &words {
                assert!(!word.contains(['\'', '"', '\\', '!', '\n', '`']), "{word}");
            }
            assert_eq!(command_line(&nonces, access).matches('\'').count(), 2);
        }
    }

    #[test]
    fn lines_before_go_are_thrown_away_and_the_script_comes_through_exactly() {
        let nonces = Nonces::random();
        let script = "cat <<EOF\n  two  words * $((1 + 1)) it's\nEOF\nprintf 'a\\tb  \\\\n'; cat; printf x >&2\nexit 3";
        for shell in shells() {
            let input = format!("$(touch /nonexistent/x); p'ass\"w\\ord\n{}", framed(&nonces, script));
            let output = fed(&shell, &reader(&nonces), input.as_bytes());
            let out = String::from_utf8(output.stdout).unwrap();
            let (ready, rest) = out.split_once('\n').unwrap();
            assert!(ready.starts_with(&nonces.ready()), "{shell:?}: {ready}");
            let expected = format!("{}  two  words * 2 it's\na\tb  \\n{}3\n", nonces.begin(), nonces.end());
            assert_eq!(rest, expected, "{shell:?}");
            let err = String::from_utf8(output.stderr).unwrap();
            assert_eq!(err, format!("{}x{}", nonces.begin(), nonces.error_end()), "{shell:?}");
        }
    }

    #[test]
    fn a_script_cut_off_at_any_byte_runs_nothing() {
        let nonces = Nonces::random();
        let dir = tempfile::tempdir().unwrap();
        let trace = dir.path().join("ran");
        let script = format!("echo it ran > {}\n# it's {{ ( \nf() {{ :; }}\nf", trace.display());
        let whole = framed(&nonces, &script);
        let last = whole.trim_end().len();
        for shell in shells() {
            // Every cut for the first shell; for the rest, those round the script's borders.
            let step = if shell == ["sh"] { 1 } else { 29 };
            for cut in (0..last).step_by(step).chain(last.saturating_sub(12)..last) {
                fed(&shell, &reader(&nonces), &whole.as_bytes()[..cut]);
                assert!(!trace.exists(), "{shell:?} ran a script cut at {cut}");
            }
            fed(&shell, &reader(&nonces), whole.as_bytes());
            assert!(trace.exists(), "{shell:?} did not run the whole script");
            std::fs::remove_file(&trace).unwrap();
        }
    }

    #[test]
    fn a_script_cannot_break_out_of_its_frame() {
        let nonces = Nonces::random();
        for script in ["}\necho out\n", ") ; echo out", "if true", "exit 7", "echo 'unclosed", "exec true"] {
            for shell in shells() {
                let output = fed(&shell, &reader(&nonces), framed(&nonces, script).as_bytes());
                let out = String::from_utf8(output.stdout).unwrap();
                assert_eq!(out.matches(&nonces.end()).count(), 1, "{shell:?} {script:?}: {out}");
            }
        }
    }
}
