//! Steps → shell text of macOS. What every POSIX system does alike is rendered where that stands; here is what is
//! asked and done by macOS's own tools, each by the full path that it has there.
//!
//! Never touched: what System Integrity Protection guards, Apple's jobs and receipts, what the receipt of another
//! product owns.

mod job;
mod path;
mod process;
mod receipt;
mod trust;

use super::{Context, Rendered, command, not_here};
use crate::playbook::{Action, Check, Pattern, Rule};

pub(super) fn render(action: &Action, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    match action {
        Action::StopService { name } => job::stop(name, context),
        Action::DeleteService { name } => job::delete(name, context),
        Action::KillProcess { exe } => process::kill(exe, context),
        Action::RemovePath { path } => path::remove(path, context),
        Action::ForgetReceipt { id } => receipt::forget(id, context),
        Action::RemoveCertificate { subject } => trust::remove(subject, context),
        Action::Run { command, stdin, .. } => Ok(Some(command::run(command, stdin.is_some()))),
        Action::Reboot { .. } => Ok(Some(command::reboot())),
        Action::RemoveUser { name } | Action::RemoveGroup { name } => Err(format!(
            "this version deletes no account on macOS, where more than its record belongs to it: remove `{name}` \
             in System Settings, or by `sysadminctl -deleteUser`"
        )),
        Action::RemoveScheduledTask { .. } => Err(
            "this version does not read cron's tables on macOS; a job of launchd goes by `delete_service`"
                .to_owned(),
        ),
        Action::KillImage { .. } => Err("a process is killed by its `exe` here, not by a name".to_owned()),
        Action::RemovePackage { .. } | Action::UninstallProgram { .. } | Action::DeleteRegistry { .. } => {
            Err(not_here(action, "macOS"))
        }
        Action::Manual { .. } | Action::WaitFor { .. } | Action::Require { .. } => Ok(None),
    }
}

/// Whether a name is of Apple's: a job, a receipt.
fn is_apples(name: &str) -> bool {
    name == "com.apple" || name.starts_with("com.apple.")
}

/// The receipts of a product on this host: those that its rules look for and its steps forget.
fn own_receipts<'f>(context: &Context<'f>) -> Vec<&'f str> {
    let mut patterns: Vec<Pattern> = Vec::new();
    let mut visit = |check: &Check| {
        if let Check::Receipt { id, .. } = check {
            patterns.push(id.clone());
        }
    };
    let rules: [Option<&Rule>; 2] = [Some(&context.product.detect), context.product.residue.as_ref()];
    rules.into_iter().flatten().for_each(|rule| rule.each_check(&mut visit));
    patterns.extend(context.product.remove.iter().filter_map(|step| match &step.action {
        Action::ForgetReceipt { id } => Some(id.clone()),
        _ => None,
    }));
    let matchers: Vec<_> = patterns.iter().map(Pattern::matcher).collect();
    let is_own = |id: &&str| matchers.iter().any(|matcher| matcher.matches(id).is_true());
    let all = context.facts.receipts.items.iter().map(|receipt| receipt.id.as_str());
    all.filter(|id| !is_apples(id)).filter(is_own).collect()
}

/// A shell function: why a path must stay, as `why`: the receipt of another product owns it, or that cannot be told.
/// `pkgutil` ends well for a path that nobody owns too, and says then which path it was asked for.
fn owned(context: &Context<'_>) -> String {
    let own = own_receipts(context);
    let own = if own.is_empty() {
        "''".to_owned()
    } else {
        own.iter().map(|id| crate::model::output::single_quoted(id)).collect::<Vec<_>>().join(" | ")
    };
    format!(
        r#"  owned() {{
    why='its receipts cannot be asked for'
    told=$(/usr/sbin/pkgutil --file-info "$1" 2>/dev/null) || return 0
    while IFS= read -r line; do
      case $line in
        'path: '*) [ "$why" != 'its receipts cannot be asked for' ] || why= ;;
        'pkgid: '*)
          case ${{line#'pkgid: '}} in
            {own}) ;;
            *) why="receipt ${{line#'pkgid: '}} owns it, which is of another product" ;;
          esac
          ;;
      esac
    done <<UPROOT_TOLD
$told
UPROOT_TOLD
    [ -n "$why" ]
  }}
"#
    )
}
