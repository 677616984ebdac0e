//! Scheduled tasks: cron's tables and directories, systemd's timers.

use super::frames::{Section, text};
use super::listing::{Asker, Builder, check_needs};
use super::services::files;
use super::{Listing, ScheduledTask};

/// Reads the section `scheduled_tasks`.
pub(super) fn parse(section: &Section<'_>, asker: Asker) -> Listing<ScheduledTask> {
    let mut builder = Builder::new(section, asker);
    check_needs(&mut builder, section);
    for script in section.marks("script") {
        let path = script.rest_text();
        builder.push(ScheduledTask { name: path.clone(), line: path });
    }
    let tables: Vec<&[u8]> = section.marks("tab").map(|tab| tab.rest).collect();
    match section.runs("lines").next() {
        Some(run) => {
            // The status 1 says that no table has a line.
            let mut asked = run.clone();
            asked.status = asked.status.map(|status| if status == 1 { 0 } else { status });
            asked.failure("grep").into_iter().for_each(|failure| builder.gap(failure));
            if run.status == Some(0) && run.output.lines().all(<[u8]>::is_empty) {
                builder.gap("`grep` says that cron's tables have lines, but shows none");
            }
            run.output
                .lines()
                .filter(|line| !line.is_empty())
                .for_each(|line| read_line(&mut builder, &tables, line));
        }
        None if !tables.is_empty() => builder.gap("cron's tables were not read"),
        None => {}
    }
    for (_, timer) in files(section, "units").filter(|(_, name)| name.ends_with(".timer")) {
        builder.push(ScheduledTask { name: timer, line: String::new() });
    }
    builder.finish(|task| (task.name.clone(), task.line.clone()))
}

/// `TABLE:LINE`; a table's name may have a `:`, so the longest that fits is it.
fn read_line(builder: &mut Builder<ScheduledTask>, tables: &[&[u8]], line: &[u8]) {
    let fits = |table: &&&[u8]| line.strip_prefix(**table).is_some_and(|rest| rest.starts_with(b":"));
    let Some(table) = tables.iter().filter(fits).max_by_key(|table| table.len()) else {
        builder.gap("a line of cron's tables is not understood");
        return;
    };
    let line = text(line.get(table.len() + 1..).unwrap_or_default()).trim().to_owned();
    if !is_setting(&line) {
        builder.push(ScheduledTask { name: text(table), line });
    }
}

/// `NAME = value` sets a variable for the lines behind it.
fn is_setting(line: &str) -> bool {
    line.split_once('=').is_some_and(|(name, _)| {
        let name = name.trim_end().trim_matches(['"', '\'']);
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}
