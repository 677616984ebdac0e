//! Which programs of a host an `uninstall_program` means.

use crate::detect::programs_named;
use crate::facts::{Facts, Program};
use crate::model::Truth;
use crate::playbook::{Action, Check, Pattern, Rule};

/// The programs that a step means on one host.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Meant<'f> {
    /// Those of the machine.
    pub(super) machine: Vec<&'f Program>,
    /// Those that are installed for one user alone.
    pub(super) users: Vec<&'f Program>,
    /// Those of which it cannot be told.
    pub(super) unsure: Vec<&'f Program>,
}

/// What the action means on the host; nothing where it is another action.
pub(super) fn meant<'f>(action: &Action, facts: &'f Facts) -> Meant<'f> {
    let Action::UninstallProgram { name, publisher, product_code, .. } = action else {
        return Meant::default();
    };
    let mut meant = Meant::default();
    for (program, truth) in programs_named(name.as_ref(), publisher.as_ref(), product_code.as_deref(), facts)
    {
        match truth {
            Truth::True if is_of_user(program) => meant.users.push(program),
            Truth::True => meant.machine.push(program),
            _ => meant.unsure.push(program),
        }
    }
    meant
}

/// Whether its entry is in a user's hive.
pub(super) fn is_of_user(program: &Program) -> bool {
    program.hive.to_ascii_uppercase().starts_with("HKEY_USERS")
}

/// An entry as the host names it.
pub(super) fn words(program: &Program) -> String {
    let name = program.name.as_deref().unwrap_or(&program.key);
    let version = program.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    format!("{name}{version}")
}

/// What must be true after they are uninstalled: none of their entries is there. By the keys of the entries,
/// so that one entry of two that stays is not hidden by the other.
pub(super) fn gone(programs: &[&Program]) -> Rule {
    Rule::All(programs.iter().map(|program| none_there(None, None, Some(&program.key))).collect())
}

/// What must be true where the host names none.
pub(super) fn none_there(
    name: Option<&Pattern>,
    publisher: Option<&Pattern>,
    product_code: Option<&str>,
) -> Rule {
    let check = Check::Program {
        name: name.cloned(),
        publisher: publisher.cloned(),
        product_code: product_code.map(str::to_owned),
        version: None,
        per_user: false,
    };
    Rule::Not(Box::new(Rule::Check(check)))
}
