//! What a simulated host answers when it is looked at, and the plan's rules that ask.

use super::host::Host;
use super::script::{Thing, Things};
use uproot::facts::{
    Account, Facts, Gap, Listing, OsInfo, Package, PathEntry, PendingReboot, Privilege, Process, Questions,
    Service, Topic,
};
use uproot::model::{BootIdentity, MachineIdentity, Platform};
use uproot::playbook::{Check, PathKind, Pattern, Rule};

/// The path that product `alpha` leaves behind.
pub const ALPHA_PATH: &str = "/opt/alpha";

/// The rule that a thing is there.
pub fn rule(thing: Thing) -> Rule {
    let package = |name: &str| Check::Package { name: Pattern::new(name), version: None, state: None };
    Rule::Check(match thing {
        Thing::Alpha => package("alpha"),
        Thing::Beta => package("beta"),
        Thing::Gamma => package("gamma"),
        Thing::AlphaPath => Check::Path { path: Pattern::new(ALPHA_PATH), kind: None, owner: None },
        Thing::Guard => Check::Service { name: Pattern::new("guard"), running: None },
    })
}

/// Which machine answers.
pub fn identity(name: &str, machine: u32) -> MachineIdentity {
    MachineIdentity {
        host_key: Some(format!("SHA256:{name}")),
        machine_id: Some(format!("{name}-{machine}")),
        dmi_uuid: None,
    }
}

/// Which boot of it.
pub fn boot(name: &str, machine: u32, boot: u32) -> BootIdentity {
    BootIdentity { boot_id: Some(format!("{name}-{machine}-{boot}")), init_start: None }
}

fn complete<T>(items: Vec<T>) -> Listing<T> {
    Listing { items, gaps: Vec::new() }
}

/// A look at a host.
pub fn look(host: &Host, questions: &Questions, gappy: bool) -> Facts {
    let mut facts = answer(&host.name, host.machine, host.boot, host.things, questions);
    if gappy {
        let gap = || Gap { reason: "permission denied".to_owned(), remedy: Some("--become".to_owned()) };
        facts.packages.gaps.push(gap());
        facts.packages.items.retain(|package| package.name == "bash");
    }
    facts
}

/// What a host with these things on it answers.
pub fn answer(name: &str, machine: u32, boot_number: u32, things: Things, questions: &Questions) -> Facts {
    let asked = |topic: Topic| questions.topics.contains(&topic);
    Facts {
        uproot_facts: 1,
        host: name.to_owned(),
        at: jiff::Timestamp::UNIX_EPOCH,
        provenance: "constructed".to_owned(),
        platform: Some(Platform::Linux),
        identity: identity(name, machine),
        boot: boot(name, machine, boot_number),
        os: OsInfo { kernel_name: "Linux".to_owned(), id: Some("debian".to_owned()), ..OsInfo::default() },
        privilege: Privilege { uid: Some(0), elevated: None, become_failed: None },
        pending_reboot: PendingReboot::No,
        mounts: complete(Vec::new()),
        packages: if asked(Topic::Packages) { packages(things) } else { Listing::default() },
        services: if asked(Topic::Services) { services(things) } else { Listing::default() },
        processes: complete(vec![Process {
            pid: 1,
            name: "init".to_owned(),
            exe: None,
            deleted: false,
            uid: Some(0),
        }]),
        kernel_modules: Listing { items: Vec::new(), gaps: Vec::new() },
        certificates: Listing { items: Vec::new(), gaps: Vec::new() },
        users: complete(vec![Account { name: "root".to_owned(), id: 0 }]),
        groups: Listing { items: Vec::new(), gaps: Vec::new() },
        ports: Listing { items: Vec::new(), gaps: Vec::new() },
        scheduled_tasks: Listing { items: Vec::new(), gaps: Vec::new() },
        paths: questions.paths.iter().map(|path| (path.clone(), paths(path, things))).collect(),
        files: std::collections::BTreeMap::new(),
        programs: Listing::default(),
        user_programs: Listing::default(),
        receipts: Listing::default(),
        system_extensions: Listing::default(),
        apps: Listing::default(),
        registry: std::collections::BTreeMap::new(),
    }
}

fn packages(things: Things) -> Listing<Package> {
    let package = |name: &str| Package {
        manager: "dpkg".to_owned(),
        name: name.to_owned(),
        version: "1.0".to_owned(),
        arch: "amd64".to_owned(),
        status: "install ok installed".to_owned(),
    };
    let there = [(Thing::Alpha, "alpha"), (Thing::Beta, "beta"), (Thing::Gamma, "gamma")];
    let there = there.iter().filter(|(thing, _)| things.has(*thing)).map(|(_, name)| package(name));
    complete(std::iter::once(package("bash")).chain(there).collect())
}

fn services(things: Things) -> Listing<Service> {
    let service = |name: &str| Service {
        name: name.to_owned(),
        kind: "systemd".to_owned(),
        file: None,
        active: Some("active".to_owned()),
    };
    let guard = things.has(Thing::Guard).then(|| service("guard"));
    complete(std::iter::once(service("ssh")).chain(guard).collect())
}

fn paths(path: &str, things: Things) -> Listing<PathEntry> {
    let entry = PathEntry {
        path: path.to_owned(),
        kind: PathKind::Directory,
        owner: "root".to_owned(),
        size: 1,
        target: None,
        real: None,
        mount_point: false,
    };
    complete(if path == ALPHA_PATH && things.has(Thing::AlphaPath) { vec![entry] } else { Vec::new() })
}
