//! What only Windows has: programs, registry keys, drivers.

use super::checks::{in_range, invalid_pattern, lost_characters, names_nothing};
use super::outcome::{Doubt, Outcome, Scan};
use super::software::is_driver;
use super::text::{LOST, LineTest, NameTest, cut};
use crate::facts::{Facts, Listing, Program, RegistryKey};
use crate::model::{Platform, Truth};
use crate::playbook::version::check_range;
use crate::playbook::{Pattern, TextPattern};

/// What a program must be.
pub(super) struct ProgramTest<'c> {
    pub(super) name: Option<&'c Pattern>,
    pub(super) publisher: Option<&'c Pattern>,
    pub(super) product_code: Option<&'c str>,
    pub(super) version: Option<&'c str>,
    pub(super) per_user: bool,
}

pub(super) fn program(test: &ProgramTest<'_>, facts: &Facts) -> Outcome {
    let ProgramTest { product_code, version, per_user, .. } = *test;
    if test.name.is_none() && test.publisher.is_none() && product_code.is_none() {
        return names_nothing(true);
    }
    let windows = Some(Platform::Windows);
    let name = test.name.map(|name| NameTest::on(windows, name));
    let publisher = test.publisher.map(|publisher| NameTest::on(windows, publisher));
    if let Some(test) = [&name, &publisher].into_iter().flatten().find(|test| !test.is_valid()) {
        return invalid_pattern(test.text(), true);
    }
    if let Some(range) = version.filter(|range| check_range(range).is_err()) {
        return invalid_pattern(range, true);
    }
    let programs = together(facts, per_user);
    Scan::of(&programs, |program| {
        let truth = is_that(&name, &publisher, product_code, program);
        if truth.is_false() {
            return truth;
        }
        truth.and(version.map_or(Truth::True, |range| in_range(program.version.as_deref(), range)))
    })
    .conclude(program_line, Some(&|program| program_line(program)), |program| {
        let line = program_line(program);
        if line.contains(LOST) {
            return lost_characters("the program", &line);
        }
        Doubt::new(format!("the version of the program `{}` cannot be compared", cut(&line, 80)))
    })
}

fn is_that(
    name: &Option<NameTest<'_>>,
    publisher: &Option<NameTest<'_>>,
    product_code: Option<&str>,
    program: &Program,
) -> Truth {
    // An entry that does not say its name or publisher is not the one that is asked for.
    let bears = |test: &Option<NameTest<'_>>, text: &Option<String>| {
        test.as_ref()
            .map_or(Truth::True, |test| text.as_deref().map_or(Truth::False, |text| test.matches(text)))
    };
    let coded = product_code.map_or(Truth::True, |code| same_code(code, &program.key));
    bears(name, &program.name).and(bears(publisher, &program.publisher)).and(coded)
}

/// The programs that a step names, of the machine and of every user that could be read, each with whether
/// it is one of them for certain.
pub(crate) fn programs_named<'f>(
    name: Option<&Pattern>,
    publisher: Option<&Pattern>,
    product_code: Option<&str>,
    facts: &'f Facts,
) -> Vec<(&'f Program, Truth)> {
    let windows = Some(Platform::Windows);
    let name = name.map(|name| NameTest::on(windows, name));
    let publisher = publisher.map(|publisher| NameTest::on(windows, publisher));
    let all = facts.programs.items.iter().chain(&facts.user_programs.items);
    all.map(|program| (program, is_that(&name, &publisher, product_code, program)))
        .filter(|(_, truth)| !truth.is_false())
        .collect()
}

/// The programs of the machine and of every user that could be read. Where no product of the kind is
/// installed for one user alone, a profile that could not be read hides nothing.
fn together(facts: &Facts, per_user: bool) -> Listing<Program> {
    let mut all = facts.programs.clone();
    all.items.extend(facts.user_programs.items.iter().cloned());
    if per_user {
        all.gaps.extend(facts.user_programs.gaps.iter().cloned());
    }
    all
}

fn same_code(code: &str, key: &str) -> Truth {
    if key.eq_ignore_ascii_case(code) {
        return Truth::True;
    }
    let plain = |text: &str| text.trim_matches(['{', '}']).to_ascii_lowercase();
    Truth::from(plain(key) == plain(code))
}

fn program_line(program: &Program) -> String {
    let Program { hive, key, name, publisher, version, .. } = program;
    let told = [name, version].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
    let publisher = publisher.as_deref().map(|publisher| format!(" of {publisher}")).unwrap_or_default();
    format!("{told}{publisher} {key} ({hive})").trim_start().to_owned()
}

/// The display version of the first program with this name.
pub(super) fn program_version(name: &Pattern, facts: &Facts) -> Option<String> {
    let test = NameTest::on(Some(Platform::Windows), name);
    let named = |program: &&Program| program.name.as_deref().is_some_and(|name| test.matches(name).is_true());
    let mut all = facts.programs.items.iter().chain(&facts.user_programs.items).filter(named);
    all.find_map(|program| program.version.clone())
}

pub(super) fn registry(
    key: &Pattern,
    value: Option<&str>,
    data: Option<&TextPattern>,
    facts: &Facts,
) -> Outcome {
    let Some(found) = facts.registry.get(key.as_str()) else {
        return Outcome::unknown(Doubt::new(format!("`{}` was not asked", cut(key.as_str(), 120))), true);
    };
    let data = data.map(|data| (LineTest::new(data), data));
    if let Some((_, data)) = data.as_ref().filter(|(test, _)| !test.is_valid()) {
        return invalid_pattern(&data.0, true);
    }
    let of_value = |key: &RegistryKey| {
        let found =
            key.values.iter().find(|one| value.is_some_and(|name| one.name.eq_ignore_ascii_case(name)));
        found.map(|value| (value.name.clone(), value.data.clone()))
    };
    Scan::of(found, |key| match (value, of_value(key), &data) {
        (None, ..) => Truth::True,
        (Some(_), None, _) => Truth::from(false),
        (Some(_), Some(_), None) => Truth::True,
        (Some(_), Some((_, text)), Some((test, _))) => text
            .lines()
            .chain(text.is_empty().then_some(""))
            .map(|line| test.matches(line))
            .fold(Truth::False, Truth::or),
    })
    .conclude(
        |key| match of_value(key) {
            Some((name, data)) => format!("{}: {name} = {data}", key.key),
            None => key.key.clone(),
        },
        // Data may change by themselves.
        Some(&|key| key.key.clone()),
        |key| lost_characters("the data in", &key.key),
    )
}

pub(super) fn driver(name: Option<&Pattern>, file: Option<&Pattern>, facts: &Facts) -> Outcome {
    if name.is_none() && file.is_none() {
        return names_nothing(true);
    }
    let windows = Some(Platform::Windows);
    let (name, file) =
        (name.map(|name| NameTest::on(windows, name)), file.map(|file| NameTest::of_path(windows, file)));
    if let Some(test) = [&name, &file].into_iter().flatten().find(|test| !test.is_valid()) {
        return invalid_pattern(test.text(), true);
    }
    Scan::of_never_empty(&facts.services, "services and drivers", |service| {
        let named = name.as_ref().map_or(Truth::True, |test| test.matches(&service.name));
        let kind = is_driver(service);
        if named.and(kind).is_false() {
            return Truth::False;
        }
        let of_file = file.as_ref().map_or(Truth::True, |test| {
            service.file.as_deref().map_or(Truth::Unknown, |path| test.matches(path.trim_matches('"')))
        });
        named.and(kind).and(of_file)
    })
    .conclude(
        |service| {
            let file = service.file.as_deref().unwrap_or("image path not known");
            let active = service.active.as_deref().unwrap_or("state not known");
            format!("{} {file} {active} ({})", service.name, service.kind)
        },
        Some(&|service| {
            format!("{} {}", service.name, service.file.as_deref().unwrap_or_default()).trim_end().to_owned()
        }),
        |service| {
            let told = format!("{} {}", service.name, service.file.as_deref().unwrap_or_default());
            if told.contains(LOST) {
                return lost_characters("the driver", &told);
            }
            Doubt::new(format!("whether `{}` is such a driver cannot be told", cut(&service.name, 80)))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::{clean_host, complete, gappy, service};
    use crate::detect::{ProductRules, finding};
    use crate::facts::{Process, RegistryValue, Service};
    use crate::model::Truth::{False, True, Unknown};
    use crate::playbook::{Check, Rule, VersionSource};

    fn entry(hive: &str, key: &str, name: Option<&str>, version: &str) -> Program {
        Program {
            hive: hive.into(),
            key: key.into(),
            name: name.map(Into::into),
            publisher: Some("AO Kaspersky Lab".into()),
            version: Some(version.into()),
            uninstall: None,
            quiet_uninstall: None,
        }
    }

    fn host(change: impl FnOnce(&mut Facts)) -> Facts {
        let driver = |name: &str, kind: &str, file: Option<&str>| Service {
            kind: kind.into(),
            file: file.map(Into::into),
            ..service(name, Some("active"))
        };
        let mut facts = clean_host();
        facts.platform = Some(Platform::Windows);
        facts.programs = complete(vec![
            entry(
                "HKLM",
                "{9A017278-F7F4-4DF9-A482-0B97B70DD7ED}",
                Some("Kaspersky Endpoint Security"),
                "12.9.0.384",
            ),
            entry("HKLM", "{0000}", None, ""),
        ]);
        facts.user_programs = gappy(vec![entry(r"HKEY_USERS\S-1-5-21-1", "Notes", Some("Notes"), "1.0")]);
        facts.services = complete(vec![
            driver("klif", "driver", Some(r"C:\WINDOWS\system32\drivers\K4W-21-15\klif.sys")),
            driver("KLNAGENT", "service", Some(r"C:\klnagent.exe")),
            driver("odd", "unknown", None),
        ]);
        facts.processes =
            complete(vec![Process { pid: 7, name: "avp.exe".into(), exe: None, deleted: false, uid: None }]);
        let value =
            |data: &str| RegistryValue { name: "Name".into(), kind: "REG_SZ".into(), data: data.into() };
        let key = |key: &str, data| RegistryKey { key: key.into(), values: vec![value(data)] };
        facts.registry = [
            (
                r"HKLM\SOFTWARE\A".to_owned(),
                complete(vec![key(r"HKEY_LOCAL_MACHINE\SOFTWARE\A", "Kaspersky\n21")]),
            ),
            (r"HKLM\SOFTWARE\B".to_owned(), complete(vec![])),
            (r"HKLM\SOFTWARE\C".to_owned(), gappy(vec![])),
            (
                r"HKLM\SOFTWARE\D".to_owned(),
                complete(vec![key(r"HKEY_LOCAL_MACHINE\SOFTWARE\D", "\u{fffd}x")]),
            ),
        ]
        .into();
        change(&mut facts);
        facts
    }

    fn ask(check: Check, facts: &Facts) -> Truth {
        crate::detect::evaluate(&Rule::Check(check), facts).truth
    }

    fn named(name: &str) -> Check {
        Check::Program {
            name: Some(Pattern::new(name)),
            publisher: None,
            product_code: None,
            version: None,
            per_user: false,
        }
    }

    #[test]
    fn programs_are_three_valued() {
        let whole = host(|_| {});
        let versioned = |range: &str| match named("kaspersky*") {
            Check::Program { name, .. } => Check::Program {
                name,
                publisher: Some(Pattern::new("*KASPERSKY*")),
                product_code: None,
                version: Some(range.into()),
                per_user: false,
            },
            other => other,
        };
        let code = |code: &str| Check::Program {
            name: None,
            publisher: None,
            product_code: Some(code.into()),
            version: None,
            per_user: false,
        };
        let everyone = |name: &str| match named(name) {
            Check::Program { name, .. } => {
                Check::Program { name, publisher: None, product_code: None, version: None, per_user: true }
            }
            other => other,
        };
        for (check, truth) in [
            (named("KASPERSKY endpoint*"), True),
            (named("Kaspersky VPN*"), False),
            (named("notes"), True),
            (versioned(">=12"), True),
            (versioned("<12"), False),
            (code("9a017278-f7f4-4df9-a482-0b97b70dd7ed"), True),
            (code("{9A017278-F7F4-4DF9-A482-0B97B70DD7EE}"), False),
            // A profile that was not loaded hides what is installed for its user alone.
            (everyone("Kaspersky VPN*"), Unknown),
            (everyone("Notes"), True),
        ] {
            assert_eq!(ask(check.clone(), &whole), truth, "{check}");
        }
        let less = host(|facts| facts.programs = gappy(facts.programs.items.clone()));
        assert_eq!(ask(named("Kaspersky VPN*"), &less), Unknown);
        assert_eq!(ask(named("Kaspersky*"), &less), True);
        let lost =
            |name: &str| host(|facts| facts.programs = complete(vec![entry("HKLM", "x", Some(name), "1")]));
        assert_eq!(ask(named("*Kaspersky*"), &lost("\u{fffd}\u{fffd}\u{fffd}")), False);
        assert_eq!(ask(named("*Kaspersky*"), &lost("\u{fffd} Kaspersky")), Unknown);
        assert_eq!(ask(named("*\u{433}*"), &lost("\u{fffd}\u{fffd}\u{fffd}")), Unknown);
        assert_eq!(ask(named("x"), &clean_host()), False, "no such thing is on Linux");
        assert_eq!(ask(named("x"), &host(|facts| facts.programs = Listing::default())), Unknown);
    }

    #[test]
    fn registry_keys_are_three_valued() {
        let facts = host(|_| {});
        let check = |key: &str, value: Option<&str>, data: Option<&str>| Check::Registry {
            key: Pattern::new(key),
            value: value.map(Into::into),
            data: data.map(|data| TextPattern(data.into())),
        };
        for (check, truth) in [
            (check(r"HKLM\SOFTWARE\A", None, None), True),
            (check(r"HKLM\SOFTWARE\A", Some("name"), None), True),
            (check(r"HKLM\SOFTWARE\A", Some("other"), None), False),
            (check(r"HKLM\SOFTWARE\A", Some("Name"), Some("^21$")), True),
            (check(r"HKLM\SOFTWARE\A", Some("Name"), Some("^22$")), False),
            (check(r"HKLM\SOFTWARE\B", None, None), False),
            (check(r"HKLM\SOFTWARE\C", None, None), Unknown),
            (check(r"HKLM\SOFTWARE\D", Some("Name"), Some("^Kx")), Unknown),
            (check(r"HKLM\SOFTWARE\A", Some("Name"), Some("(")), Unknown),
            (check(r"HKLM\SOFTWARE\E", None, None), Unknown),
        ] {
            assert_eq!(ask(check.clone(), &facts), truth, "{check}");
        }
    }

    #[test]
    fn drivers_and_services_are_told_apart() {
        let facts = host(|_| {});
        let driver = |name: Option<&str>, file: Option<&str>| Check::Driver {
            name: name.map(Pattern::new),
            file: file.map(Pattern::new),
        };
        let service = |name: &str| Check::Service { name: Pattern::new(name), running: None };
        for (check, truth) in [
            (driver(Some("KLIF"), None), True),
            (driver(None, Some(r"**\k4w-*\*")), True),
            (driver(Some("klif"), Some(r"**\drivers\klif.sys")), False),
            (driver(Some("klnagent"), None), False),
            (driver(Some("odd"), None), Unknown),
            (driver(None, None), Unknown),
            (service("klnagent"), True),
            (service("klif"), False),
            (service("odd"), Unknown),
            (service("other"), False),
        ] {
            assert_eq!(ask(check.clone(), &facts), truth, "{check}");
        }
        // One whose image path was not told may be the one that is asked for.
        let less = host(|facts| facts.services.items[0].file = None);
        assert_eq!(ask(driver(None, Some(r"**\k4w-*\*")), &less), Unknown);
    }

    #[test]
    fn an_executable_of_another_name_is_not_the_one() {
        let facts = host(|_| {});
        let check = |name: Option<&str>, exe: Option<&str>| Check::Process {
            name: name.map(Pattern::new),
            exe: exe.map(Pattern::new),
        };
        for (check, truth) in [
            (check(Some("AVP.exe"), None), True),
            (check(Some("avp"), None), False),
            (check(None, Some(r"C:\x\other.exe")), False),
            (check(None, Some(r"C:\x\avp.exe")), Unknown),
            (check(None, Some(r"C:\x\**")), Unknown),
            (check(None, Some("/opt/kaspersky/**")), False),
        ] {
            assert_eq!(ask(check.clone(), &facts), truth, "{check}");
        }
    }

    #[test]
    fn the_version_is_the_programs_and_drift_tells_an_upgrade() {
        let detect = Rule::Check(named("Kaspersky*"));
        let version = VersionSource::Program { name: Pattern::new("Kaspersky*") };
        let rules = ProductRules {
            class: Default::default(),
            id: "kes",
            name: "KES",
            platforms: &[Platform::Windows],
            detect: &detect,
            residue: None,
            version: Some(&version),
        };
        let was = finding(&rules, &host(|_| {}));
        assert_eq!(was.version.as_deref(), Some("12.9.0.384"));
        let is = finding(&rules, &host(|facts| facts.programs.items[0].version = Some("12.10".into())));
        let drift = crate::detect::drift(&[was], &[is], &["kes".to_owned()]);
        assert_eq!(drift[0], "`kes`: version was 12.9.0.384, is 12.10");
        assert!(drift[1].contains("no longer there"), "{drift:?}");
    }
}
