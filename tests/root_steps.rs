//! Steps that only root can try: they run for real in a mount namespace of their own, on file systems
//! that vanish with it. Without root these tests fail and say so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Output};
use std::time::Duration;
use uproot::detect::{ProductRules, findings};
use uproot::facts::*;
use uproot::inventory::local;
use uproot::model::{BootIdentity, HostState, MachineIdentity, Place, Platform};
use uproot::plan::{HostInput, HostOutcome, PlanSettings, PlannedConnection, PlannedStep, make};
use uproot::playbook::*;

fn complete<T>(items: Vec<T>) -> Listing<T> {
    Listing { items, gaps: Vec::new() }
}

/// This machine as a host on which only `path` is left of a product.
fn facts() -> Facts {
    Facts {
        uproot_facts: 1,
        host: "localhost".into(),
        at: jiff::Timestamp::UNIX_EPOCH,
        provenance: "constructed".into(),
        platform: Some(Platform::Linux),
        identity: MachineIdentity { machine_id: Some("id".into()), ..MachineIdentity::default() },
        boot: BootIdentity::default(),
        os: OsInfo::default(),
        privilege: Privilege { uid: Some(0), elevated: None, become_failed: None },
        pending_reboot: PendingReboot::No,
        mounts: complete(vec!["/".into()]),
        packages: complete(vec![Package {
            manager: "dpkg".into(),
            name: "kesl".into(),
            version: "12".into(),
            arch: "amd64".into(),
            status: "install ok installed".into(),
        }]),
        services: complete(Vec::new()),
        processes: complete(Vec::new()),
        kernel_modules: complete(Vec::new()),
        certificates: complete(Vec::new()),
        users: complete(Vec::new()),
        groups: complete(Vec::new()),
        ports: complete(Vec::new()),
        scheduled_tasks: complete(Vec::new()),
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

fn with_path(path: &str) -> Facts {
    let entry = PathEntry {
        path: path.into(),
        kind: PathKind::Directory,
        owner: "root".into(),
        size: 1,
        target: None,
        real: None,
        mount_point: false,
    };
    Facts { paths: [(path.to_owned(), complete(vec![entry]))].into(), ..facts() }
}

/// As `with_path`, where a link on the way leads to `real`.
fn with_path_at(path: &str, real: &str) -> Facts {
    let mut facts = with_path(path);
    facts.paths.values_mut().for_each(|listing| listing.items[0].real = Some(real.into()));
    facts
}

/// The steps that are planned for these actions.
fn steps(actions: Vec<Action>, facts: &Facts) -> Vec<PlannedStep> {
    let place = Place { file: "p.yml".into(), line: 1, column: 1, length: 1 };
    let step =
        |action| Step { action, when: None, effect: None, timeout: None, opt_in: None, place: place.clone() };
    let product = Product {
        id: "kesl".into(),
        name: "kesl".into(),
        vendor: None,
        class: uproot::model::ProductClass::Product,
        platforms: vec![Platform::Linux],
        confirmed: true,
        sources: Vec::new(),
        version: None,
        detect: Rule::Check(Check::Package { name: Pattern::new("kesl"), version: None, state: None }),
        residue: None,
        remove: actions.into_iter().map(step).collect(),
        after: Vec::new(),
        settle: Duration::ZERO,
        opt_in: None,
        managed_by: None,
        report_only: None,
        place: place.clone(),
    };
    let playbook = Playbook {
        name: "p".into(),
        secrets: Vec::new(),
        products: vec![product],
        policy: Policy { reboot: RebootPolicy::Never, require_protection: None },
        waves: Vec::new(),
        digest: "d".into(),
    };
    let settings = PlanSettings {
        id: "id".into(),
        created: jiff::Timestamp::UNIX_EPOCH,
        operator: "o".into(),
        questions: Questions { topics: BTreeSet::new(), ..Questions::default() },
        secrets: BTreeMap::new(),
        known_hosts: Vec::new(),
        allowed: Vec::new(),
        scope: uproot::model::Scope::default(),
    };
    let inventory = local();
    let connection = PlannedConnection {
        kind: "local".into(),
        address: "localhost".into(),
        port: 22,
        user: None,
        platform: None,
        key: None,
        password: None,
        become_method: None,
        become_password: None,
    };
    let outcome = HostOutcome::Read {
        facts,
        findings: findings(playbook.products.iter().map(ProductRules::from), facts),
        state: HostState::Present,
        reason: String::new(),
        remedy: None,
    };
    let input = HostInput { host: &inventory.hosts[0], connection, outcome };
    let plan = make(&playbook, settings, &inventory, vec![input]).unwrap();
    let host = &plan.hosts[0];
    assert!(host.not_planned.is_empty(), "{:?}", host.not_planned);
    host.steps.clone()
}

fn remove_path(path: &str) -> Action {
    Action::RemovePath { path: Pattern::new(path) }
}

/// Runs `before`, then the script as its own shell's input, then `after`, with a tmpfs at /mnt and
/// copies of /etc and /usr/lib/systemd that nobody else sees. The status is the script's.
fn in_namespace(shell: &str, before: &str, script: &str, after: &str) -> Output {
    let uid = Command::new("id").arg("-u").output().unwrap().stdout;
    assert_eq!(uid, b"0\n", "this test needs root: run the suite as root, or leave it out with `--no-root`");
    let files = tempfile::tempdir().unwrap();
    let step = files.path().join("step");
    std::fs::write(&step, script).unwrap();
    let whole = format!(
        "set -e\nmount -t tmpfs tmpfs /mnt\nmkdir /mnt/etc /mnt/tools\ncp -a /etc/. /mnt/etc\n\
         mount --bind /mnt/etc /etc\nexport PATH=/mnt/tools:$PATH\n{before}\nset +e\n\
         {shell} <{}\nstatus=$?\n{after}\nexit $status\n",
        step.display()
    );
    Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", &whole])
        .output()
        .unwrap()
}

const SHELLS: [&str; 3] = ["dash", "busybox sh", "bash --posix"];

#[track_caller]
fn check(output: &Output, status: i32, stdout: &str, stderr: &str) {
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{err}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), stdout, "{err}");
    assert!(err.contains(stderr), "{err}");
}

#[test]
fn what_has_a_mount_below_it_stays_whole() {
    let path = "/mnt/opt/kesl";
    let step = &steps(vec![remove_path(path)], &with_path(path))[0];
    for shell in SHELLS {
        let before = "mkdir -p '/mnt/opt/kesl/a b'; echo x >/mnt/opt/kesl/file\n\
                      mount -t tmpfs tmpfs '/mnt/opt/kesl/a b'; echo x >'/mnt/opt/kesl/a b/precious'";
        let output = in_namespace(shell, before, &step.script, "find /mnt/opt -type f | wc -l");
        check(&output, 1, "2", "a file system is mounted at /mnt/opt/kesl/a b");
    }
}

#[test]
fn a_mount_point_with_a_backslash_in_its_name_is_seen() {
    let path = "/mnt/opt/kesl\\x";
    let step = &steps(vec![remove_path("/mnt/opt/kesl?x")], &{
        let mut facts = with_path(path);
        let listing = facts.paths.remove(path).unwrap();
        facts.paths.insert("/mnt/opt/kesl?x".into(), listing);
        facts
    })[0];
    for shell in SHELLS {
        let before = "mkdir -p '/mnt/opt/kesl\\x'; mount -t tmpfs tmpfs '/mnt/opt/kesl\\x'";
        let output = in_namespace(shell, before, &step.script, "ls -d /mnt/opt/kesl*");
        check(&output, 1, "/mnt/opt/kesl\\x", "a file system is mounted at");
    }
}

#[test]
fn a_home_stays_unless_the_product_deletes_its_account() {
    let path = "/mnt/opt/ksc";
    let home = "mkdir -p /mnt/opt/ksc; echo 'ksc:x:990:990::/mnt/opt/ksc/:/bin/false' >>/etc/passwd";
    let mut facts = with_path(path);
    let step = &steps(vec![remove_path(path)], &facts)[0];
    facts.users.items.push(Account { name: "ksc".into(), id: 990 });
    let own = &steps(vec![Action::RemoveUser { name: "ksc".into() }, remove_path(path)], &facts)[1];
    for shell in SHELLS {
        let after = "ls /mnt/opt";
        check(&in_namespace(shell, home, &step.script, after), 1, "ksc", "it is the home of ksc");
        check(&in_namespace(shell, home, &own.script, after), 0, "", "");
    }
}

#[test]
fn a_link_that_leads_into_a_home_is_not_followed() {
    let path = "/mnt/opt/kesl/data";
    let step = &steps(vec![remove_path(path)], &with_path_at(path, "/mnt/homes/ivan/data"))[0];
    for shell in SHELLS {
        let before = "mkdir -p /mnt/homes/ivan/data /mnt/opt; ln -s /mnt/homes/ivan /mnt/opt/kesl\n\
                      echo 'ivan:x:1000:1000::/mnt/homes/ivan:/bin/sh' >>/etc/passwd";
        let output = in_namespace(shell, before, &step.script, "ls /mnt/homes/ivan");
        check(&output, 1, "data", "a link leads into the home of ivan");
    }
}

#[test]
fn a_link_that_leads_to_another_place_of_the_products_is_followed_to_it() {
    let path = "/mnt/opt/kesl/data";
    let step = &steps(vec![remove_path(path)], &with_path_at(path, "/mnt/big/kesl/data"))[0];
    for shell in SHELLS {
        let before = "mkdir -p /mnt/big/kesl/data /mnt/opt; ln -s /mnt/big/kesl /mnt/opt/kesl";
        check(&in_namespace(shell, before, &step.script, "ls /mnt/big/kesl"), 0, "", "");
    }
}

#[test]
fn a_link_that_leads_elsewhere_than_when_planned_is_not_followed() {
    let path = "/mnt/opt/kesl/data";
    for facts in [with_path(path), with_path_at(path, "/mnt/small/kesl/data")] {
        let step = &steps(vec![remove_path(path)], &facts)[0];
        for shell in SHELLS {
            let before = "mkdir -p /mnt/big/kesl/data /mnt/opt; ln -s /mnt/big/kesl /mnt/opt/kesl";
            let output = in_namespace(shell, before, &step.script, "ls /mnt/big/kesl");
            check(&output, 1, "data", "it is at /mnt/big/kesl/data now");
        }
    }
}

#[test]
fn without_gnus_rm_a_tree_still_goes() {
    let path = "/mnt/opt/kesl";
    let step = &steps(vec![remove_path(path)], &with_path(path))[0];
    let before = "mkdir -p /mnt/opt/kesl/deep; ln -s \"$(command -v busybox)\" /mnt/tools/rm";
    check(&in_namespace("busybox sh", before, &step.script, "ls /mnt/opt"), 0, "", "");
}

#[test]
fn a_service_loses_all_its_files_and_no_others() {
    let mut facts = facts();
    facts.services.items.push(Service {
        name: "kesl".into(),
        kind: "systemd".into(),
        file: Some("/etc/systemd/system/kesl.service".into()),
        active: Some("active".into()),
    });
    let step = &steps(vec![Action::DeleteService { name: "kesl".into() }], &facts)[0];
    for shell in SHELLS {
        let before = "for tool in systemctl dpkg-query rpm; do\n\
            printf '#!/bin/sh\\necho \"${0##*/} $*\" >>/mnt/calls\\n' >/mnt/tools/$tool\n\
            done\n\
            echo 'exit 1' >>/mnt/tools/dpkg-query\n\
            printf 'echo is not owned by any package\\nexit 1\\n' >>/mnt/tools/rpm\n\
            chmod 755 /mnt/tools/*\n\
            cd /etc/systemd/system; mkdir -p kesl.service.d klnagent64.service.d multi-user.target.wants\n\
            : >kesl.service; : >klnagent64.service; : >kesl.service.d/override.conf\n\
            ln -sf ../kesl.service ../klnagent64.service multi-user.target.wants/\n\
            mkdir -p /etc/rc3.d /etc/init.d; printf '#!/bin/sh\\n' >/etc/init.d/kesl\n\
            ln -s ../init.d/kesl /etc/rc3.d/S50kesl; ln -s ../init.d/kesl-other /etc/rc3.d/S50kesl-other";
        let after = "grep systemctl /mnt/calls\n\
            find /etc/systemd/system /etc/init.d /etc/rc3.d \\( -name 'k*' -o -name 'S50*' \\) | sort";
        let output = in_namespace(shell, before, &step.script, after);
        check(
            &output,
            0,
            "systemctl stop kesl.service\n\
             systemctl disable kesl.service\n\
             systemctl daemon-reload\n\
             systemctl reset-failed kesl.service\n\
             /etc/rc3.d/S50kesl-other\n\
             /etc/systemd/system/klnagent64.service\n\
             /etc/systemd/system/klnagent64.service.d\n\
             /etc/systemd/system/multi-user.target.wants/klnagent64.service",
            "",
        );
    }
}

#[test]
fn a_unit_that_a_package_owns_stays_and_fails_the_step() {
    let mut facts = facts();
    facts.services.items.push(Service {
        name: "kesl".into(),
        kind: "systemd".into(),
        file: Some("/etc/systemd/system/kesl.service".into()),
        active: None,
    });
    let step = &steps(vec![Action::DeleteService { name: "kesl".into() }], &facts)[0];
    for shell in SHELLS {
        for owner in ["exit 0", "exit 2"] {
            let before = format!(
                "printf '#!/bin/sh\\n{owner}\\n' >/mnt/tools/dpkg-query; chmod 755 /mnt/tools/dpkg-query\n\
                 : >/etc/systemd/system/kesl.service"
            );
            let output = in_namespace(shell, &before, &step.script, "ls /etc/systemd/system/kesl.service");
            check(&output, 1, "/etc/systemd/system/kesl.service", "belongs to a package");
        }
    }
}

#[test]
fn accounts_are_deleted_by_the_systems_own_tool_and_their_homes_stay() {
    let mut facts = facts();
    facts.users.items.push(Account { name: "uprootksc".into(), id: 990 });
    facts.groups.items.push(Account { name: "uprootadm".into(), id: 991 });
    let actions = vec![
        Action::RemoveUser { name: "uprootksc".into() },
        Action::RemoveGroup { name: "uprootadm".into() },
    ];
    let steps = steps(actions, &facts);
    for shell in SHELLS {
        let before = "mkdir /mnt/home; groupadd -g 991 uprootadm\n\
                      useradd -u 990 -d /mnt/home uprootksc";
        for step in &steps {
            let after = "grep -c '^uproot' /etc/passwd /etc/group; ls -d /mnt/home";
            let left = if step.kind == "remove_user" {
                "/etc/passwd:0\n/etc/group:1\n/mnt/home"
            } else {
                "/etc/passwd:1\n/etc/group:1\n/mnt/home"
            };
            check(&in_namespace(shell, before, &step.script, after), 0, left, "");
        }
        // One that became the administrator's since stays.
        let before = "echo 'uprootksc:x:0:0::/mnt/home:/bin/sh' >>/etc/passwd";
        let output = in_namespace(shell, before, &steps[0].script, "grep -c ^uprootksc /etc/passwd");
        check(&output, 1, "1", "has the administrator's id");
    }
}

#[test]
fn a_certificate_leaves_the_store() {
    let anchor = "/usr/local/share/ca-certificates/uproot-kav.crt";
    let mut facts = facts();
    facts.certificates.items.push(Certificate {
        file: anchor.into(),
        subject: "CN=Kaspersky".into(),
        sha256: "00".into(),
    });
    let subject = TextPattern("Kaspersky".into());
    let step = &steps(vec![Action::RemoveCertificate { subject }], &facts)[0];
    for shell in SHELLS {
        let before = format!(
            "mkdir -p /mnt/local /usr/local/share/ca-certificates\n\
             mount --bind /mnt/local /usr/local/share/ca-certificates\n: >{anchor}\n\
             printf '#!/bin/sh\\necho \"$*\"; ls {anchor} 2>/dev/null; exit 4\\n' >/mnt/tools/update-ca-certificates\n\
             chmod 755 /mnt/tools/*"
        );
        // The tool's own status is the step's, and the anchor is gone before it looks.
        check(&in_namespace(shell, &before, &step.script, ""), 4, "--fresh", "");
    }
}

#[test]
fn a_cron_file_goes() {
    let mut facts = facts();
    facts.scheduled_tasks.items.push(ScheduledTask { name: "/etc/cron.d/it's".into(), line: "x".into() });
    let name = Pattern::new("it's");
    let step = &steps(vec![Action::RemoveScheduledTask { name }], &facts)[0];
    for shell in SHELLS {
        let before = "mkdir -p /etc/cron.d; : >\"/etc/cron.d/it's\"; : >/etc/cron.d/other-of-uproot";
        let output =
            in_namespace(shell, before, &step.script, "ls /etc/cron.d | grep -c -e \"it's\" -e of-uproot");
        check(&output, 0, "1", "");
    }
}
