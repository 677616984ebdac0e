//! Warnings: what can be used but probably does not do what was meant.

mod waves;

use super::pattern::Pattern;
use super::product::{Playbook, Product};
use super::rule::{Check, Rule};
use super::step::{Action, Step};
use crate::model::{Diagnostic, Platform};
use std::collections::BTreeSet;
use std::time::Duration;

/// Package and service names that other software has too.
const GENERIC: [&str; 3] = ["kess", "kics", "ksc"];

/// What looks wrong in a playbook that can be used, in the order of the products.
#[must_use]
pub fn lint(playbook: &Playbook) -> Vec<Diagnostic> {
    let mut warnings: Vec<Diagnostic> = playbook.products.iter().flat_map(lint_product).collect();
    warnings.extend(unused_secrets(playbook));
    warnings.extend(shadowed(playbook));
    warnings.extend(protected_by_what_goes(playbook));
    warnings.extend(waves::lint(&playbook.waves));
    warnings
}

fn lint_product(product: &Product) -> Vec<Diagnostic> {
    let id = &product.id;
    let mut out = Vec::new();
    let mut warn = |message: String, label: &str, help: &str| {
        out.push(Diagnostic::warning(&product.place, message).with_label(label).with_help(help));
    };
    for platform in &product.platforms {
        if !answerable(&product.detect, *platform) {
            warn(
                format!("product `{id}` can never be found on {platform}"),
                "no check of `detect` can be true there",
                "add a check for that platform, or remove it from `platforms`",
            );
        }
    }
    if let Some(name) = generic_name(&product.detect) {
        warn(
            format!("product `{id}` is recognised by `{name}` alone"),
            "other software has that name too",
            "ask for a second sign: `all: [ …, path: … ]`",
        );
    }
    if product.confirmed && product.sources.is_empty() {
        warn(
            format!("product `{id}` counts as confirmed and has no sources"),
            "nothing says where its steps come from",
            "add `sources: [ … ]`, or `confirmed: false`",
        );
    }
    if product.remove.is_empty() && product.report_only.is_none() {
        warn(
            format!("product `{id}` has no steps and is not report_only"),
            "it can be found and never removed",
            "add `remove: [ … ]`, or say why not with `report_only: …`",
        );
    }
    if product.settle == Duration::ZERO && !product.remove.is_empty() {
        warn(
            format!("product `{id}` is judged at once after its last step"),
            "an uninstaller that detaches would count as failed",
            "give `settle` some time, such as `1m`",
        );
    }
    out.extend(product.remove.iter().flat_map(lint_step));
    out
}

fn lint_step(step: &Step) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    match &step.action {
        Action::Run { command, .. } => {
            if step.effect.is_none() {
                out.push(
                    Diagnostic::warning(&step.place, "this `run` has no effect to check")
                        .with_label("only its exit code is believed")
                        .with_help("add `effect:` with what must be true afterwards"),
                );
            }
            if removes_trees(command) {
                out.push(
                    Diagnostic::warning(&step.place, "this `run` removes a tree by itself")
                        .with_label("it follows no rule of `remove_path`")
                        .with_help(
                            "use `remove_path`, which refuses shared directories and links out of the tree",
                        ),
                );
            }
        }
        Action::RemovePath { path } if is_broad(path) => out.push(
            Diagnostic::warning(&step.place, format!("`{path}` could reach what others installed"))
                .with_label("its wildcard stands early, or after too little")
                .with_help("name the product's own directory"),
        ),
        _ => {}
    }
    out
}

/// Whether a command has `rm` with a flag for trees.
fn removes_trees(command: &str) -> bool {
    let words: Vec<&str> = command.split(|c: char| c.is_whitespace() || ";&|(){}".contains(c)).collect();
    words.windows(2).any(|pair| match pair {
        [rm, flags] => {
            (*rm == "rm" || rm.ends_with("/rm"))
                && (flags.starts_with("--recursive")
                    || (flags.starts_with('-') && !flags.starts_with("--") && flags.contains(['r', 'R'])))
        }
        _ => false,
    })
}

/// A wildcard that stands early, or after next to nothing. The directory of every user is no wildcard
/// that could be avoided.
fn is_broad(path: &Pattern) -> bool {
    let text = path.as_str();
    let homes = ["/home/*/", "/Users/*/", r"%SystemDrive%\Users\*\"];
    let below = homes.iter().find_map(|homes| text.strip_prefix(homes));
    let is_end = |c: char| c == '/' || c == '\\' && !text.starts_with('/');
    let parts = below.unwrap_or(text).split(is_end).filter(|part| !part.is_empty());
    let least = if below.is_some() { 0 } else { 2 };
    parts.enumerate().any(|(index, part)| {
        let before = part.split(['*', '?', '[', '{']).next().unwrap_or_default();
        let wild = before.len() < part.len();
        wild && (index < least
            || (index == least && before.chars().filter(char::is_ascii_alphanumeric).count() < 3))
    })
}

/// Whether the rule could be true on a host of the platform.
fn answerable(rule: &Rule, platform: Platform) -> bool {
    match rule {
        Rule::Any(rules) => rules.iter().any(|rule| answerable(rule, platform)),
        Rule::All(rules) => rules.iter().all(|rule| answerable(rule, platform)),
        Rule::Not(_) => true,
        Rule::Check(check) => match check {
            Check::Package { .. } => platform == Platform::Linux,
            Check::KernelModule { .. } => platform != Platform::Windows,
            Check::Receipt { .. } | Check::SystemExtension { .. } | Check::App { .. } => {
                platform == Platform::Macos
            }
            Check::Program { .. } | Check::Registry { .. } | Check::Driver { .. } => {
                platform == Platform::Windows
            }
            Check::Path { path, .. } | Check::FileContains { path, .. } => {
                path.as_str().starts_with('/') == (platform != Platform::Windows)
            }
            Check::Process { exe: Some(exe), .. } => {
                exe.as_str().starts_with('/') == (platform != Platform::Windows)
            }
            _ => true,
        },
    }
}

/// A name that other software shares, where it decides alone: a branch of `any`, or the whole rule.
fn generic_name(rule: &Rule) -> Option<&str> {
    match rule {
        Rule::Any(rules) => rules.iter().find_map(generic_name),
        Rule::All(rules) if rules.len() == 1 => rules.first().and_then(generic_name),
        Rule::Check(
            Check::Package { name, .. }
            | Check::Service { name, .. }
            | Check::Process { name: Some(name), exe: None },
        ) => GENERIC.contains(&name.as_str()).then_some(name.as_str()),
        _ => None,
    }
}

fn unused_secrets(playbook: &Playbook) -> Vec<Diagnostic> {
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for step in playbook.products.iter().flat_map(|product| &product.remove) {
        match &step.action {
            Action::Run { env, stdin, .. } => {
                used.extend(env.values().map(|secret| secret.name.as_str()));
                used.extend(stdin.as_deref());
            }
            Action::UninstallProgram { secrets, .. } => {
                used.extend(secrets.values().map(|secret| secret.name.as_str()));
            }
            _ => {}
        }
    }
    let unused = playbook.secrets.iter().filter(|secret| !used.contains(secret.name.as_str()));
    unused
        .map(|secret| {
            Diagnostic::warning(&secret.place, format!("secret `{}` is never used", secret.name))
                .with_label("no step names it")
                .with_help("remove it, or use it in a `run` or an `uninstall_program`")
        })
        .collect()
}

/// Two products that are always found together: each run would report and remove both.
fn shadowed(playbook: &Playbook) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for (index, product) in playbook.products.iter().enumerate() {
        let earlier = playbook.products.iter().take(index).find(|earlier| {
            earlier.detect == product.detect
                && earlier.platforms.iter().any(|platform| product.platforms.contains(platform))
        });
        if let Some(earlier) = earlier {
            out.push(
                Diagnostic::warning(
                    &product.place,
                    format!("product `{}` is recognised exactly as product `{}` is", product.id, earlier.id),
                )
                .with_label("one of the two can never be seen apart")
                .with_help(format!("tell them apart, or join them; the other is at {}", earlier.place)),
            );
        }
    }
    out
}

/// A product that the playbook removes and that `require_protection` counts on: it would hold until the
/// removal, and fail after it.
fn protected_by_what_goes(playbook: &Playbook) -> Vec<Diagnostic> {
    let mut wanted = Vec::new();
    playbook.policy.require_protection.iter().for_each(|rule| positive(rule, false, &mut wanted));
    let removed = playbook.products.iter().filter(|product| !product.remove.is_empty());
    removed
        .filter_map(|product| {
            let mut own = Vec::new();
            positive(&product.detect, false, &mut own);
            let check = wanted.iter().find(|check| own.iter().any(|own| is_same_thing(check, own)))?;
            let message =
                format!("`require_protection` counts on {check}, and product `{}` has it", product.id);
            let warning = Diagnostic::warning(&product.place, message)
                .with_label("it is removed by this playbook")
                .with_help("name what protects the hosts instead of what goes");
            Some(warning)
        })
        .collect()
}

/// The checks by which a rule becomes true when they are.
fn positive<'r>(rule: &'r Rule, negated: bool, out: &mut Vec<&'r Check>) {
    match rule {
        Rule::Any(rules) | Rule::All(rules) => rules.iter().for_each(|rule| positive(rule, negated, out)),
        Rule::Not(rule) => positive(rule, !negated, out),
        Rule::Check(check) if !negated => out.push(check),
        Rule::Check(_) => {}
    }
}

/// Whether what one check finds the other may find too.
fn is_same_thing(a: &Check, b: &Check) -> bool {
    let overlap = |a: &Pattern, b: &Pattern| {
        a.matcher().matches(b.as_str()).is_true() || b.matcher().matches(a.as_str()).is_true()
    };
    match (a, b) {
        (Check::Package { name: a, .. }, Check::Package { name: b, .. })
        | (Check::Service { name: a, .. }, Check::Service { name: b, .. })
        | (Check::KernelModule { name: a }, Check::KernelModule { name: b })
        | (Check::Driver { name: Some(a), .. }, Check::Driver { name: Some(b), .. })
        | (Check::Program { name: Some(a), .. }, Check::Program { name: Some(b), .. })
        | (Check::Registry { key: a, .. }, Check::Registry { key: b, .. })
        | (Check::Process { name: Some(a), .. }, Check::Process { name: Some(b), .. })
        | (Check::Process { exe: Some(a), .. }, Check::Process { exe: Some(b), .. }) => overlap(a, b),
        (
            Check::Path { path: a, .. } | Check::FileContains { path: a, .. },
            Check::Path { path: b, .. } | Check::FileContains { path: b, .. },
        ) => overlap(a, b),
        _ => false,
    }
}
