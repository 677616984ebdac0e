//! Services: unit files and init scripts, with systemd's word on which of them run.

use super::frames::{Section, split_once, text};
use super::listing::{Asker, Builder, check_needs};
use super::{Listing, Service};
use std::collections::BTreeMap;

/// What lies in `/etc/init.d` without being a service.
const NOT_A_SCRIPT: [&str; 6] = ["README", "skeleton", "functions", "rc", "rcS", "single"];

/// What systemd says of a loaded unit.
struct Loaded {
    load: String,
    active: String,
}

impl Loaded {
    /// Whether it is there at all, its file aside: a unit that others only name is listed too, as
    /// not found, and a mask is none.
    fn is_something(&self) -> bool {
        let runs = ["active", "activating", "deactivating", "reloading", "refreshing"];
        !["not-found", "masked"].contains(&self.load.as_str()) || runs.contains(&self.active.as_str())
    }
}

/// Reads the section `services`.
pub(super) fn parse(section: &Section<'_>, asker: Asker) -> Listing<Service> {
    let mut builder = Builder::new(section, asker);
    check_needs(&mut builder, section);
    let loaded = loaded(section, &mut builder);
    let mut services: BTreeMap<String, Service> = BTreeMap::new();
    let aliases = aliases(section);
    let active_of = |name: &str| {
        let units = loaded.as_ref()?;
        let known = units.get(aliases.as_ref()?.unit_of(name)).map(|unit| unit.active.clone());
        // systemd forgets a unit that is not running and that nothing refers to.
        Some(known.unwrap_or_else(|| "inactive".to_owned()))
    };
    for (directory, file) in files(section, "units") {
        let Some(name) = file.strip_suffix(".service") else { continue };
        services.entry(name.to_owned()).or_insert_with(|| Service {
            name: name.to_owned(),
            kind: "systemd".to_owned(),
            file: Some(format!("{directory}/{file}")),
            active: active_of(name),
        });
    }
    for (directory, file) in files(section, "scripts") {
        let is_backup = file.ends_with('~') || file.contains(".dpkg-") || file.contains(".rpm");
        if is_backup || NOT_A_SCRIPT.contains(&file.as_str()) {
            continue;
        }
        services.entry(file.clone()).or_insert_with(|| Service {
            // systemd wraps init scripts in units of their own.
            active: loaded.as_ref().and_then(|units| units.get(&file)).map(|unit| unit.active.clone()),
            name: file.clone(),
            kind: "sysv".to_owned(),
            file: Some(format!("{directory}/{file}")),
        });
    }
    for (name, unit) in loaded.iter().flatten().filter(|(_, unit)| unit.is_something()) {
        services.entry(name.clone()).or_insert_with(|| Service {
            name: name.clone(),
            kind: "systemd".to_owned(),
            file: None,
            active: Some(unit.active.clone()),
        });
    }
    services.into_values().for_each(|service| builder.push(service));
    builder.finish(|service| service.name.clone())
}

/// Unit names that are links to a unit of another name.
#[derive(Default)]
struct Aliases(BTreeMap<String, String>);

impl Aliases {
    /// The name under which systemd tells the state of a unit.
    fn unit_of<'n>(&'n self, name: &'n str) -> &'n str {
        // A chain of links has an end; a ring has none.
        (0..8).fold(name, |name, _| self.0.get(name).map_or(name, String::as_str))
    }
}

/// The aliases; none: they could not be read, so that no state can be told for certain.
fn aliases(section: &Section<'_>) -> Option<Aliases> {
    let Some(run) = section.runs("aliases").next() else { return Some(Aliases::default()) };
    if run.failure("ls").is_some() {
        return None;
    }
    let base = |path: &[u8]| {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        name.strip_suffix(b".service").map(text)
    };
    let alias = |line: &[u8]| {
        let (link, target) = split_once(line, b" -> ")?;
        let (name, unit) = (base(link)?, base(target)?);
        (name != unit).then_some((name, unit))
    };
    Some(Aliases(run.output.lines().filter_map(alias).collect()))
}

/// The files of every directory marked with `word`, as (directory, name).
pub(super) fn files<'s>(
    section: &'s Section<'_>,
    word: &'s str,
) -> impl Iterator<Item = (String, String)> + 's {
    section.marks(word).flat_map(|block| {
        let directory = block.rest_text();
        let names = block.lines().filter(|line| !line.is_empty()).map(text).collect::<Vec<_>>();
        names.into_iter().map(move |name| (directory.clone(), name))
    })
}

/// What `systemctl list-units` lists; none: it could not be asked, so that nothing is known of what
/// runs. Where systemd is running, that also hides units without a file.
fn loaded(section: &Section<'_>, builder: &mut Builder<Service>) -> Option<BTreeMap<String, Loaded>> {
    let run = section.runs("systemctl").next()?;
    let units: BTreeMap<String, Loaded> = run.output.lines().filter_map(unit).collect();
    match run.failure("systemctl") {
        None if !units.is_empty() => Some(units),
        failure => {
            if section.marks("booted").next().is_some() {
                builder.gap(failure.unwrap_or_else(|| "`systemctl` lists no unit at all".to_owned()));
            }
            None
        }
    }
}

/// `UNIT LOAD ACTIVE SUB DESCRIPTION`, before it a dot where something is wrong.
fn unit(line: &[u8]) -> Option<(String, Loaded)> {
    let line = text(line);
    let mut words = line.split_whitespace().skip_while(|word| !word.ends_with(".service"));
    let name = words.next()?.strip_suffix(".service")?.to_owned();
    Some((name, Loaded { load: words.next()?.to_owned(), active: words.next()?.to_owned() }))
}
