//! `remove_certificate`: from the machine's own store of trusted roots, by the thumbprint that is the name of its
//! key there. <https://learn.microsoft.com/windows-server/administration/windows-commands/certutil>

use super::batch_of;
use crate::facts::Certificate;
use crate::plan::render::{Context, Rendered, bounded, cannot_tell};
use crate::playbook::TextPattern;
use std::collections::BTreeSet;

/// The machine's own store. Others are filled by Windows Update, group policy and the directory, again and again.
const STORE: &str = r"hkey_local_machine\software\microsoft\systemcertificates\root\certificates\";

pub(super) fn remove(subject: &TextPattern, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    let pattern = subject.compile().map_err(|error| error.to_string())?;
    let all = &context.facts.certificates;
    let meant: Vec<&Certificate> = all.items.iter().filter(|one| pattern.is_match(&one.subject)).collect();
    if meant.is_empty() {
        let what = format!("whether a certificate matches `{}`", subject.0);
        return cannot_tell(&what, all).map_or(Ok(None), Err);
    }
    let mut prints: BTreeSet<String> = BTreeSet::new();
    for certificate in meant {
        let print = thumbprint(&certificate.file).ok_or_else(|| {
            format!(
                "the certificate `{}` stands in `{}`, not by its thumbprint in the machine's own store: \
                 remove it where that store is filled from",
                bounded(&certificate.subject),
                bounded(&certificate.file)
            )
        })?;
        prints.insert(print);
    }
    let commands: Vec<String> =
        prints.iter().map(|print| format!("certutil -delstore Root {print}")).collect();
    let mut body = "set \"UP_CODE=0\"\n".to_owned();
    for command in &commands {
        body.push_str(&format!("{command} <nul\nif not \"!errorlevel!\"==\"0\" set \"UP_CODE=1\"\n"));
    }
    body.push_str("exit /b !UP_CODE!\n");
    Ok(Some(Rendered { commands, script: batch_of(&[&body]) }))
}

/// The SHA-1 that is the name of a certificate's key in the machine's own store.
fn thumbprint(key: &str) -> Option<String> {
    let lower = key.to_ascii_lowercase();
    let print = lower.strip_prefix(STORE)?;
    (print.len() == 40 && print.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| print.to_owned())
}
