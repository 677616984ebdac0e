//! The page for when something went wrong has a heading for whatever can be shown.

use uproot::model::{ExitCode, HostState};

fn headings() -> Vec<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/troubleshooting.md");
    let text = std::fs::read_to_string(page).unwrap();
    text.lines().filter(|line| line.starts_with("##")).map(str::to_owned).collect()
}

#[test]
fn every_state_has_its_heading() {
    for state in HostState::ALL {
        let heading = format!("### `{state}`");
        let count = headings().iter().filter(|line| **line == heading).count();
        assert_eq!(count, 1, "docs/troubleshooting.md must have `{heading}` once");
    }
}

#[test]
fn every_exit_code_has_its_heading() {
    let all = [
        ExitCode::Success,
        ExitCode::Found,
        ExitCode::Usage,
        ExitCode::CannotVouch,
        ExitCode::Stopped,
        ExitCode::Defect,
        ExitCode::Interrupted,
    ];
    for code in all {
        let beginning = format!("### Exit {}:", code.code());
        let count = headings().iter().filter(|line| line.starts_with(&beginning)).count();
        assert_eq!(count, 1, "docs/troubleshooting.md must have one `{beginning} …`");
    }
}
