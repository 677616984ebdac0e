//! `remove_certificate`: an anchor file goes and the trust store is made anew.

use super::quote::{is_exact_path, quote, words};
use super::{Context, Rendered, bounded, cannot_tell, script};
use crate::facts::Certificate;
use crate::playbook::TextPattern;
use std::collections::BTreeSet;

/// Where an administrator's anchors stand: Debian and Alpine, Red Hat, SUSE, Arch.
const ANCHOR_DIRECTORIES: [&str; 4] = [
    "/usr/local/share/ca-certificates",
    "/etc/pki/ca-trust/source/anchors",
    "/etc/pki/trust/anchors",
    "/etc/ca-certificates/trust-source/anchors",
];

pub(super) fn remove(subject: &TextPattern, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    let pattern = subject.compile().map_err(|error| error.to_string())?;
    let all = &context.facts.certificates;
    let is_meant = |certificate: &&Certificate| pattern.is_match(&certificate.subject);
    let meant: Vec<&Certificate> = all.items.iter().filter(is_meant).collect();
    if meant.is_empty() {
        let what = format!("whether a certificate matches `{}`", subject.0);
        return cannot_tell(&what, all).map_or(Ok(None), Err);
    }
    let anchors: BTreeSet<&str> =
        meant.iter().map(|certificate| certificate.file.as_str()).filter(|file| is_anchor(file)).collect();
    if let Some(bundled) = meant.iter().find(|one| {
        !meant.iter().any(|other| other.sha256 == one.sha256 && anchors.contains(other.file.as_str()))
    }) {
        return Err(format!(
            "the certificate `{}` stands in `{}` and in no directory of local anchors: remove it by hand",
            bounded(&bundled.subject),
            bounded(&bundled.file)
        ));
    }
    let shared = all.items.iter().find(|one| anchors.contains(one.file.as_str()) && !is_meant(one));
    if let Some(shared) = shared {
        return Err(format!(
            "`{}` holds other certificates too (`{}`): remove the one by hand",
            bounded(&shared.file),
            bounded(&shared.subject)
        ));
    }
    let mut commands: Vec<String> = anchors.iter().map(|file| format!("rm -f {}", quote(file))).collect();
    commands.push("update-ca-certificates --fresh, or update-ca-trust".to_owned());
    let body = format!(
        r#"  for file in {}; do
    rm -f -- "$file" || exit
  done
  if command -v update-ca-certificates >/dev/null 2>&1; then
    update-ca-certificates --fresh
  elif command -v update-ca-trust >/dev/null 2>&1; then
    update-ca-trust
  else
    printf 'uproot: no tool to make the trust store anew\n' >&2
    exit 1
  fi
"#,
        words(anchors)
    );
    Ok(Some(Rendered { commands, script: script(&body) }))
}

fn is_anchor(file: &str) -> bool {
    is_exact_path(file)
        && ANCHOR_DIRECTORIES
            .iter()
            .any(|directory| file.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/')))
}
