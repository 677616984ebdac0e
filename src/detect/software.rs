//! Packages, services and processes.

use super::checks::{in_range, invalid_pattern, lost_characters, names_nothing};
use super::outcome::{Doubt, Outcome, Scan};
use super::text::{LOST, NameTest, cut};
use crate::facts::{Facts, Package, Process, Service};
use crate::model::{Platform, Truth};
use crate::playbook::version::check_range;
use crate::playbook::{PackageState, Pattern};

/// How many bytes of a command's name Linux keeps (`TASK_COMM_LEN` less its NUL).
const COMM_BYTES: usize = 15;
/// How many macOS keeps (`MAXCOMLEN`).
const MACOS_COMM_BYTES: usize = 16;

pub(super) fn package(
    name: &Pattern,
    version: Option<&str>,
    state: Option<PackageState>,
    facts: &Facts,
) -> Outcome {
    let test = NameTest::new(name);
    if !test.is_valid() {
        return invalid_pattern(test.text(), true);
    }
    if let Some(range) = version.filter(|range| check_range(range).is_err()) {
        return invalid_pattern(range, true);
    }
    Scan::of_never_empty(&facts.packages, "packages", |package| {
        let named = test.matches(&package.name);
        if named.is_false() {
            return named;
        }
        let wanted = version.map_or(Truth::True, |range| in_range(Some(&package.version), range));
        named.and(has_state(package, state)).and(wanted)
    })
    .conclude(
        package_line,
        Some(&|package| {
            format!(
                "{} {} {} {} {}",
                package.manager, package.name, package.version, package.arch, package.status
            )
        }),
        |package| {
            let line = package_line(package);
            if line.contains(LOST) {
                return lost_characters("the package", &line);
            }
            Doubt::new(format!("the version or status of package `{}` cannot be compared", cut(&line, 80)))
        },
    )
}

fn package_line(package: &Package) -> String {
    let Package { manager, name, version, arch, status } = package;
    format!("{name} {version} {arch} {status} ({manager})")
}

/// Whether a package has the status asked for; without one: whether it is there in any way but its
/// configuration.
fn has_state(package: &Package, asked: Option<PackageState>) -> Truth {
    let mut words = package.status.split_whitespace().rev();
    let (Some(status), flag) = (words.next(), words.next()) else { return Truth::Unknown };
    if package.status.contains(LOST) {
        return Truth::Unknown;
    }
    let gone = matches!(status, "not-installed" | "config-files");
    let broken = match status {
        "half-installed" | "unpacked" | "half-configured" | "triggers-awaited" | "triggers-pending" => {
            Truth::True
        }
        "installed" => Truth::from(flag == Some("reinstreq")),
        _ if gone => Truth::False,
        _ => Truth::Unknown,
    };
    match asked {
        None => Truth::from(!gone),
        Some(PackageState::ConfigFiles) => Truth::from(status == "config-files"),
        Some(PackageState::Broken) => broken,
        Some(PackageState::Installed) if gone => Truth::False,
        Some(PackageState::Installed) => !broken,
    }
}

/// The version of the first package that is installed and has this name.
pub(super) fn package_version(name: &Pattern, facts: &Facts) -> Option<String> {
    let test = NameTest::new(name);
    let scan = Scan::of(&facts.packages, |package| test.matches(&package.name).and(has_state(package, None)));
    scan.sure().first().map(|package| package.version.clone())
}

pub(super) fn service(name: &Pattern, running: Option<bool>, facts: &Facts) -> Outcome {
    let compared = running.is_none();
    let test = name
        .as_str()
        .strip_suffix(".service")
        .map_or_else(|| NameTest::on(facts.platform, name), |bare| NameTest::owned(Pattern::new(bare)));
    if !test.is_valid() {
        return invalid_pattern(test.text(), compared);
    }
    let name = |service: &Service| {
        format!("{} {}", service.name, service.file.as_deref().unwrap_or_default()).trim_end().to_owned()
    };
    Scan::of(&facts.services, |service| {
        let named = test.matches(&service.name).and(!is_driver(service));
        if named.is_false() {
            return named;
        }
        named.and(match running {
            None => Truth::True,
            Some(true) => is_running(service),
            Some(false) => !is_running(service),
        })
    })
    .conclude(
        |service| {
            let file = service.file.as_deref().unwrap_or("without a file");
            let active = service.active.as_deref().unwrap_or("state not known");
            format!("{} {file} {active} ({})", service.name, service.kind)
        },
        compared.then_some(&name),
        |service| {
            if service.name.contains(LOST) {
                return lost_characters("the service", &service.name);
            }
            let active = service.active.as_deref().unwrap_or("not told");
            if is_driver(service).is_unknown() {
                return Doubt::new(format!(
                    "whether `{}` is a service cannot be told",
                    cut(&service.name, 80)
                ));
            }
            Doubt::new(format!(
                "whether service `{}` runs cannot be told: its state is {}",
                cut(&service.name, 80),
                cut(active, 40)
            ))
        },
    )
}

/// Whether it is a driver of Windows.
pub(super) fn is_driver(service: &Service) -> Truth {
    match service.kind.as_str() {
        "driver" => Truth::True,
        "unknown" => Truth::Unknown,
        _ => Truth::False,
    }
}

/// Whether a service runs. One that is just starting or stopping is neither.
fn is_running(service: &Service) -> Truth {
    match service.active.as_deref() {
        Some("active" | "reloading" | "refreshing") => Truth::True,
        Some("inactive" | "failed") => Truth::False,
        _ => Truth::Unknown,
    }
}

pub(super) fn process(name: Option<&Pattern>, exe: Option<&Pattern>, facts: &Facts) -> Outcome {
    if name.is_none() && exe.is_none() {
        return names_nothing(false);
    }
    // Where a process's path was not told, its name is its file's.
    let named_by_file = matches!(facts.platform, Some(Platform::Windows | Platform::Macos));
    let (name, exe) = (
        name.map(|name| NameTest::on(facts.platform, name)),
        exe.map(|exe| NameTest::of_path(facts.platform, exe)),
    );
    if let Some(test) = [&name, &exe].into_iter().flatten().find(|test| !test.is_valid()) {
        return invalid_pattern(test.text(), false);
    }
    Scan::of_never_empty(&facts.processes, "processes", |process| {
        let named = name.as_ref().map_or(Truth::True, |test| has_name(test, process, facts.platform));
        if named.is_false() {
            return named;
        }
        let of_file = exe.as_ref().map_or(Truth::True, |test| {
            let file = || if named_by_file { of_that_name(test, process, facts) } else { Truth::Unknown };
            process.exe.as_deref().map_or_else(file, |path| test.matches(path))
        });
        named.and(of_file)
    })
    .conclude(process_line, None, |process| process_doubt(process, facts))
}

/// Windows tells an executable's file name alone, and macOS of a process that calls itself something
/// else: one with another name than the pattern ends with is not it, wherever it lies.
fn of_that_name(exe: &NameTest<'_>, process: &Process, facts: &Facts) -> Truth {
    let last = exe.text().rsplit('/').next().unwrap_or_default();
    if last.contains("**") || last.contains(['{', '}', '[', ']']) {
        return Truth::Unknown;
    }
    let test = NameTest::owned(Pattern::new(last));
    if facts.platform == Some(Platform::Macos) {
        return has_name(&test, process, facts.platform).and(Truth::Unknown);
    }
    test.matches(&process.name.to_lowercase()).and(Truth::Unknown)
}

fn process_line(process: &Process) -> String {
    let Process { pid, name, exe, deleted, uid } = process;
    let exe = exe.as_deref().unwrap_or("executable not readable");
    let deleted = if *deleted { " (deleted)" } else { "" };
    let owner = uid.map(|uid| format!(" uid {uid}")).unwrap_or_default();
    format!("pid {pid} {name} {exe}{deleted}{owner}")
}

fn process_doubt(process: &Process, facts: &Facts) -> Doubt {
    let Process { pid, name, exe, .. } = process;
    match exe {
        None if facts.is_windows() => Doubt::new(format!(
            "Windows does not tell by `tasklist` where the executable of process {pid} `{}` is",
            cut(name, 40)
        )),
        None if facts.platform == Some(Platform::Macos) => Doubt::new(format!(
            "process {pid} `{}` was started under another name than its executable's path",
            cut(name, 40)
        )),
        None => Doubt::of_privilege(
            format!("the executable of process {pid} `{}` cannot be read", cut(name, 40)),
            facts,
        ),
        Some(exe) if exe.contains(LOST) => lost_characters("the executable", exe),
        Some(_) if name.contains(LOST) => lost_characters("the process", name),
        Some(_) => Doubt::new(format!("the name of process {pid} `{}` is cut by the kernel", cut(name, 40))),
    }
}

/// Whether a process bears this command name, of which Linux keeps only the first 15 bytes, and macOS 16
/// where the path is not known: a
/// pattern that begins with more is compared as far as that goes; for one whose wildcard comes
/// earlier the executable's file name tells the rest, where it begins with what was kept.
fn has_name(test: &NameTest<'_>, process: &Process, platform: Option<Platform>) -> Truth {
    let comm = process.name.as_str();
    let direct = test.matches(comm);
    let lost = comm.contains(LOST);
    let kept_bytes = match platform {
        Some(Platform::Windows) => return direct,
        Some(Platform::Macos) if process.exe.is_some() => return direct,
        Some(Platform::Macos) => MACOS_COMM_BYTES,
        Some(Platform::Linux) | None => COMM_BYTES,
    };
    if direct.is_true() || (comm.len() < kept_bytes && !lost) {
        return direct;
    }
    let literal = test.literal();
    if let Some(kept) = literal.as_bytes().get(..kept_bytes) {
        let kept = String::from_utf8_lossy(kept);
        return direct.or(NameTest::owned(Pattern::new(kept)).matches(comm));
    }
    let shorter = !test.text().contains(['*', '?']) && test.text().len() <= kept_bytes;
    if shorter || !(comm.starts_with(literal) || lost) {
        return direct;
    }
    let file = process.exe.as_deref().and_then(|exe| exe.rsplit('/').next());
    match file.filter(|file| !lost && file.starts_with(comm)) {
        Some(file) => test.matches(file),
        None => Truth::Unknown,
    }
}
