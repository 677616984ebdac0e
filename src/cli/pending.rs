//! Hosts that an earlier apply left with a reboot to come: the next `verify` tells whether it came.

use super::run_log::runs_dir;
use crate::apply::RebootPending;
use crate::journal::{self, RunSummary};
use crate::model::{Event, HostState, Record};
use std::collections::BTreeMap;
use std::path::Path;

/// From the runs that are kept here, by host. What cannot be read is left out and told: what `verify`
/// says of a host it sees itself.
pub fn hosts(runs: Option<&Path>) -> BTreeMap<String, RebootPending> {
    let mut pending = BTreeMap::new();
    // Without a directory of runs there is nothing to be told; a broken one is told when the run begins.
    let listed = journal::list(&runs_dir(runs)).unwrap_or_default();
    let left_one = |run: &RunSummary| {
        run.verb == "apply"
            && run.summary.get(&HostState::RemovedRebootPending).is_some_and(|count| *count > 0)
    };
    // The newest first: a later run of the same boot says the same.
    for summary in listed.into_iter().filter(left_one) {
        match journal::read(&summary.dir) {
            Ok(run) => {
                for (host, left) in of_run(&run.id, &run.records) {
                    pending.entry(host).or_insert(left);
                }
            }
            Err(error) => {
                tell!("note: whether hosts of run {} still need a reboot cannot be told: {error}", summary.id)
            }
        }
    }
    pending
}

fn of_run(id: &str, records: &[Record]) -> BTreeMap<String, RebootPending> {
    let mut last = BTreeMap::new();
    let mut pending = BTreeMap::new();
    for record in records {
        let Some(host) = &record.host else { continue };
        match &record.event {
            Event::Facts { identity, boot, .. } => {
                let (run, identity, boot) = (id.to_owned(), identity.clone(), boot.clone());
                last.insert(host.clone(), RebootPending { run, identity, boot });
            }
            Event::HostEnded { state: HostState::RemovedRebootPending, .. } => {
                pending.extend(last.get(host).map(|left| (host.clone(), left.clone())));
            }
            Event::HostEnded { .. } => {
                pending.remove(host);
            }
            _ => {}
        }
    }
    pending
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Phase;
    use crate::model::{BootIdentity, MachineIdentity};

    fn record(host: &str, event: Event) -> Record {
        Record { seq: 0, at: jiff::Timestamp::UNIX_EPOCH, host: Some(host.into()), event }
    }

    fn facts(host: &str, boot: &str) -> Record {
        let boot = BootIdentity { boot_id: Some(boot.into()), init_start: None };
        let identity = MachineIdentity { machine_id: Some(host.into()), ..Default::default() };
        record(
            host,
            Event::Facts { phase: Phase::After, blob: String::new(), platform: None, identity, boot },
        )
    }

    fn ended(host: &str, state: HostState) -> Record {
        record(host, Event::HostEnded { state, reason: String::new(), remedy: None, unfinished: false })
    }

    #[test]
    fn the_last_end_and_the_last_boot_of_a_host_count() {
        let records = [
            facts("a", "b1"),
            ended("a", HostState::RemovedRebootPending),
            facts("b", "b1"),
            ended("b", HostState::Failed),
            facts("b", "b2"),
            ended("b", HostState::RemovedRebootPending),
            facts("c", "b1"),
            ended("c", HostState::RemovedRebootPending),
            facts("c", "b2"),
            ended("c", HostState::Removed),
        ];
        let pending = of_run("r", &records);
        let boots: Vec<(&str, Option<&str>)> =
            pending.iter().map(|(host, left)| (host.as_str(), left.boot.boot_id.as_deref())).collect();
        assert_eq!(boots, [("a", Some("b1")), ("b", Some("b2"))]);
    }
}
