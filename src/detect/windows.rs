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
        // An entry that does not say its name or publisher is not the one that is asked for.
        let bears = |test: &Option<NameTest<'_>>, text: &Option<String>| {
            test.as_ref()
                .map_or(Truth::True, |test| text.as_deref().map_or(Truth::False, |text| test.matches(text)))
        };
        let coded = product_code.map_or(Truth::True, |code| same_code(code, &program.key));
        let truth = bears(&name, &program.name).and(bears(&publisher, &program.publisher)).and(coded);
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
