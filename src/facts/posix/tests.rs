use super::*;
use std::collections::BTreeSet;

/// Asks everything that can be asked.
fn everything() -> Questions {
    Questions {
        topics: [
            Topic::Packages,
            Topic::Services,
            Topic::Processes,
            Topic::KernelModules,
            Topic::Certificates,
            Topic::Users,
            Topic::Groups,
            Topic::Ports,
            Topic::ScheduledTasks,
            Topic::Receipts,
            Topic::SystemExtensions,
            Topic::Apps,
        ]
        .into(),
        paths: ["/opt/kaspersky", "/home/*/.config/kl*", "/opt/kaspersky/**", "/it's/$(touch x)*"]
            .map(str::to_owned)
            .into(),
        files: [("/etc/opt/*.conf".to_owned(), ["licen[cs]e".to_owned()].into())].into(),
        registry: [(r"HKLM\SOFTWARE\KasperskyLab".to_owned(), Default::default())].into(),
    }
}

#[test]
fn a_cut_script_runs_nothing() {
    let script = script(&everything(), "uproot-1");
    let text = script.text();
    for at in (0..text.len() - 1).filter(|at| text.is_char_boundary(*at)).step_by(97) {
        let (begin, _) = text.split_at(at);
        let last = begin.lines().last().unwrap_or_default();
        assert!(!begin.contains("\nuproot_facts"), "the call is not last: {last}");
    }
    assert!(text.starts_with("uproot_facts() {\n"));
    assert!(text.ends_with("\n}\nuproot_facts </dev/null\n"));
}

#[test]
fn only_what_is_asked_is_sent() {
    let small = script(&Questions::default(), "uproot-1");
    assert!(!small.text().contains("dpkg-query -W"));
    assert!(small.text().len() < script(&everything(), "uproot-1").text().len() / 2);
}

/// Programs that only read, and what the shell itself has.
const READING: [&str; 26] = [
    "/bin/hostname",
    "/bin/launchctl",
    "/bin/ps",
    "/sbin/mount",
    "/usr/bin/dscl",
    "/usr/bin/kmutil",
    "/usr/bin/security",
    "/usr/bin/sw_vers",
    "/usr/bin/systemextensionsctl",
    "/usr/sbin/ioreg",
    "/usr/sbin/kextstat",
    "/usr/sbin/pkgutil",
    "/usr/sbin/sysctl",
    "cat",
    "dpkg-query",
    "grep",
    "head",
    "id",
    "ls",
    "pacman",
    "readlink",
    "rpm",
    "sed",
    "stat",
    "systemctl",
    "uname",
];
const BUILT_IN: [&str; 11] =
    ["break", "case", "command", "continue", "export", "printf", "read", "return", "set", "shift", "umask"];
const BUILT_IN_TOO: [&str; 10] = ["cd", "pwd", "unset", "shopt", "for", "esac", "fi", "done", "in", "while"];

/// The words in the place of a command: the first of a line or behind `;`, `|`, `&`, `(`, `{`, `!`,
/// `then`, `do`, `else`, `if`, `run LABEL` and assignments.
fn commands(text: &str) -> BTreeSet<String> {
    let mut commands = BTreeSet::new();
    let whole = without_arithmetic(&text.replace("\\\n", " "));
    for line in whole.lines() {
        let separated = without_quoted(line).replace(['|', '&', '(', '{', '`', ')', '}'], ";");
        for part in separated.split(';') {
            let mut words = part.split_whitespace();
            let mut word = words.next();
            while let Some(before) = word {
                let is_prefix =
                    ["then", "do", "else", "elif", "if", "!"].contains(&before) || before.contains('=');
                match before {
                    "run" => word = words.by_ref().nth(1),
                    _ if is_prefix => word = words.next(),
                    _ => break,
                }
            }
            let is_plain = |word: &&str| {
                word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_/".contains(c))
                    && word.contains(|c: char| c.is_ascii_lowercase())
            };
            commands.extend(word.filter(is_plain).map(str::to_owned));
        }
    }
    commands
}

fn without_arithmetic(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("$((") {
        out.push_str(before);
        rest = after.split_once("))").map_or("", |(_, after)| after);
    }
    out + rest
}

/// The line with `_` for what stands in quotes, but for what a shell would run there.
fn without_quoted(line: &str) -> String {
    let mut quote = None;
    let mut escaped = false;
    let blank = |c: char| {
        if std::mem::take(&mut escaped) {
            return '_';
        }
        match (quote, c) {
            (None, '\\') => escaped = true,
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, c) => return c,
            (Some('"'), '$' | '(' | ')') => return c,
            _ => {}
        }
        '_'
    };
    line.chars().map(blank).collect()
}

/// The names of the functions that a script defines.
fn functions(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(|line| line.split_once("() {")).map(|(name, _)| name.to_owned()).collect()
}

/// What in a script is not known to only read.
fn suspects(text: &str) -> Vec<String> {
    let functions = functions(text);
    let is_known = |word: &str| {
        READING.contains(&word)
            || BUILT_IN.contains(&word)
            || BUILT_IN_TOO.contains(&word)
            || functions.contains(word)
    };
    let mut suspects: Vec<String> = commands(text).into_iter().filter(|word| !is_known(word)).collect();
    // A file is only ever written to `/dev/null`; a here-document makes one.
    let redirected = text.replace("2>/dev/null", "").replace(">/dev/null", "").replace("</dev/null", "");
    let redirected =
        redirected.replace("2>&1", "").replace("3>&1", "").replace(">&3", "").replace("3>&-", "");
    suspects.extend(
        redirected
            .lines()
            .filter(|line| line.contains('>') && without_quoted(line).contains('>'))
            .map(str::to_owned),
    );
    suspects.extend(text.lines().filter(|line| line.contains("<<")).map(str::to_owned));
    suspects
}

#[test]
fn every_program_of_the_script_only_reads() {
    let script = script(&everything(), "uproot-1");
    let text = script.text();
    assert_eq!(suspects(text), Vec::<String>::new());
    // Those that could also write are given only what makes them list.
    let lines = |program: &str| -> Vec<&str> {
        text.lines().filter(|line| line.contains(&format!(" {program} "))).map(str::trim).collect()
    };
    assert!(lines("rpm").iter().all(|line| !line.contains("run rpm") || line.contains("rpm rpm -qa ")));
    assert!(lines("rpm").iter().all(|line| !line.contains("$(rpm") || line.contains("$(rpm --eval ")));
    assert!(lines("pacman").iter().all(|line| !line.contains("run pacman") || line.ends_with("pacman -Q")));
    assert!(lines("sed").iter().all(|line| !line.contains(" -i")), "{:?}", lines("sed"));
    let arguments = |program: &str| -> BTreeSet<String> {
        let all = text.match_indices(program).map(|(at, found)| text.split_at(at + found.len()).1);
        let words =
            all.map(|after| after.split_whitespace().next().unwrap_or_default().trim_end_matches(';'));
        words.map(str::to_owned).collect()
    };
    for (program, argument) in [
        ("/bin/launchctl ", "list"),
        ("/usr/bin/dscl . ", "-list"),
        ("/usr/bin/kmutil ", "showloaded"),
        ("/usr/bin/security ", "find-certificate"),
        ("/usr/bin/systemextensionsctl ", "list"),
        ("/usr/sbin/sysctl ", "-n"),
        ("/usr/libexec/PlistBuddy -c ", "\"Print"),
    ] {
        let mut found = arguments(program);
        // `[ -x PROGRAM ]` asks whether it is there.
        found.retain(|word| word != "]");
        assert_eq!(found, [argument.to_owned()].into(), "{program}");
    }
    let pkgutil = arguments("/usr/sbin/pkgutil ");
    assert_eq!(pkgutil, ["--pkg-info", "--pkgs"].map(str::to_owned).into());
    assert!(text.contains("run mount /sbin/mount\n"), "without an argument it lists");
    assert!(lines("systemctl").iter().all(|line| !line.starts_with("run") || line.contains("list-units")));
}

#[test]
fn the_test_of_programs_notices_what_writes() {
    for writing in [
        "touch /x",
        "run x touch /x",
        "if touch /x; then",
        "x=$(touch /x)",
        "a | tee /x",
        "echo a >/x",
        "/bin/rm x",
        "cat <<E",
    ] {
        assert!(!suspects(writing).is_empty(), "{writing}");
    }
}

#[test]
fn a_path_cannot_leave_its_quotes() {
    let script = script(&everything(), "uproot-1");
    let line = script.text().lines().find(|line| line.contains("touch")).unwrap_or_default();
    assert_eq!(line, "walk '/it'\\''s' '$(touch x)*' '' ''");
}
