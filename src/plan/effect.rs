//! What each action makes true: the rule by which its success is judged.

use super::programs;
use crate::facts::{Facts, Service};
use crate::playbook::{Action, Check, PackageState, Pattern, Rule, Step};

/// What must be true after the step: what its action implies and what the playbook adds. None where
/// nothing can be said.
pub(super) fn of_step(step: &Step, facts: &Facts) -> Option<Rule> {
    let implied = of_action(&step.action, facts).filter(|_| !is_untold(&step.action, facts));
    match (implied, step.effect.clone()) {
        (Some(implied), Some(stated)) => Some(Rule::All(vec![implied, stated])),
        (implied, stated) => implied.or(stated),
    }
}

/// Whether this host cannot tell if the action's effect holds. Only systemd says whether a service
/// runs: an init script would have to be run to be asked, and asking runs nothing of the product's.
/// Whether the product's processes are gone is seen at the host's end all the same. A driver of Windows is no
/// service to the checks.
fn is_untold(action: &Action, facts: &Facts) -> bool {
    let Action::StopService { name } = action else { return false };
    let on_windows = facts.is_windows();
    let named = |service: &&Service| {
        let name = service_name(name);
        service.name == name || on_windows && service.name.eq_ignore_ascii_case(name)
    };
    let untold = |service: &Service| service.active.is_none() || on_windows && service.kind == "driver";
    facts.services.items.iter().filter(named).any(untold)
}

fn of_action(action: &Action, facts: &Facts) -> Option<Rule> {
    let rule = match action {
        Action::StopService { name } => {
            gone(Check::Service { name: Pattern::new(service_name(name)), running: Some(true) })
        }
        Action::DeleteService { name } => {
            let name = Pattern::new(service_name(name));
            let service = gone(Check::Service { name: name.clone(), running: None });
            if facts.is_windows() {
                Rule::All(vec![service, gone(Check::Driver { name: Some(name), file: None })])
            } else {
                service
            }
        }
        Action::RemovePackage { names, purge } => packages_gone(names, *purge),
        Action::KillProcess { exe } => gone(Check::Process { name: None, exe: Some(exe.clone()) }),
        Action::KillImage { name } => gone(Check::Process { name: Some(Pattern::new(name)), exe: None }),
        Action::UninstallProgram { name, publisher, product_code, .. } => {
            let meant = programs::meant(action, facts).machine;
            if meant.is_empty() {
                programs::none_there(name.as_ref(), publisher.as_ref(), product_code.as_deref())
            } else {
                programs::gone(&meant)
            }
        }
        Action::DeleteRegistry { key, value } => {
            gone(Check::Registry { key: key.clone(), value: value.clone(), data: None })
        }
        Action::ForgetReceipt { id } => gone(Check::Receipt { id: id.clone(), version: None }),
        Action::RemovePath { path } => gone(Check::Path { path: path.clone(), kind: None, owner: None }),
        Action::RemoveUser { name } => gone(Check::User { name: Pattern::new(name) }),
        Action::RemoveGroup { name } => gone(Check::Group { name: Pattern::new(name) }),
        Action::RemoveCertificate { subject } => gone(Check::Certificate { subject: subject.clone() }),
        Action::RemoveScheduledTask { name } => {
            gone(Check::ScheduledTask { name: Some(name.clone()), command: None })
        }
        Action::Run { .. }
        | Action::Manual { .. }
        | Action::WaitFor { .. }
        | Action::Require { .. }
        | Action::Reboot { .. } => return None,
    };
    Some(rule)
}

/// A service goes by its name without `.service`, however the playbook writes it.
pub(super) fn service_name(name: &str) -> &str {
    name.strip_suffix(".service").unwrap_or(name)
}

fn gone(check: Check) -> Rule {
    Rule::Not(Box::new(Rule::Check(check)))
}

fn packages_gone(names: &[Pattern], purge: bool) -> Rule {
    let package = |name: &Pattern, state| gone(Check::Package { name: name.clone(), version: None, state });
    let rules = names.iter().flat_map(|name| {
        let installed = std::iter::once(package(name, None));
        // What is purged leaves no configuration either.
        installed.chain(purge.then(|| package(name, Some(PackageState::ConfigFiles))))
    });
    Rule::All(rules.collect())
}
