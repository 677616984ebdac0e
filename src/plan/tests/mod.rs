mod file;
mod make;
mod properties;
mod words;

use super::testing::*;
use super::*;
use crate::facts::{Facts, Gap, Package, Privilege};
use crate::model::ProductState;
use crate::playbook::{Action, Check, PathKind, Playbook, Policy, Step, TextPattern, Wave, WaveHosts};
use proptest::prelude::*;
use std::time::Duration;

/// Something that is changed in a plan.
type Change = fn(&mut Plan);

/// Reads a plan file with this text.
fn read_text(text: &str) -> Result<Plan, PlanError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    read(file.path()).map(|(plan, _, _)| plan)
}

fn plan_one(playbook: &Playbook, facts: Facts) -> Plan {
    plan_for(playbook, &[facts]).unwrap()
}
