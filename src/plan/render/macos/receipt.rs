//! `forget_receipt`: the installer's database loses the entry. The files are other steps' affair, and go first: a
//! receipt is what tells whose they are.

use super::is_apples;
use crate::plan::render::{Context, Rendered, bounded, cannot_tell, quote::quote, quote::words, script};
use crate::playbook::Pattern;

pub(super) fn forget(id: &Pattern, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    let (matcher, receipts) = (id.matcher(), &context.facts.receipts);
    let mut meant: Vec<&str> = receipts
        .items
        .iter()
        .map(|receipt| receipt.id.as_str())
        .filter(|id| matcher.matches(id).is_true())
        .collect();
    if meant.is_empty() {
        return cannot_tell(&format!("whether there is a receipt `{id}`"), receipts).map_or(Ok(None), Err);
    }
    meant.sort_unstable();
    meant.dedup();
    if let Some(apples) = meant.iter().find(|id| is_apples(id)) {
        return Err(format!("`{id}` matches `{}`, a receipt of Apple's", bounded(apples)));
    }
    if let Some(strange) = meant.iter().find(|id| !is_receipt_id(id)) {
        return Err(format!("the host tells of a receipt `{}`, which cannot be one's id", bounded(strange)));
    }
    let commands = meant.iter().map(|id| format!("pkgutil --forget {}", quote(id))).collect();
    let body = format!(
        r#"  status=0
  for id in {}; do
    # The uninstaller may have had it forgotten already.
    /usr/sbin/pkgutil --pkg-info "$id" >/dev/null 2>&1 || continue
    /usr/sbin/pkgutil --forget "$id" || status=1
  done
  exit "$status"
"#,
        words(meant)
    );
    Ok(Some(Rendered { commands, script: script(&body) }))
}

/// Whether a text can be a package's identifier: it cannot be taken for an option or a path.
fn is_receipt_id(text: &str) -> bool {
    text.len() <= 255
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " ._+-".contains(c))
}
