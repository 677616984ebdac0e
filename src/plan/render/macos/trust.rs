//! `remove_certificate`: out of the system keychain, the one place that the facts know.
//!
//! `security delete-certificate -Z` takes an SHA-1 on every macOS, an SHA-256 on newer ones only; so the SHA-1 is
//! looked up on the host, by the SHA-256 that the facts have. What macOS keeps apart from the keychain about whom it
//! trusts is not changed: nobody but a person at the screen may.

use crate::facts::Certificate;
use crate::plan::render::{Context, Rendered, bounded, cannot_tell, quote::words, script};
use crate::playbook::TextPattern;
use std::collections::BTreeSet;

const KEYCHAIN: &str = "/Library/Keychains/System.keychain";

pub(super) fn remove(subject: &TextPattern, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    let pattern = subject.compile().map_err(|error| error.to_string())?;
    let all = &context.facts.certificates;
    let meant: Vec<&Certificate> =
        all.items.iter().filter(|certificate| pattern.is_match(&certificate.subject)).collect();
    if meant.is_empty() {
        let what = format!("whether a certificate matches `{}`", subject.0);
        return cannot_tell(&what, all).map_or(Ok(None), Err);
    }
    if let Some(elsewhere) = meant.iter().find(|certificate| certificate.file != KEYCHAIN) {
        return Err(format!(
            "the certificate `{}` stands in `{}`: remove it by hand",
            bounded(&elsewhere.subject),
            bounded(&elsewhere.file)
        ));
    }
    let hashes: BTreeSet<String> =
        meant.iter().map(|certificate| certificate.sha256.to_ascii_uppercase()).collect();
    if let Some(strange) = hashes.iter().find(|hash| hash.len() != 64 || !is_hexadecimal(hash)) {
        return Err(format!("`{}` is no SHA-256 of a certificate", bounded(strange)));
    }
    let commands = hashes
        .iter()
        .map(|hash| {
            format!("security delete-certificate -Z (the SHA-1 of the one with SHA-256 {hash}) {KEYCHAIN}")
        })
        .collect();
    let body = format!(
        r#"  keychain={KEYCHAIN}
  listed=$(/usr/bin/security find-certificate -a -Z "$keychain") || exit
  status=0
  for hash in {hashes}; do
    sha1=$(printf '%s\n' "$listed" | sed -n "/^SHA-256 hash: $hash\$/{{n;s/^SHA-1 hash: //p;}}")
    case $sha1 in
      '')
        case $listed in
          *'SHA-256 hash: '*) continue ;;
        esac
        printf 'uproot: this macOS does not tell the SHA-256 of certificates: remove it by hand\n' >&2
        exit 1
        ;;
      *[!0-9A-F]*)
        printf 'uproot: what `security` lists is not understood\n' >&2
        exit 1
        ;;
    esac
    /usr/bin/security delete-certificate -Z "$sha1" "$keychain" || status=1
  done
  exit "$status"
"#,
        hashes = words(hashes.iter().map(String::as_str)),
    );
    Ok(Some(Rendered { commands, script: script(&body) }))
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
