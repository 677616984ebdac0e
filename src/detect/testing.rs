//! Facts for tests: a host that answered everything, hosts at random, and hosts of which less is
//! known.

use crate::facts::*;
use crate::model::{BootIdentity, MachineIdentity, Platform};
use crate::playbook::{Check, PackageState, PathKind, Pattern, Rule, TextPattern};
use jiff::Timestamp;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;

/// A listing without gaps.
pub(crate) fn complete<T>(items: Vec<T>) -> Listing<T> {
    Listing { items, gaps: Vec::new() }
}

/// A listing with a gap that `--become` would mend.
pub(crate) fn gappy<T>(items: Vec<T>) -> Listing<T> {
    Listing { items, gaps: vec![gap("permission denied")] }
}

/// A gap that `--become` would mend.
pub(crate) fn gap(reason: &str) -> Gap {
    Gap { reason: reason.into(), remedy: Some("--become".into()) }
}

pub(crate) fn package(name: &str, version: &str, status: &str) -> Package {
    Package {
        manager: "dpkg".into(),
        name: name.into(),
        version: version.into(),
        arch: "amd64".into(),
        status: status.into(),
    }
}

pub(crate) fn service(name: &str, active: Option<&str>) -> Service {
    let file = format!("/usr/lib/systemd/system/{name}.service");
    Service { name: name.into(), kind: "systemd".into(), file: Some(file), active: active.map(Into::into) }
}

pub(crate) fn process(pid: u32, name: &str, exe: Option<&str>) -> Process {
    Process { pid, name: name.into(), exe: exe.map(Into::into), deleted: false, uid: Some(0) }
}

pub(crate) fn entry(path: &str, kind: PathKind, owner: &str) -> PathEntry {
    PathEntry {
        path: path.into(),
        kind,
        owner: owner.into(),
        size: 4096,
        target: None,
        real: None,
        mount_point: false,
    }
}

pub(crate) fn file(path: &str, text: &str, truncated: bool) -> FileText {
    FileText { path: path.into(), text: text.into(), truncated, kept_for: Vec::new() }
}

pub(crate) fn account(name: &str, id: u32) -> Account {
    Account { name: name.into(), id }
}

/// A Debian host, read as root, that answered everything and has no product.
pub(crate) fn clean_host() -> Facts {
    Facts {
        uproot_facts: 1,
        host: "h1".into(),
        at: Timestamp::UNIX_EPOCH,
        provenance: "constructed".into(),
        platform: Some(Platform::Linux),
        identity: MachineIdentity::default(),
        boot: BootIdentity::default(),
        os: OsInfo {
            kernel_name: "Linux".into(),
            id: Some("debian".into()),
            version_id: Some("12".into()),
            ..OsInfo::default()
        },
        privilege: Privilege { uid: Some(0), elevated: None, become_failed: None },
        pending_reboot: PendingReboot::No,
        mounts: complete(vec!["/".into()]),
        packages: complete(vec![package("bash", "5.2", "install ok installed")]),
        services: complete(vec![service("ssh", Some("active"))]),
        processes: complete(vec![process(1, "systemd", Some("/usr/lib/systemd/systemd"))]),
        kernel_modules: complete(vec![]),
        certificates: complete(vec![]),
        users: complete(vec![account("root", 0)]),
        groups: complete(vec![account("root", 0)]),
        ports: complete(vec![]),
        scheduled_tasks: complete(vec![]),
        paths: BTreeMap::new(),
        files: BTreeMap::new(),
        programs: Listing::default(),
        user_programs: Listing::default(),
        receipts: Listing::default(),
        system_extensions: Listing::default(),
        apps: Listing::default(),
        registry: BTreeMap::new(),
    }
}

/// A check of a package's name, in any state.
pub(crate) fn package_check(name: &str) -> Rule {
    Rule::Check(Check::Package { name: Pattern::new(name), version: None, state: None })
}

const NAMES: [&str; 9] = [
    "kesl",
    "kesl-gui",
    "klnagent",
    "kav_mod",
    "kesl-supervisor",
    "kesl-supervisort",
    "bash",
    "/etc/cron.d/kesl",
    "kesl.timer",
];
const PATTERNS: [&str; 12] = [
    "kesl",
    "kesl*",
    "*agent*",
    "kl?agent",
    "{kesl,klnagent}",
    "kav-mod",
    "k*-supervisord",
    "kesl-supervisord",
    "kesl-supervisor*",
    "kesl.service",
    "**/kesl",
    "kesl[",
];
const EXES: [&str; 4] = [
    "/opt/kaspersky/kesl/kesl",
    "/opt/kaspersky/kesl/kesl-supervisord",
    "/opt/kaspersky/kesl/kesl-supervisorx",
    "/usr/bin/bash",
];
const STATUSES: [&str; 6] = [
    "install ok installed",
    "deinstall ok config-files",
    "unknown ok not-installed",
    "install reinstreq half-installed",
    "install reinstreq installed",
    "installed",
];
const PATHS: [&str; 3] = ["/opt/kaspersky/kesl", "/opt/kaspersky/**", "/etc/kesl.conf"];
const LINES: [&str; 5] = ["kesl", "KLNAGENT=1", "the kesl agent", "", "CN=Kaspersky, O=kesl"];
const REGEXES: [&str; 6] = ["kesl", "^KL", "agent$", r"\bkesl\b", "k.sl", "("];

fn name() -> impl Strategy<Value = String> {
    select(&NAMES[..]).prop_map(String::from)
}

fn pattern() -> impl Strategy<Value = Pattern> {
    select(&PATTERNS[..]).prop_map(Pattern::new)
}

fn regex() -> impl Strategy<Value = TextPattern> {
    select(&REGEXES[..]).prop_map(|text| TextPattern(text.into()))
}

fn kind() -> impl Strategy<Value = PathKind> {
    select(vec![PathKind::File, PathKind::Directory, PathKind::Link])
}

fn owner() -> impl Strategy<Value = String> {
    select(vec!["root", "0", "kluser", "998", "toor"]).prop_map(String::from)
}

fn check() -> impl Strategy<Value = Check> {
    let range = || option::of(select(vec![">=11", ">=12.1", "nonsense"]).prop_map(String::from));
    let state =
        option::of(select(vec![PackageState::Installed, PackageState::ConfigFiles, PackageState::Broken]));
    let path = || select(&PATHS[..]).prop_map(Pattern::new);
    prop_oneof![
        (pattern(), range(), state).prop_map(|(name, version, state)| Check::Package {
            name,
            version,
            state
        }),
        (pattern(), any::<Option<bool>>()).prop_map(|(name, running)| Check::Service { name, running }),
        (option::of(pattern()), option::of(select(vec!["/opt/kaspersky/**", "**/kesl-supervisord"])))
            .prop_map(|(name, exe)| Check::Process { name, exe: exe.map(Pattern::new) }),
        (path(), option::of(kind()), option::of(owner())).prop_map(|(path, kind, owner)| Check::Path {
            path,
            kind,
            owner
        }),
        (path(), regex()).prop_map(|(path, pattern)| Check::FileContains { path, pattern }),
        pattern().prop_map(|name| Check::KernelModule { name }),
        regex().prop_map(|subject| Check::Certificate { subject }),
        pattern().prop_map(|name| Check::User { name }),
        pattern().prop_map(|name| Check::Group { name }),
        select(vec!["tcp", "udp"])
            .prop_map(|protocol| Check::Port { port: 14000, protocol: protocol.into() }),
        (option::of(pattern()), option::of(regex()))
            .prop_map(|(name, command)| Check::ScheduledTask { name, command }),
        (option::of(select(vec!["debian", "r*", "fedora"])), range())
            .prop_map(|(id, version)| Check::Os { id: id.map(Pattern::new), version }),
        (pattern(), range()).prop_map(|(id, version)| Check::Receipt { id, version }),
        pattern().prop_map(|id| Check::SystemExtension { id, team: None }),
        (pattern(), range()).prop_map(|(id, version)| Check::App { id, version }),
    ]
}

/// Any rule, empty ones too.
pub(crate) fn rule() -> impl Strategy<Value = Rule> {
    check().prop_map(Rule::Check).prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Rule::Any),
            vec(inner.clone(), 0..4).prop_map(Rule::All),
            inner.prop_map(|rule| Rule::Not(Box::new(rule))),
        ]
    })
}

fn listing<T: Clone + std::fmt::Debug + 'static>(
    item: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Listing<T>> {
    (vec(item, 0..4), prop::bool::weighted(0.2))
        .prop_map(|(items, gap)| if gap { gappy(items) } else { complete(items) })
        .boxed()
}

fn text() -> impl Strategy<Value = String> {
    vec(select(&LINES[..]), 0..4).prop_map(|lines| lines.join("\n"))
}

/// Any host: mostly of well-known names, now and then with gaps.
pub(crate) fn host() -> impl Strategy<Value = Facts> {
    let version = || select(vec!["10.5", "12.1.0", "12.1.0-1543", ""]);
    let packages = (name(), version(), select(&STATUSES[..])).prop_map(|(n, v, s)| package(&n, v, s));
    let active = option::of(select(vec!["active", "inactive", "activating"]));
    let services = (name(), active).prop_map(|(name, active)| service(&name, active));
    let processes = (name(), option::of(select(&EXES[..]))).prop_map(|(name, exe)| {
        let comm = name.get(..15).unwrap_or(&name);
        process(7, comm, exe)
    });
    let accounts = || (name(), 0_u32..3).prop_map(|(name, id)| account(&name, id));
    let users = prop_oneof![accounts(), Just(account("kluser", 998)), Just(account("toor", 0))];
    let certificates = select(&LINES[..]).prop_map(|subject| Certificate {
        file: "/etc/ssl/x.pem".into(),
        subject: subject.into(),
        sha256: "00".into(),
    });
    let ports =
        (select(vec!["tcp", "tcp6", "udp"]), select(vec![14000_u16, 22])).prop_map(|(protocol, port)| {
            ListeningPort { protocol: protocol.into(), address: "0.0.0.0".into(), port }
        });
    let tasks =
        (name(), select(&LINES[..])).prop_map(|(name, line)| ScheduledTask { name, line: line.into() });
    let entries = (kind(), owner()).prop_map(|(kind, owner)| entry("/opt/kaspersky/kesl", kind, &owner));
    let files =
        (text(), prop::bool::weighted(0.2)).prop_map(|(text, cut)| file("/etc/kesl.conf", &text, cut));
    let path = || select(&PATHS[..]).prop_map(String::from);
    let os = (
        option::of(select(vec!["debian", "rhel"])),
        option::of(select(vec!["rhel fedora", "debian"])),
        option::of(version()),
    );
    let first = (
        listing(packages),
        listing(services),
        listing(processes),
        listing(name().prop_map(|name| KernelModule { name })),
        listing(certificates),
        listing(users),
        listing(accounts()),
        listing(ports),
        listing(tasks),
    );
    let second = (
        btree_map(path(), listing(entries), 0..4),
        btree_map(path(), listing(files), 0..4),
        os,
        prop::bool::weighted(0.9),
    );
    (first, second).prop_map(|(first, (paths, files, (id, id_like, version_id), linux))| {
        let (packages, services, processes, kernel_modules, certificates, users, groups, ports, tasks) =
            first;
        let os = OsInfo {
            id: id.map(Into::into),
            id_like: id_like.map(Into::into),
            version_id: version_id.map(Into::into),
            ..OsInfo::default()
        };
        Facts {
            platform: linux.then_some(Platform::Linux),
            os,
            packages,
            services,
            processes,
            kernel_modules,
            certificates,
            users,
            groups,
            ports,
            scheduled_tasks: tasks,
            paths,
            files,
            ..clean_host()
        }
    })
}

/// A host and the same host with less of it known.
pub(crate) fn host_known_less() -> impl Strategy<Value = (Facts, Facts)> {
    let losses = vec((0..LOSSES, any::<Index>(), any::<Index>()), 0..6);
    (host(), losses).prop_map(|(host, losses)| known_less(host, losses))
}

/// A check, a host, and the same host with less known of what the check asks.
pub(crate) fn check_of_host_known_less() -> impl Strategy<Value = (Rule, Facts, Facts)> {
    (check(), host()).prop_flat_map(|(check, host)| {
        let losses = vec((select(losses_of(&check)), any::<Index>(), any::<Index>()), 1..4);
        losses.prop_map(move |losses| {
            let (more, less) = known_less(host.clone(), losses);
            (Rule::Check(check.clone()), more, less)
        })
    })
}

fn known_less(more: Facts, losses: Vec<(u8, Index, Index)>) -> (Facts, Facts) {
    let mut less = more.clone();
    for (which, item, at) in losses {
        lose(&mut less, which, item, at);
    }
    (more, less)
}

/// The losses that a check may feel.
fn losses_of(check: &Check) -> Vec<u8> {
    match check {
        Check::Package { .. } => vec![0, 25, 27, 28],
        Check::Service { .. } => vec![1, 15, 29, 30],
        Check::Process { .. } => vec![2, 13, 31, 33],
        Check::Path { .. } => vec![5, 9, 17, 36, 41],
        Check::FileContains { .. } => vec![11, 18, 23, 42],
        Check::KernelModule { .. } => vec![3, 34],
        Check::Certificate { .. } => vec![4, 35],
        Check::User { .. } => vec![5, 36],
        Check::Group { .. } => vec![6, 37],
        Check::Port { .. } => vec![7, 38],
        Check::ScheduledTask { .. } => vec![8, 39, 40],
        Check::Os { .. } => vec![19, 20, 21, 43],
        Check::Program { .. }
        | Check::Registry { .. }
        | Check::Driver { .. }
        | Check::Receipt { .. }
        | Check::SystemExtension { .. }
        | Check::App { .. } => vec![22],
    }
}

const LOSSES: u8 = 44;

type Index = prop::sample::Index;

/// One way of knowing less: an item that was not seen, an answer that may lack some, characters that
/// were not readable, a text that was cut, a question that was not put.
fn lose(facts: &mut Facts, which: u8, item: Index, at: Index) {
    let text = |text: &mut String| lose_character(text, at);
    match which {
        0 => unsee(&mut facts.packages, item),
        1 => unsee(&mut facts.services, item),
        2 => unsee(&mut facts.processes, item),
        3 => unsee(&mut facts.kernel_modules, item),
        4 => unsee(&mut facts.certificates, item),
        5 => unsee(&mut facts.users, item),
        6 => unsee(&mut facts.groups, item),
        7 => unsee(&mut facts.ports, item),
        8 => unsee(&mut facts.scheduled_tasks, item),
        9 | 10 => each(facts.paths.values_mut(), item, |listing| unsee(listing, at)),
        11 | 12 => each(facts.files.values_mut(), item, |listing| unsee(listing, at)),
        13 | 14 => each(facts.processes.items.iter_mut(), item, |process| process.exe = None),
        15 | 16 => each(facts.services.items.iter_mut(), item, |service| service.active = None),
        17 => {
            facts.paths.remove(PATHS[at.index(PATHS.len())]);
        }
        18 => {
            facts.files.remove(PATHS[at.index(PATHS.len())]);
        }
        19 => facts.os = OsInfo::default(),
        20 => facts.os.version_id = None,
        21 => facts.os.id = None,
        22 => facts.platform = None,
        23 | 24 => each(facts.files.values_mut(), item, |listing| {
            each(listing.items.iter_mut(), at, |file| {
                let length = at.index(file.text.len() + 1);
                file.text = file.text.chars().take(length).collect();
                file.truncated = true;
            });
        }),
        25 | 26 => each(facts.packages.items.iter_mut(), item, |package| text(&mut package.name)),
        27 => each(facts.packages.items.iter_mut(), item, |package| text(&mut package.version)),
        28 => each(facts.packages.items.iter_mut(), item, |package| text(&mut package.status)),
        29 => each(facts.services.items.iter_mut(), item, |service| text(&mut service.name)),
        30 => each(facts.services.items.iter_mut(), item, |service| {
            service.active.iter_mut().for_each(text);
        }),
        31 | 32 => each(facts.processes.items.iter_mut(), item, |process| text(&mut process.name)),
        33 => each(facts.processes.items.iter_mut(), item, |process| {
            process.exe.iter_mut().for_each(text);
        }),
        34 => each(facts.kernel_modules.items.iter_mut(), item, |module| text(&mut module.name)),
        35 => each(facts.certificates.items.iter_mut(), item, |certificate| text(&mut certificate.subject)),
        36 => each(facts.users.items.iter_mut(), item, |user| text(&mut user.name)),
        37 => each(facts.groups.items.iter_mut(), item, |group| text(&mut group.name)),
        38 => each(facts.ports.items.iter_mut(), item, |port| text(&mut port.protocol)),
        39 => each(facts.scheduled_tasks.items.iter_mut(), item, |task| text(&mut task.name)),
        40 => each(facts.scheduled_tasks.items.iter_mut(), item, |task| text(&mut task.line)),
        41 => each(facts.paths.values_mut(), item, |listing| {
            each(listing.items.iter_mut(), at, |entry| text(&mut entry.owner));
        }),
        42 => each(facts.files.values_mut(), item, |listing| {
            each(listing.items.iter_mut(), at, |file| text(&mut file.text));
        }),
        _ => {
            for part in [&mut facts.os.id, &mut facts.os.id_like, &mut facts.os.version_id] {
                part.iter_mut().for_each(text);
            }
        }
    }
}

fn unsee<T>(listing: &mut Listing<T>, item: Index) {
    if !listing.items.is_empty() {
        listing.items.remove(item.index(listing.items.len()));
    }
    listing.gaps.push(gap("permission denied"));
}

fn each<'a, T: 'a>(
    items: impl ExactSizeIterator<Item = &'a mut T>,
    item: Index,
    mut lose: impl FnMut(&mut T),
) {
    let length = items.len();
    if length > 0 {
        items.skip(item.index(length)).take(1).for_each(&mut lose);
    }
}

fn lose_character(text: &mut String, at: Index) {
    let characters = text.chars().count();
    if characters > 0 {
        let lost = at.index(characters);
        *text = text.chars().enumerate().map(|(n, c)| if n == lost { '\u{fffd}' } else { c }).collect();
    }
}
