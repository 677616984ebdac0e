//! What only macOS has: installer receipts, system extensions, applications.

use super::checks::{in_range, invalid_pattern, lost_characters};
use super::outcome::{Doubt, Outcome, Scan};
use super::text::{LOST, NameTest, cut};
use super::{ProductRules, finding};
use crate::facts::{App, Facts, Receipt, SystemExtension};
use crate::model::{Finding, ProductState, Truth};
use crate::playbook::Pattern;
use crate::playbook::version::check_range;

pub(super) fn receipt(id: &Pattern, version: Option<&str>, facts: &Facts) -> Outcome {
    let test = NameTest::new(id);
    if let Some(invalid) = invalid(&test, version) {
        return invalid;
    }
    Scan::of_never_empty(&facts.receipts, "receipts", |receipt| {
        test.matches(&receipt.id).and(wanted(version, receipt.version.as_deref()))
    })
    .conclude(receipt_line, Some(&receipt_line), |receipt| {
        doubt("the receipt", &receipt_line(receipt), "its version cannot be compared")
    })
}

fn receipt_line(receipt: &Receipt) -> String {
    format!("{} {}", receipt.id, receipt.version.as_deref().unwrap_or_default()).trim_end().to_owned()
}

/// The version of the first receipt with this id.
pub(super) fn receipt_version(id: &Pattern, facts: &Facts) -> Option<String> {
    let test = NameTest::new(id);
    let mut found = facts.receipts.items.iter().filter(|receipt| test.matches(&receipt.id).is_true());
    found.find_map(|receipt| receipt.version.clone())
}

pub(super) fn system_extension(id: &Pattern, team: Option<&str>, facts: &Facts) -> Outcome {
    let test = NameTest::new(id);
    if let Some(invalid) = invalid(&test, None) {
        return invalid;
    }
    Scan::of(&facts.system_extensions, |extension| {
        let of_team = match team {
            None => Truth::True,
            Some(_) if extension.team.is_empty() || extension.team.contains(LOST) => Truth::Unknown,
            Some(team) => Truth::from(extension.team == team),
        };
        test.matches(&extension.id).and(of_team)
    })
    .conclude(
        |extension| format!("{}, {}", extension_name(extension), extension.state),
        // Its state changes when a user consents or the host reboots.
        Some(&extension_name),
        |extension| {
            doubt("the system extension", &extension_name(extension), "macOS does not show its team id")
        },
    )
}

fn extension_name(extension: &SystemExtension) -> String {
    let SystemExtension { id, team, version, .. } = extension;
    let team = if team.is_empty() { String::new() } else { format!(" of team {team}") };
    format!("{id} {version}{team}")
}

/// What keeps a system extension that is all that is left of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// The boot that runs: it goes with the next one.
    Boot,
    /// A person: it is active until a user or the device management consents to its removal.
    Consent,
}

/// A product of which nothing but system extensions is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnlyExtensions {
    /// The product's id.
    pub product: String,
    /// What keeps them.
    pub keeper: Keeper,
}

/// Of which products nothing but system extensions is left: those that are residue on these facts and would be
/// absent, every question answered, if the host had none of them (macOS).
#[must_use]
pub fn only_extensions<'a>(
    products: impl IntoIterator<Item = ProductRules<'a>>,
    found: &[Finding],
    facts: &Facts,
) -> Vec<OnlyExtensions> {
    let is_left = |id: &str| found.iter().any(|f| f.product == id && f.result == ProductState::Residue);
    let left: Vec<ProductRules<'_>> = products.into_iter().filter(|product| is_left(product.id)).collect();
    if facts.system_extensions.items.is_empty() || left.is_empty() {
        return Vec::new();
    }
    let without = |goes: fn(&SystemExtension) -> bool| {
        let mut facts = facts.clone();
        facts.system_extensions.items.retain(|extension| !goes(extension));
        facts
    };
    let (booted, removed) = (without(SystemExtension::goes_with_next_boot), without(|_| true));
    let keeper = |product: &ProductRules<'_>| {
        let absent_on = |facts: &Facts| finding(product, facts).result == ProductState::Absent;
        match (absent_on(&booted), absent_on(&removed)) {
            (true, _) => Some(Keeper::Boot),
            (false, true) => Some(Keeper::Consent),
            (false, false) => None,
        }
    };
    let only = |product: &ProductRules<'_>| {
        Some(OnlyExtensions { product: product.id.to_owned(), keeper: keeper(product)? })
    };
    left.iter().filter_map(only).collect()
}

pub(super) fn app(id: &Pattern, version: Option<&str>, facts: &Facts) -> Outcome {
    let test = NameTest::new(id);
    if let Some(invalid) = invalid(&test, version) {
        return invalid;
    }
    Scan::of_never_empty(&facts.apps, "applications", |app| {
        // One without an id is not the one that is asked for.
        let named = app.id.as_deref().map_or(Truth::False, |id| test.matches(id));
        named.and(wanted(version, app.version.as_deref()))
    })
    .conclude(app_line, Some(&app_line), |app| {
        doubt("the application", &app_line(app), "its version cannot be compared")
    })
}

fn app_line(app: &App) -> String {
    let App { path, id, version } = app;
    let told = [id, version].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
    format!("{told} ({path})").trim_start().to_owned()
}

/// The version of the first application with this bundle id.
pub(super) fn app_version(id: &Pattern, facts: &Facts) -> Option<String> {
    let test = NameTest::new(id);
    let named = |app: &&App| app.id.as_deref().is_some_and(|id| test.matches(id).is_true());
    facts.apps.items.iter().filter(named).find_map(|app| app.version.clone())
}

fn invalid(id: &NameTest<'_>, version: Option<&str>) -> Option<Outcome> {
    if !id.is_valid() {
        return Some(invalid_pattern(id.text(), true));
    }
    version.filter(|range| check_range(range).is_err()).map(|range| invalid_pattern(range, true))
}

fn wanted(range: Option<&str>, version: Option<&str>) -> Truth {
    range.map_or(Truth::True, |range| in_range(version, range))
}

fn doubt(what: &str, line: &str, otherwise: &str) -> Doubt {
    if line.contains(LOST) {
        return lost_characters(what, line);
    }
    Doubt::new(format!("{what} `{}`: {otherwise}", cut(line, 80)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::{clean_host, complete, gappy};
    use crate::model::Platform;
    use crate::model::Truth::{False, True, Unknown};
    use crate::playbook::Check;

    fn host() -> Facts {
        let receipt =
            |id: &str, version: Option<&str>| Receipt { id: id.into(), version: version.map(Into::into) };
        let app = |path: &str, id: Option<&str>, version: Option<&str>| App {
            path: path.into(),
            id: id.map(Into::into),
            version: version.map(Into::into),
        };
        Facts {
            platform: Some(Platform::Macos),
            receipts: complete(vec![
                receipt("com.apple.pkg.Core", None),
                receipt("com.kaspersky.kav.core", Some("11.3.0.410")),
            ]),
            system_extensions: complete(vec![SystemExtension {
                id: "com.kaspersky.kav.sysext".into(),
                team: "2Y8XE5CQ94".into(),
                version: "1.0/1".into(),
                state: "terminated waiting to uninstall on reboot".into(),
            }]),
            apps: complete(vec![
                app("/System/Library/CoreServices/Finder.app", Some("com.apple.finder"), Some("14.1")),
                app("/Applications/Odd.app", None, None),
                app("/Applications/Unversioned.app", Some("com.vendor.app"), None),
            ]),
            ..clean_host()
        }
    }

    fn receipt_check(id: &str, version: Option<&str>) -> Check {
        Check::Receipt { id: Pattern::new(id), version: version.map(Into::into) }
    }

    fn extension_check(id: &str, team: Option<&str>) -> Check {
        Check::SystemExtension { id: Pattern::new(id), team: team.map(Into::into) }
    }

    fn app_check(id: &str, version: Option<&str>) -> Check {
        Check::App { id: Pattern::new(id), version: version.map(Into::into) }
    }

    #[test]
    fn each_is_found_by_its_id() {
        let facts = host();
        for (check, truth) in [
            (receipt_check("com.kaspersky.*", None), True),
            (receipt_check("com.kaspersky.*", Some(">=12")), False),
            (receipt_check("com.apple.pkg.Core", Some(">=1")), Unknown),
            (receipt_check("com.vendor.*", None), False),
            (receipt_check("com.[", None), Unknown),
            (extension_check("com.kaspersky.*", Some("2Y8XE5CQ94")), True),
            (extension_check("com.kaspersky.*", Some("XXXXXXXXXX")), False),
            (extension_check("com.vendor.*", None), False),
            (app_check("com.apple.finder", Some(">=14, <15")), True),
            (app_check("com.vendor.app", Some(">=1")), Unknown),
            (app_check("com.kaspersky.*", None), False),
            (app_check("com.kaspersky.*", Some("no range")), Unknown),
        ] {
            let outcome = super::super::checks::answer(&check, &facts);
            assert_eq!(outcome.truth, truth, "{check}");
            let elsewhere = Facts { platform: Some(Platform::Linux), ..host() };
            assert_eq!(super::super::checks::answer(&check, &elsewhere).truth, False, "{check}");
        }
    }

    #[test]
    fn an_extension_that_waits_for_a_reboot_is_still_there_and_says_so() {
        let outcome = system_extension(&Pattern::new("com.kaspersky.*"), None, &host());
        assert_eq!(
            outcome.facts,
            ["com.kaspersky.kav.sysext 1.0/1 of team 2Y8XE5CQ94, terminated waiting to uninstall on reboot"]
        );
        assert_eq!(
            outcome.matched,
            Some(vec!["com.kaspersky.kav.sysext 1.0/1 of team 2Y8XE5CQ94".to_owned()])
        );
    }

    #[test]
    fn a_product_of_which_only_extensions_are_left_says_what_keeps_them() {
        let rule = |rule| crate::playbook::Rule::Check(rule);
        let detect = rule(app_check("com.kaspersky.gone", None));
        let residue = crate::playbook::Rule::Any(vec![
            rule(extension_check("com.kaspersky.*", None)),
            rule(receipt_check("com.kaspersky.left", None)),
        ]);
        let product = ProductRules {
            id: "kav",
            name: "Kav",
            class: crate::model::ProductClass::Product,
            platforms: &[crate::model::Platform::Macos],
            detect: &detect,
            residue: Some(&residue),
            version: None,
        };
        let keepers = |facts: &Facts| {
            let found = [finding(&product, facts)];
            only_extensions([product], &found, facts).into_iter().map(|only| only.keeper).collect::<Vec<_>>()
        };
        let with = |states: &[&str]| {
            let extension = |state: &&str| SystemExtension {
                id: "com.kaspersky.kav.sysext".into(),
                team: "T".into(),
                version: "1/1".into(),
                state: (*state).into(),
            };
            Facts { system_extensions: complete(states.iter().map(extension).collect()), ..host() }
        };
        let (waits, active) = ("terminated waiting to uninstall on reboot", "activated enabled");
        assert_eq!(keepers(&with(&[])), []);
        assert_eq!(keepers(&with(&[waits])), [Keeper::Boot]);
        assert_eq!(keepers(&with(&[active])), [Keeper::Consent]);
        assert_eq!(keepers(&with(&["activated waiting for user"])), [Keeper::Consent]);
        // An update leaves the version before it waiting beside the one that runs.
        assert_eq!(keepers(&with(&[waits, active])), [Keeper::Consent]);
        let mut more = with(&[waits]);
        more.receipts.items.push(Receipt { id: "com.kaspersky.left".into(), version: None });
        assert_eq!(keepers(&more), []);
        let mut unread = with(&[waits]);
        unread.receipts = gappy(unread.receipts.items);
        assert_eq!(keepers(&unread), [], "what was not read may be left too");
    }

    #[test]
    fn an_empty_or_gappy_list_is_no_absence() {
        let mut facts = host();
        facts.receipts = gappy(facts.receipts.items.clone());
        facts.system_extensions = gappy(Vec::new());
        facts.apps = complete(Vec::new());
        for check in
            [receipt_check("com.vendor.*", None), extension_check("x", None), app_check("com.vendor.*", None)]
        {
            assert_eq!(super::super::checks::answer(&check, &facts).truth, Unknown, "{check}");
        }
        facts.receipts = complete(Vec::new());
        assert_eq!(receipt(&Pattern::new("com.vendor.*"), None, &facts).truth, Unknown);
    }

    #[test]
    fn versions_come_from_the_first_that_has_one() {
        let facts = host();
        assert_eq!(receipt_version(&Pattern::new("com.*"), &facts).as_deref(), Some("11.3.0.410"));
        assert_eq!(app_version(&Pattern::new("com.apple.*"), &facts).as_deref(), Some("14.1"));
        assert_eq!(app_version(&Pattern::new("com.vendor.*"), &facts), None);
    }

    #[test]
    fn a_process_that_calls_itself_something_else_is_told_by_its_name() {
        use crate::detect::testing::process;
        let check = |exe: &str| Check::Process { name: None, exe: Some(Pattern::new(exe)) };
        let facts = Facts {
            processes: complete(vec![process(7, "zsh", None), process(8, "a_very_long_name", None)]),
            ..host()
        };
        for (exe, truth) in [
            ("/Library/Application Support/Kaspersky Lab/KAV/Binaries/kav", False),
            ("/bin/zsh", Unknown),
            ("/opt/a_very_long_name_indeed", Unknown),
            ("/Library/Application Support/Kaspersky Lab/**", Unknown),
        ] {
            assert_eq!(super::super::checks::answer(&check(exe), &facts).truth, truth, "{exe}");
        }
    }
}
