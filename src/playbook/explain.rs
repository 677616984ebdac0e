//! A product in words, for people who decide whether it may be removed this way.

use super::product::{Product, VersionSource};
use super::rule::Rule;
use super::step::{Action, Step};
use crate::model::yaml::duration::show_duration;

/// How a product is recognised, what would be run, what must be gone, and where that is documented.
/// Several lines, each ended by a line break.
#[must_use]
pub fn explain(product: &Product) -> String {
    let mut out = format!("{} ({})\n", product.name, product.id);
    if let Some(vendor) = &product.vendor {
        out.push_str(&format!("  vendor: {vendor}\n"));
    }
    if !product.class.is_product() {
        out.push_str(&format!("  class: {}\n", product.class.word()));
    }
    let platforms: Vec<&str> = product.platforms.iter().map(|platform| platform.word()).collect();
    out.push_str(&format!("  platforms: {}\n", platforms.join(", ")));
    if let Some(version) = &product.version {
        let from = match version {
            VersionSource::Package { name } => format!("package `{name}`"),
            VersionSource::Program { name } => format!("program `{name}`"),
            VersionSource::Receipt { id } => format!("receipt `{id}`"),
            VersionSource::App { id } => format!("application `{id}`"),
            VersionSource::File { path, pattern } => format!("`{}` in `{path}`", pattern.0),
        };
        out.push_str(&format!("  version: from {from}\n"));
    }
    out.push_str("\nIt is present where\n");
    rule(&mut out, &product.detect, 1);
    match &product.residue {
        None => out.push_str("\nNothing that it leaves behind is looked for.\n"),
        Some(residue) => {
            out.push_str("\nIt left something behind where it is not present, but\n");
            rule(&mut out, residue, 1);
        }
    }
    if let Some(server) = &product.managed_by {
        out.push_str(&format!(
            "\nA server may install it again; a host tells its address in `{}` of `{}`.\n",
            server.value, server.registry
        ));
    }
    removal(&mut out, product);
    sources(&mut out, product);
    out
}

fn removal(out: &mut String, product: &Product) {
    if let Some(reason) = &product.report_only {
        out.push_str(&format!("\nIt is only reported, never removed: {reason}\n"));
        return;
    }
    if product.remove.is_empty() {
        out.push_str("\nNo way to remove it is known: it is reported.\n");
        return;
    }
    out.push_str("\nTo remove it");
    if let Some(word) = &product.opt_in {
        out.push_str(&format!(" (only with `--allow {word}`)"));
    }
    if !product.after.is_empty() {
        out.push_str(&format!(" (after {})", product.after.join(", ")));
    }
    out.push('\n');
    for (index, step_of) in product.remove.iter().enumerate() {
        out.push_str(&format!("  {}. {}\n", index + 1, step_words(step_of)));
        for (word, condition) in
            [("only where", &step_of.when), ("then it must be true that", &step_of.effect)]
        {
            if let Some(condition) = condition {
                out.push_str(&format!("     {word}\n"));
                rule(out, condition, 3);
            }
        }
    }
    out.push_str(&format!(
        "\nIt counts as removed only when none of the above is found any more; asked again for {}.\n",
        show_duration(product.settle)
    ));
}

fn sources(out: &mut String, product: &Product) {
    if !product.confirmed {
        out.push_str("\nNot confirmed: no source was found for what is said here.\n");
    }
    if !product.sources.is_empty() {
        out.push_str("\nSources\n");
        product.sources.iter().for_each(|source| out.push_str(&format!("  {source}\n")));
    }
}

/// A rule, one check a line, joined rules indented under their word.
fn rule(out: &mut String, rule_of: &Rule, depth: usize) {
    let indent = "  ".repeat(depth);
    let (word, rules): (&str, &[Rule]) = match rule_of {
        Rule::Check(check) => {
            out.push_str(&format!("{indent}- there is {check}\n"));
            return;
        }
        Rule::Not(inner) if matches!(**inner, Rule::Check(_)) => {
            out.push_str(&format!("{indent}- {}\n", in_line(rule_of)));
            return;
        }
        Rule::Any(rules) => ("any of", rules),
        Rule::All(rules) => ("all of", rules),
        Rule::Not(inner) => ("not", std::slice::from_ref(inner)),
    };
    out.push_str(&format!("{indent}- {word}:\n"));
    rules.iter().for_each(|inner| rule(out, inner, depth + 1));
}

fn step_words(step: &Step) -> String {
    let mut words = match &step.action {
        Action::StopService { name } => format!("stop the service `{name}`"),
        Action::DeleteService { name } => format!("stop, disable and delete the service `{name}`"),
        Action::RemovePackage { names, purge } => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let purge = if *purge { ", with their configuration" } else { "" };
            format!("remove the packages {} in one transaction{purge}", names.join(", "))
        }
        Action::KillProcess { exe } => format!("kill every process of `{exe}`"),
        Action::RemovePath { path } => format!("delete `{path}` with all below it"),
        Action::RemoveUser { name } => format!("delete the local user `{name}`"),
        Action::RemoveGroup { name } => format!("delete the local group `{name}`"),
        Action::RemoveCertificate { subject } => format!("remove trusted certificates of `{}`", subject.0),
        Action::RemoveScheduledTask { name } => format!("delete the scheduled task `{name}`"),
        Action::KillImage { name } => format!("kill every process called `{name}`"),
        Action::UninstallProgram { name, publisher, product_code, secrets, .. } => {
            let signs = [
                name.as_ref().map(|name| format!("named `{name}`")),
                publisher.as_ref().map(|publisher| format!("of `{publisher}`")),
                product_code.as_ref().map(|code| format!("with the product code `{code}`")),
            ];
            let signs: Vec<String> = signs.into_iter().flatten().collect();
            let with = given(secrets.values().map(|secret| secret.name.as_str()));
            format!("uninstall every program {} by its own uninstaller{with}", signs.join(" "))
        }
        Action::DeleteRegistry { key, value: None } => {
            format!("delete the registry key `{key}` with all below it")
        }
        Action::DeleteRegistry { key, value: Some(value) } => {
            format!("delete the value `{value}` of the registry key `{key}`")
        }
        Action::ForgetReceipt { id } => format!("have macOS forget the installer receipts `{id}`"),
        Action::Run { command, env, stdin, uploads, .. } => {
            let env = env.values().map(|secret| secret.name.as_str());
            let files: Vec<String> = uploads.iter().map(|upload| format!("`{}`", upload.name)).collect();
            let files = if files.is_empty() {
                String::new()
            } else {
                format!(", with the files {}", files.join(", "))
            };
            format!("run `{command}`{}{files}", given(env.chain(stdin.as_deref())))
        }
        Action::Manual { instructions } => format!("by hand: {instructions}"),
        Action::WaitFor { rule } => format!("wait until {}", in_line(rule)),
        Action::Require { rule, waived_by, .. } => {
            let waived = waived_by.as_ref().map(|word| format!(", or with `--allow {word}`"));
            format!("go on only if {}{}", in_line(rule), waived.unwrap_or_default())
        }
        Action::Reboot { reason } => {
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("reboot the host and wait until it is up again{reason}")
        }
    };
    if let Some(timeout) = step.timeout {
        words.push_str(&format!(" (at most {})", show_duration(timeout)));
    }
    if let Some(word) = &step.opt_in {
        words.push_str(&format!(" (only with `--allow {word}`)"));
    }
    words
}

/// The secrets that a step is given.
fn given<'s>(secrets: impl Iterator<Item = &'s str>) -> String {
    let mut secrets: Vec<&str> = secrets.collect();
    secrets.sort_unstable();
    secrets.dedup();
    if secrets.is_empty() { String::new() } else { format!(", given the secret {}", secrets.join(", ")) }
}

/// A rule in one line.
fn in_line(rule_of: &Rule) -> String {
    let join = |rules: &[Rule], word: &str| {
        let parts: Vec<String> = rules.iter().map(in_line).collect();
        if parts.len() == 1 { parts.concat() } else { format!("({})", parts.join(word)) }
    };
    match rule_of {
        Rule::Any(rules) => join(rules, " or "),
        Rule::All(rules) => join(rules, " and "),
        Rule::Not(inner) => match &**inner {
            Rule::Check(check) => format!("there is no {check}"),
            other => format!("not {}", in_line(other)),
        },
        Rule::Check(check) => format!("there is {check}"),
    }
}
