//! Scheduled tasks, from the registry where the scheduler keeps them: a tree of names, each with the
//! number of its task, and for each number the actions. No display language is in there, which
//! `schtasks` cannot say of itself. The form of the actions is not documented by its maker; what is read
//! of it here was worked out by others
//! (<https://cyber.wtf/2022/06/01/windows-registry-analysis-todays-episode-tasks/>), and what is not
//! understood is unknown.

use super::answers::Answers;
use super::ask::{Ask, TASK_ACTIONS, TASK_TREE};
use super::certificates::bytes;
use super::registry::{Output, long};
use crate::facts::listing::{Asker, Builder};
use crate::facts::{Listing, ScheduledTask};

/// Reads the answers about scheduled tasks.
pub(super) fn parse(answers: &Answers<'_>) -> Listing<ScheduledTask> {
    let mut builder = Builder::empty(Asker { is_root: true });
    let search = |key, value| answers.search(&Ask::deep(key, value));
    let tree = search(TASK_TREE, "Id").unwrap_or_else(|reason| {
        builder.gap(format!("the scheduler's tasks: {reason}"));
        Output::default()
    });
    if builder.is_complete() && tree.keys.is_empty() {
        builder.gap("`reg query` lists no scheduled task at all");
    }
    let actions = search(TASK_ACTIONS, "Actions").unwrap_or_default();
    let above = long(TASK_TREE).len();
    for key in &tree.keys {
        let name = key.path.get(above..).unwrap_or_default().to_owned();
        let id = key.value("Id").map(|value| value.data.trim()).unwrap_or_default();
        let of_task = actions.key(&format!("{TASK_ACTIONS}\\{id}"));
        let line = of_task
            .and_then(|key| commands(&bytes(&key.value("Actions")?.data)?))
            .unwrap_or_else(|| "\u{fffd}".to_owned());
        builder.push(ScheduledTask { name, line });
    }
    builder.finish(|task| task.name.clone())
}

/// The command lines of a task's actions, joined by `; `; none: not understood.
fn commands(blob: &[u8]) -> Option<String> {
    let mut rest = Reader(blob);
    let version = rest.number::<2>()?;
    if !(1..=3).contains(&version) {
        return None;
    }
    if version > 1 {
        rest.text()?;
    }
    let mut lines = Vec::new();
    while !rest.0.is_empty() {
        let kind = rest.number::<2>()?;
        rest.text()?;
        match kind {
            0x6666 => {
                let (command, arguments) = (rest.text()?, rest.text()?);
                rest.text()?;
                if version == 3 {
                    rest.number::<2>()?;
                }
                lines.push(format!("{command} {arguments}").trim_end().to_owned());
            }
            // A handler inside the scheduler's own process: its class and data.
            0x7777 => {
                rest.take(16)?;
                rest.text()?;
            }
            _ => return None,
        }
    }
    Some(lines.join("; "))
}

/// What is left of a blob.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number<const BYTES: usize>(&mut self) -> Option<usize> {
        let bytes = self.take(BYTES)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// A length in bytes and so much of UTF-16.
    fn text(&mut self) -> Option<String> {
        let length = self.number::<4>()?;
        let units: Vec<u16> = self
            .take(length)?
            .chunks_exact(2)
            .map(|two| match two {
                [low, high] => u16::from_le_bytes([*low, *high]),
                _ => 0,
            })
            .collect();
        Some(String::from_utf16_lossy(&units))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut out = u32::try_from(units.len()).unwrap().to_le_bytes().to_vec();
        out.extend(units);
        out
    }

    #[test]
    fn reads_the_commands_of_a_task() {
        let mut blob = vec![3, 0];
        blob.extend(text("LocalSystem"));
        blob.extend([0x66, 0x66]);
        for part in ["", r"C:\Program Files\Kaspersky Lab\x.exe", "/update", ""] {
            blob.extend(text(part));
        }
        blob.extend([0, 0]);
        assert_eq!(commands(&blob).as_deref(), Some(r"C:\Program Files\Kaspersky Lab\x.exe /update"));
        for cut in 1..blob.len() {
            // A blob that ends behind its context has no action.
            let read = commands(&blob[..cut]);
            assert!(read.is_none() || read.as_deref() == Some(""), "{cut}: {read:?}");
        }
        assert_eq!(commands(&[3, 0, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
