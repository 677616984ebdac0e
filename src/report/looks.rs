//! What a run's looks at a host told of each product, for what spans several runs.

use super::{HostReport, Report};
use crate::model::{Finding, HostState, MachineIdentity, ProductState};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// One evaluation of the rules on a host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look<'a> {
    /// When.
    pub(super) at: Timestamp,
    /// What was found.
    pub(super) findings: &'a [Finding],
    /// The host, where a removal of this run may still wait for its reboot.
    after: Option<&'a HostReport>,
}

impl Look<'_> {
    /// What the look told of a product; none: it could not be told, or its removal is not proven before a
    /// reboot. `was_there`: whether it was ever seen before; what never was cannot come back by a reboot.
    pub(super) fn told(&self, finding: &Finding, was_there: bool) -> Option<ProductState> {
        match finding.result {
            ProductState::Unknown => None,
            ProductState::Absent if was_there && self.waits_for_reboot(&finding.product) => None,
            told => Some(told),
        }
    }

    fn waits_for_reboot(&self, product: &str) -> bool {
        let Some(host) = self.after else { return false };
        let of_product = || host.steps.iter().filter(|step| step.product == product);
        match host.state {
            // A `verify` that still waits has no steps of its own.
            HostState::RemovedRebootPending => host.steps.is_empty() || of_product().count() > 0,
            HostState::Removed | HostState::Clean => false,
            _ => of_product().any(|step| step.reboot_needed),
        }
    }
}

/// The looks of a run at a host, the older first: at most one before its steps and one after them.
pub(super) fn looks<'a>(report: &Report, host: &'a HostReport) -> Vec<Look<'a>> {
    let started = host.started.unwrap_or(report.started);
    let mut looks = Vec::new();
    if let Some(findings) = host.found_before.as_deref().filter(|findings| !findings.is_empty()) {
        looks.push(Look { at: host.looked_before.unwrap_or(started), findings, after: None });
    }
    if !host.findings.is_empty() {
        let at = host.looked.unwrap_or(started);
        looks.push(Look { at, findings: &host.findings, after: Some(host) });
    }
    looks
}

/// Whether a product in this state is there: installed, or left behind in part.
pub(super) fn is_there(state: ProductState) -> bool {
    matches!(state, ProductState::Present | ProductState::Residue)
}

/// Whether a product is installed now that had been proven not to be, or is there again that had been
/// proven gone. `before` is what was told last.
pub(super) fn is_back(before: ProductState, now: ProductState) -> bool {
    matches!(
        (before, now),
        (ProductState::Absent, ProductState::Present | ProductState::Residue)
            | (ProductState::Residue, ProductState::Present)
    )
}

/// The hosts of a report by name.
pub(super) fn by_name(report: &Report) -> BTreeMap<&str, &HostReport> {
    report.hosts.iter().map(|host| (host.host.as_str(), host)).collect()
}

/// Whether two identities are those of two machines, by the parts that are known of both. A new host key alone
/// makes no other machine where the machine-id is known.
pub(super) fn is_other_machine(before: &MachineIdentity, now: &MachineIdentity) -> bool {
    let differs = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
    match (&before.machine_id, &now.machine_id) {
        (Some(a), Some(b)) => a != b || differs(&before.dmi_uuid, &now.dmi_uuid),
        _ => differs(&before.host_key, &now.host_key),
    }
}
