use super::*;
use crate::model::BoundedOutput;
use crate::transport::{BecomeResult, StreamEnd};

fn answer_of(bytes: &[u8], end: StreamEnd) -> Answer {
    let mut stdout = BoundedOutput::with_limit(8 * 1024 * 1024);
    stdout.push(bytes);
    Answer { stdout, stderr: BoundedOutput::default(), end, become_result: BecomeResult::NotAsked }
}

fn everything() -> Questions {
    Questions {
        topics: [
            Topic::Packages,
            Topic::Programs,
            Topic::Services,
            Topic::Processes,
            Topic::Certificates,
            Topic::ScheduledTasks,
            Topic::Users,
        ]
        .into(),
        paths: [
            r"%ProgramFiles%\Kaspersky Lab\**",
            r"%ProgramFiles(x86)%\Kaspersky Lab",
            r"%SystemDrive%\Users\*\AppData\Local\Kaspersky Lab",
            r"C:\windows\system32\drivers\kl*.sys",
            r"C:\windows\explorer.exe",
        ]
        .map(str::to_owned)
        .into(),
        registry: [
            (r"HKLM\SOFTWARE\KasperskyLab\AVP*", &["Installed"][..]),
            (r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion", &["CurrentBuild"]),
            (r"HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Kaspersky Event Log", &[]),
            (r"HKU\*\Software\KasperskyLab", &[]),
        ]
        .map(|(key, values)| (key.to_owned(), values.iter().map(|v| (*v).to_owned()).collect()))
        .into(),
        ..Questions::default()
    }
}

#[test]
fn scratch() {
    std::fs::write("/tmp/winp/s.cmd", script(&everything(), "nonce-1").text().replace('\n', "\r\n")).unwrap();
    if let Ok(bytes) = std::fs::read("/tmp/winp/out.bin") {
        let answer = answer_of(&bytes, StreamEnd::Complete { status: 0 });
        let facts = parse("h", &everything(), "nonce-1", &answer, None, "2026-01-01T00:00:00Z".parse().unwrap());
        println!("{}", serde_json::to_string_pretty(&facts).unwrap());
    }
}
