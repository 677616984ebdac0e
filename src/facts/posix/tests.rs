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
        ]
        .into(),
        paths: ["/opt/kaspersky", "/home/*/.config/kl*", "/opt/kaspersky/**", "/it's/$(touch x)*"]
            .map(str::to_owned)
            .into(),
        files: ["/etc/opt/*.conf".to_owned()].into(),
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

/// The words in the place of a command, over-approximated: every first word of a line or after `;`,
/// `|`, `&`, `(`, `{`, `then`, `do`, `else`, `if`, `while`, `!` that is a plain name.
fn commands(text: &str) -> BTreeSet<String> {
    let mut commands = BTreeSet::new();
    for line in text.lines() {
        let outside = blank_quotes(line);
        let split = outside.replace(['|', '&', '(', '{', '`', ')'], ";").replace(";;", ";");
        for part in split.split(';') {
            let mut words = part.split_whitespace().peekable();
            while words
                .next_if(|word| {
                    ["then", "do", "else", "if", "elif", "while", "!", "run"].contains(word)
                        || word.contains('=')
                })
                .is_some_and(|word| word != "run" || words.next().is_some())
            {}
            commands.extend(
                words
                    .next()
                    .filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c == '_'))
                    .map(str::to_owned),
            );
        }
    }
    commands
}

fn blank_quotes(line: &str) -> String {
    let mut quote = None;
    line.chars()
        .map(|c| match (quote, c) {
            (None, '\'' | '"') => {
                quote = Some(c);
                '_'
            }
            (Some(open), c) if c == open => {
                quote = None;
                '_'
            }
            // Command substitution within quotes is still a command.
            (Some('\''), _) => '_',
            (_, c) => c,
        })
        .collect()
}
