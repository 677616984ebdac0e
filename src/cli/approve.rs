//! `approve`, and the gate that `apply --require-approval` is.

use super::args::{ApprovalArguments, ApproveArguments};
use super::ask::ask;
use super::error::CliError;
use super::output::print_bytes;
use super::secrets;
use crate::model::ExitCode;
use crate::model::output::{escape_line, shell_word};
use crate::plan::{self, Plan, approval};
use crate::signature::{self, AllowedSigners, Saved, Signatures, ValidSignature};
use jiff::Timestamp;
use std::path::Path;

/// Runs `approve`.
pub fn run(arguments: &ApproveArguments) -> Result<ExitCode, CliError> {
    let (plan, bytes, digest) = plan::read(&arguments.plan)?;
    tell!("{}", summary(&plan, &digest, &arguments.plan));
    if !arguments.yes {
        ask("Approve this plan?", "not approved; nothing was signed")?;
    }
    let signature = match &arguments.key {
        Some(key) => signature::sign_with_file(&bytes, approval::PURPOSE, key, &mut secrets::passphrase)?,
        None => signature::sign_with_agent(&bytes, approval::PURPOSE)?,
    };
    let said = match signature::save(&signature, &arguments.plan, &bytes, approval::PURPOSE)? {
        Saved::Written(file) => format!("approved by {}: {}\n", signature.fingerprint(), shown(&file)),
        Saved::AlreadyThere(file) => {
            format!("was approved by {} already: {}\n", signature.fingerprint(), shown(&file))
        }
    };
    print_bytes(said.as_bytes())?;
    Ok(ExitCode::Success)
}

/// What one approves, in short.
fn summary(plan: &Plan, digest: &str, file: &Path) -> String {
    let steps = |host: &plan::PlannedHost| host.steps.iter().filter(|step| !step.already_so).count();
    let changed: Vec<&str> =
        plan.hosts.iter().filter(|host| steps(host) > 0).map(|host| host.name.as_str()).collect();
    let mut text = format!(
        "Plan {}\nmade {} by {}\nplaybook: {}\n{} host(s), of which {} would be changed, by {} step(s) in {} wave(s)\n",
        escape_line(&plan.id),
        plan.created,
        escape_line(&plan.operator),
        escape_line(&plan.playbook),
        plan.hosts.len(),
        changed.len(),
        plan.hosts.iter().map(steps).sum::<usize>(),
        plan.waves.len(),
    );
    if !changed.is_empty() {
        let more = changed.len().saturating_sub(MOST_NAMES);
        let names: Vec<String> = changed.iter().take(MOST_NAMES).map(|name| escape_line(name)).collect();
        let and = if more > 0 { format!(" and {more} more") } else { String::new() };
        text.push_str(&format!("changed: {}{and}\n", names.join(", ")));
    }
    let word = shell_word(&file.to_string_lossy());
    text.push_str(&format!("SHA-256 {digest}\nevery step: `uproot plan show {}`", escape_line(&word)));
    text
}

/// Names of hosts that the summary shows.
const MOST_NAMES: usize = 10;

fn shown(file: &Path) -> String {
    escape_line(&file.to_string_lossy())
}

/// Refuses a plan that too few persons approved, before anything is contacted. Returns who approved it;
/// nobody, where no approval is required.
pub fn require(
    required: &ApprovalArguments,
    plan: &Path,
    bytes: &[u8],
) -> Result<Vec<ValidSignature>, CliError> {
    let (Some(needed), Some(file)) = (required.require_approval, &required.allowed_signers) else {
        return Ok(Vec::new());
    };
    let signers = AllowedSigners::read(file)?;
    let approvals = approval::check(plan, bytes, &signers, Timestamp::now())?;
    if approvals.persons < usize::from(needed) {
        return Err(CliError::Refused(refusal(&approvals, needed, plan)));
    }
    for refused in &approvals.refused {
        tell!("note: {} does not count: {}", shown(&refused.file), escape_line(&refused.reason));
    }
    Ok(approvals.valid)
}

fn refusal(approvals: &Signatures, needed: u16, plan: &Path) -> String {
    let mut text = format!(
        "the plan must be approved by {needed} different person(s), and {} approved it: nothing was contacted",
        approvals.persons
    );
    for approval in &approvals.valid {
        let ValidSignature { principal, fingerprint, file, .. } = approval;
        let principal = escape_line(principal);
        text.push_str(&format!("\n  {}: approved by {principal} with {fingerprint}", shown(file)));
    }
    if approvals.valid.len() > approvals.persons {
        text.push_str("\n  of keys whose principals may be the same person, one counts");
    }
    for refused in &approvals.refused {
        text.push_str(&format!(
            "\n  {}: does not count: {}",
            shown(&refused.file),
            escape_line(&refused.reason)
        ));
    }
    let plan = escape_line(&shell_word(&plan.to_string_lossy()));
    text.push_str(&format!("\nhelp: let those who may approve it run `uproot approve {plan}`"));
    text
}
