//! What only macOS answers, or answers in another form than Linux. Each listing counts as complete only
//! with a positive sign that its program works: something that every Mac has is in it.

use super::frames::{Run, Section, Sections, number, split_once, text};
use super::listing::{Asker, Builder, check_needs};
use super::posix::section_of_macos;
use super::{
    Account, App, Facts, Gap, KernelModule, Listing, PendingReboot, Process, Questions, Receipt, Service,
    SystemExtension, Topic, base, certificates,
};
use std::collections::{BTreeMap, HashMap};

/// The release of Darwin with which system extensions came (macOS 10.15).
const FIRST_WITH_EXTENSIONS: u32 = 19;
/// How many bytes of a program's name the kernel keeps (`MAXCOMLEN`).
const COMM_BYTES: usize = 16;

/// Puts what the section `base` of a Mac says into `base`.
pub(super) fn read_base(section: &Section<'_>, base: &mut base::Base) {
    let line = |label: &str| {
        let run = section.runs(label).find(|run| run.failure(label).is_none())?;
        let lines: Vec<String> = run.output.lines().map(text).collect();
        lines.into_iter().map(|line| line.trim().to_owned()).find(|line| !line.is_empty())
    };
    base.os.hostname = line("hostname").unwrap_or_default();
    base.identity.dmi_uuid = line("hardware").map(|id| id.to_lowercase()).filter(|id| base::is_uuid(id));
    base.boot.boot_id = line("boot-session").map(|id| id.to_lowercase()).filter(|id| base::is_uuid(id));
    let told: HashMap<String, String> = section
        .runs("sw_vers")
        .filter(|run| run.failure("sw_vers").is_none())
        .flat_map(|run| run.output.lines().collect::<Vec<_>>())
        .filter_map(|line| split_once(line, b":"))
        .map(|(key, value)| (text(key), text(value).trim().to_owned()))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    base.os.version_id = told.get("ProductVersion").cloned();
    base.os.id = told.contains_key("ProductName").then(|| "macos".to_owned());
    let shown = |key: &str| told.get(key).map(String::as_str);
    base.os.pretty_name = shown("ProductName").zip(shown("ProductVersion")).map(|(name, version)| {
        shown("BuildVersion")
            .map_or_else(|| format!("{name} {version}"), |build| format!("{name} {version} ({build})"))
    });
    base.pending_reboot = PendingReboot::Unknown(
        "macOS leaves no sign of it that can be read, but for a system extension that goes with the next boot"
            .to_owned(),
    );
    base.mounts = mounts(section, Asker { is_root: base.uid == Some(0) });
}

/// `DEVICE on POINT (TYPE, OPTIONS)`.
fn mounts(section: &Section<'_>, asker: Asker) -> Listing<String> {
    let mut builder = Builder::new(section, asker);
    for run in section.runs("mount") {
        run.failure("mount").into_iter().for_each(|failure| builder.gap(failure));
        for line in run.output.lines().filter(|line| !line.is_empty()) {
            let point = split_once(line, b" on /").and_then(|(_, rest)| {
                let end = rest.windows(2).rposition(|two| two == b" (")?;
                Some(format!("/{}", text(rest.get(..end)?)))
            });
            match point {
                Some(point) => builder.push(point),
                None => builder.gap("a line of `mount` is not understood"),
            }
        }
    }
    if builder.is_complete() && !builder.has(|point| point == "/") {
        builder.gap("`mount` does not list `/`");
    }
    builder.finish(Clone::clone)
}

/// Fills in what was asked, but for paths.
pub(super) fn fill(facts: &mut Facts, sections: &Sections<'_>, questions: &Questions, asker: Asker) {
    for topic in &questions.topics {
        let Some(section) = section_of_macos(*topic) else { continue };
        let section = &sections.get(section);
        match topic {
            Topic::Services => facts.services = services(section, asker),
            Topic::Processes => facts.processes = processes(section, asker),
            Topic::KernelModules => facts.kernel_modules = kernel_extensions(section, asker),
            Topic::Certificates => {
                facts.certificates = certificates::parse(section, asker, "security");
            }
            Topic::Users => facts.users = accounts(section, asker, "users"),
            Topic::Groups => facts.groups = accounts(section, asker, "groups"),
            Topic::Receipts => facts.receipts = receipts(section, asker),
            Topic::SystemExtensions => {
                facts.system_extensions = system_extensions(section, asker, &facts.os.kernel_release);
                let waits = |extension: &&SystemExtension| extension.state.contains("on reboot");
                if let Some(extension) = facts.system_extensions.items.iter().find(waits) {
                    facts.pending_reboot = PendingReboot::Yes(format!(
                        "system extension `{}` is {}",
                        extension.id, extension.state
                    ));
                }
            }
            Topic::Apps => facts.apps = apps(section, asker),
            Topic::Packages | Topic::Ports | Topic::ScheduledTasks | Topic::Programs => {}
        }
    }
    // No Mac has these; of those that it may have, this version does not ask.
    facts.packages = Listing::default();
    let not_asked =
        |what: &str| Gap { reason: format!("{what} are not asked of macOS by this version"), remedy: None };
    if questions.topics.contains(&Topic::Ports) {
        facts.ports = Listing { items: Vec::new(), gaps: vec![not_asked("listening ports")] };
    }
    if questions.topics.contains(&Topic::ScheduledTasks) {
        facts.scheduled_tasks = Listing { items: Vec::new(), gaps: vec![not_asked("cron's tables")] };
    }
}

/// The first line of a program that ended well; none: it has no such key.
///
/// # Errors
/// Why it is not known.
fn property(run: Option<Run<'_>>, file: &str) -> Result<Option<String>, String> {
    let run = run.ok_or_else(|| format!("`{file}` was not read"))?;
    let missing = |line: &[u8]| line.ends_with(b"Does Not Exist");
    if run.status == Some(1)
        && (run.errors.iter().any(|line| missing(line)) || run.output.lines().any(missing))
    {
        return Ok(None);
    }
    if let Some(failure) = run.failure("PlistBuddy") {
        return Err(format!("`{file}`: {failure}"));
    }
    let value = run.output.lines().map(|line| text(line.trim_ascii())).find(|line| !line.is_empty());
    value.map_or_else(|| Err(format!("`{file}`: `PlistBuddy` said nothing")), |value| Ok(Some(value)))
}

/// What `launchctl list` lists: label → whether it has a process. None: it could not be asked.
fn loaded(section: &Section<'_>, builder: &mut Builder<Service>) -> Option<BTreeMap<String, bool>> {
    let run = section.runs("launchctl").next()?;
    run.failure("launchctl").into_iter().for_each(|failure| builder.gap(failure));
    let mut lines = run.output.lines().filter(|line| !line.is_empty());
    // `PID Status Label`, parted by tabs.
    if !lines.next().is_some_and(|head| head.starts_with(b"PID\t")) {
        builder.gap("`launchctl list` is not understood");
        return None;
    }
    let mut jobs = BTreeMap::new();
    for line in lines {
        let mut columns = line.splitn(3, |byte| *byte == b'\t');
        match (columns.next(), columns.next(), columns.next()) {
            (Some(pid), Some(_), Some(label)) if pid == b"-" || number::<u32>(pid).is_some() => {
                jobs.insert(text(label), pid != b"-");
            }
            _ => builder.gap("a line of `launchctl list` is not understood"),
        }
    }
    if !jobs.keys().any(|label| label.starts_with("com.apple.")) {
        builder.gap("`launchctl` lists no job of Apple's");
        return None;
    }
    run.failure("launchctl").is_none().then_some(jobs)
}

fn services(section: &Section<'_>, asker: Asker) -> Listing<Service> {
    let mut builder = Builder::new(section, asker);
    check_needs(&mut builder, section);
    let jobs = loaded(section, &mut builder);
    if asker.is_root && section.runs("launchctl").next().is_none() {
        builder.gap("`launchctl` was not asked");
    }
    let word = |runs: bool| if runs { "active" } else { "inactive" }.to_owned();
    let mut seen = Vec::new();
    for (at, block) in section.blocks.iter().enumerate().filter(|(_, block)| block.word == b"plist") {
        let file = block.rest_text();
        let run = section.run_at(at + 1).filter(|run| run.output.rest == b"label");
        let named = property(run, &file)
            .and_then(|label| label.ok_or_else(|| format!("`{file}` is a job of launchd without a label")));
        let label = named.unwrap_or_else(|reason| {
            builder.gap(reason);
            let name = file.rsplit('/').next().unwrap_or_default();
            name.strip_suffix(".plist").unwrap_or(name).to_owned()
        });
        // The jobs of users' sessions are not among those of the system.
        let is_daemon = file.starts_with("/Library/LaunchDaemons/");
        let active = jobs.as_ref().filter(|_| is_daemon);
        let active = active.map(|jobs| word(jobs.get(&label).copied().unwrap_or(false)));
        seen.push(label.clone());
        builder.push(Service { name: label, kind: "launchd".to_owned(), file: Some(file), active });
    }
    for (label, runs) in jobs.iter().flatten().filter(|(label, _)| !seen.contains(label)) {
        builder.push(Service {
            name: label.clone(),
            kind: "launchd".to_owned(),
            file: None,
            active: Some(word(*runs)),
        });
    }
    builder.finish(|service| (service.name.clone(), service.file.clone()))
}

fn receipts(section: &Section<'_>, asker: Asker) -> Listing<Receipt> {
    let mut builder = Builder::new(section, asker);
    let mut versions: HashMap<String, String> = HashMap::new();
    for (at, block) in section.blocks.iter().enumerate().filter(|(_, block)| block.word == b"receipt") {
        let Some(run) = section.run_at(at + 1).filter(|run| run.failure("pkgutil").is_none()) else {
            continue;
        };
        let value = |key: &[u8]| {
            let mut lines = run.output.lines().filter_map(|line| split_once(line, b": "));
            lines.find(|(found, _)| *found == key).map(|(_, value)| text(value).trim().to_owned())
        };
        let id = block.rest_text();
        if value(b"package-id").as_deref() == Some(&id) {
            versions.extend(value(b"version").map(|version| (id, version)));
        }
    }
    match section.runs("pkgs").next() {
        Some(run) => {
            run.failure("pkgutil").into_iter().for_each(|failure| builder.gap(failure));
            for id in run.output.lines().map(|line| text(line.trim_ascii())).filter(|id| !id.is_empty()) {
                if id.contains(char::is_control) {
                    builder.gap("a line of `pkgutil --pkgs` is not understood");
                }
                builder.push(Receipt { version: versions.remove(&id), id });
            }
        }
        None => builder.gap("`pkgutil` was not asked"),
    }
    if builder.is_complete() && !builder.has(|receipt| receipt.id.starts_with("com.apple.")) {
        builder.gap("`pkgutil` lists no receipt of Apple's");
    }
    builder.finish(|receipt| receipt.id.clone())
}

/// `N extension(s)`, then for each category a line `--- CATEGORY`, a head line, and lines
/// `ENABLED ACTIVE TEAM ID (VERSION) NAME [STATE]` parted by tabs.
fn system_extensions(section: &Section<'_>, asker: Asker, release: &str) -> Listing<SystemExtension> {
    let mut builder = Builder::new(section, asker);
    let Some(run) = section.runs("extensions").next() else {
        let major = release.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major.is_none_or(|major| major >= FIRST_WITH_EXTENSIONS) {
            builder.gap("`systemextensionsctl` is not there");
        }
        return builder.finish(|extension: &SystemExtension| extension.id.clone());
    };
    run.failure("systemextensionsctl").into_iter().for_each(|failure| builder.gap(failure));
    let mut announced: Option<usize> = None;
    let mut rows = 0;
    for line in run.output.lines().filter(|line| !line.trim_ascii().is_empty()) {
        if let Some(count) = line.strip_suffix(b" extension(s)").and_then(number) {
            announced = Some(count);
        } else if line.starts_with(b"---") || line.starts_with(b"enabled\tactive\tteamID\t") {
            // A category and its head.
        } else if let Some(extension) = extension_of(line) {
            rows += 1;
            builder.push(extension);
        } else {
            builder.gap("a line of `systemextensionsctl list` is not understood");
        }
    }
    match announced {
        None => builder.gap("`systemextensionsctl` does not say how many extensions there are"),
        // One in two categories may stand twice.
        Some(count) if rows < count || (count == 0 && rows > 0) => {
            builder.gap(format!(
                "`systemextensionsctl` says that there are {count} extensions and lists {rows}"
            ));
        }
        Some(_) => {}
    }
    builder.finish(|extension| (extension.id.clone(), extension.version.clone(), extension.state.clone()))
}

fn extension_of(line: &[u8]) -> Option<SystemExtension> {
    let columns: Vec<&[u8]> = line.split(|byte| *byte == b'\t').collect();
    let [_, _, team, named, ..] = columns.as_slice() else { return None };
    let state = columns.last()?.trim_ascii().strip_prefix(b"[")?.strip_suffix(b"]")?;
    let (id, version) = split_once(named, b" (")?;
    let version = version.trim_ascii().strip_suffix(b")")?;
    (!id.is_empty()).then(|| SystemExtension {
        id: text(id),
        team: text(team.trim_ascii()),
        version: text(version),
        state: text(state),
    })
}

/// Lines `INDEX REFS ADDRESS SIZE WIRED ID (VERSION) UUID <…>`, with or without a head.
fn kernel_extensions(section: &Section<'_>, asker: Asker) -> Listing<KernelModule> {
    let mut builder = Builder::new(section, asker);
    let Some(run) = section.runs("kexts").next() else {
        builder.gap("the kernel's extensions were not asked for");
        return builder.finish(|module: &KernelModule| module.name.clone());
    };
    // What `kmutil` says beside every answer of its own.
    let mut asked = run.clone();
    let is_chatter =
        |line: &[u8]| line.starts_with(b"No variant specified") || line.starts_with(b"Executing: ");
    asked.errors.retain(|line| !is_chatter(line));
    asked.failure("kmutil").into_iter().for_each(|failure| builder.gap(failure));
    for line in run.output.lines().filter(|line| !line.trim_ascii().is_empty() && !is_chatter(line)) {
        let line = text(line);
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["Index", ..] => {}
            [index, _, _, _, _, name, version, ..]
                if index.parse::<u32>().is_ok() && version.starts_with('(') =>
            {
                builder.push(KernelModule { name: (*name).to_owned() });
            }
            _ => builder.gap("a line of the list of kernel extensions is not understood"),
        }
    }
    if builder.is_complete() && !builder.has(|module| module.name.starts_with("com.apple.kpi.")) {
        builder.gap("the list of kernel extensions has none of the kernel's own");
    }
    builder.finish(|module| module.name.clone())
}

fn apps(section: &Section<'_>, asker: Asker) -> Listing<App> {
    let mut builder = Builder::new(section, asker);
    check_needs(&mut builder, section);
    for (at, block) in section.blocks.iter().enumerate().filter(|(_, block)| block.word == b"app") {
        let path = block.rest_text();
        // One without a property list is proved by what it needs.
        let mut app = App { path, id: None, version: None };
        for (after, block) in section.blocks.iter().enumerate().skip(at + 1) {
            match (block.word, block.rest) {
                (b"app" | b"need", _) => break,
                (b"run", b"app-id") => match property(section.run_at(after), &app.path) {
                    Ok(id) => app.id = id,
                    Err(reason) => builder.gap(reason),
                },
                (b"run", b"app-version") => {
                    app.version = property(section.run_at(after), &app.path).ok().flatten();
                }
                _ => {}
            }
        }
        builder.push(app);
    }
    if builder.is_complete() && !builder.has(|app| app.id.as_deref() == Some("com.apple.finder")) {
        builder.gap("the Finder's property list could not be read");
    }
    builder.finish(|app| app.path.clone())
}

/// The number at the beginning of a line and what follows it.
fn led_by_number(line: &[u8]) -> Option<(i64, &[u8])> {
    let line = line.trim_ascii_start();
    let end = line.iter().position(|byte| *byte == b' ')?;
    let number = std::str::from_utf8(line.get(..end)?).ok()?.parse().ok()?;
    Some((number, line.get(end + 1..)?.trim_ascii_start()))
}

fn processes(section: &Section<'_>, asker: Asker) -> Listing<Process> {
    let mut builder = Builder::new(section, asker);
    let mut lines = |label: &str| -> Vec<(i64, Vec<u8>)> {
        let Some(run) = section.runs(label).next() else {
            builder.gap("the processes were not asked for");
            return Vec::new();
        };
        run.failure("ps").into_iter().for_each(|failure| builder.gap(failure));
        let mut all = Vec::new();
        for line in run.output.lines().filter(|line| !line.trim_ascii().is_empty()) {
            match led_by_number(line) {
                Some((pid, rest)) => all.push((pid, rest.to_vec())),
                None => builder.gap("a line of `ps` is not understood"),
            }
        }
        all
    };
    let names = lines("names");
    let commands: HashMap<i64, Vec<u8>> = lines("commands").into_iter().collect();
    for (pid, rest) in &names {
        let Some((Ok(pid_number), (uid, name))) =
            led_by_number(rest).map(|owned| (u32::try_from(*pid), owned))
        else {
            builder.gap("a line of `ps` is not understood");
            continue;
        };
        // It ended between the two looks.
        let Some(command) = commands.get(pid) else { continue };
        let name = text(name.trim_ascii_end());
        let exe = exe_of(&text(command.trim_ascii_end()), &name);
        let file = exe.as_deref().and_then(|exe| exe.rsplit('/').next()).map(str::to_owned);
        builder.push(Process {
            pid: pid_number,
            name: file.unwrap_or(name),
            exe,
            deleted: false,
            // `nobody` is -2.
            uid: i32::try_from(uid).ok().map(i32::cast_unsigned).or_else(|| u32::try_from(uid).ok()),
        });
    }
    let shell = section.value("shell").and_then(|pid| pid.parse().ok());
    let is_first = |process: &Process| process.pid == 1 && process.name == "launchd";
    if !builder.has(is_first) || !builder.has(|process| Some(process.pid) == shell) {
        builder.gap("`ps` does not show every process: the first one or the asking one is not there");
    }
    builder.finish(|process| process.pid)
}

/// The path that a process was started by counts as its executable's only where the kernel's name of the
/// program agrees: a process may call itself as it likes.
fn exe_of(command: &str, name: &str) -> Option<String> {
    let file = command.starts_with('/').then(|| command.rsplit('/').next())??;
    let kept = file.as_bytes().get(..COMM_BYTES).unwrap_or(file.as_bytes());
    (!name.is_empty() && kept == name.as_bytes()).then(|| command.to_owned())
}

/// Lines `NAME   ID`; the ids of accounts of Apple's may be negative.
fn accounts(section: &Section<'_>, asker: Asker, label: &str) -> Listing<Account> {
    let mut builder = Builder::new(section, asker);
    for run in section.runs(label) {
        run.failure("dscl").into_iter().for_each(|failure| builder.gap(failure));
        for line in run.output.lines().map(|line| text(line.trim_ascii())).filter(|line| !line.is_empty()) {
            let account = line.rsplit_once(' ').and_then(|(name, id)| {
                let id: i64 = id.parse().ok()?;
                let id = i32::try_from(id).ok().map(i32::cast_unsigned).or_else(|| u32::try_from(id).ok())?;
                Some(Account { name: name.trim_end().to_owned(), id })
            });
            match account {
                Some(account) => builder.push(account),
                None => builder.gap(format!("a line of `dscl`'s {label} is not understood")),
            }
        }
    }
    if builder.is_complete() && !builder.has(|account| account.id == 0) {
        builder.gap(format!("`dscl` does not list the first of the {label}"));
    }
    builder.finish(|account| (account.id, account.name.clone()))
}
