//! Local users and groups.

use super::frames::{Section, number, split_once, text};
use super::listing::{Asker, Builder};
use super::{Account, Listing};

/// Reads the section `users` or `groups`, which has the lines of `file`: `+NAME:ID`, or `?LINE` for
/// a line that is not of that form.
pub(super) fn parse(section: &Section<'_>, asker: Asker, label: &str, file: &str) -> Listing<Account> {
    let mut builder = Builder::new(section, asker);
    for run in section.runs(label) {
        run.failure("sed").into_iter().for_each(|failure| builder.gap(failure));
        for line in run.output.lines().filter(|line| !line.is_empty()) {
            match line.split_first() {
                Some((b'+', account)) => match account_of(account) {
                    Some(account) => builder.push(account),
                    None => builder.gap(format!("a line of `{file}` is not understood")),
                },
                Some((b'?', other)) if is_no_account(other) => {}
                _ => builder.gap(format!("a line of `{file}` is not understood")),
            }
        }
    }
    // root's entry shows that the file was read.
    if builder.is_complete() && !builder.has(|account| account.id == 0) {
        builder.gap(format!("`{file}` does not have an entry for root"));
    }
    builder.finish(|account| (account.id, account.name.clone()))
}

fn account_of(line: &[u8]) -> Option<Account> {
    let (name, id) = split_once(line, b":")?;
    Some(Account { name: text(name), id: number(id)? })
}

/// Empty lines, comments, and the entries of NIS, whose accounts are not local.
fn is_no_account(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.is_empty() || [b"#", b"+", b"-"].iter().any(|begin| line.starts_with(*begin))
}
