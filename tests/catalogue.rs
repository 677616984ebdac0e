//! The built-in catalogue's products for Linux against facts documents: what each product is found by, that nothing is
//! called absent on half an answer, and what would be done about it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use uproot::detect::{ProductRules, finding};
use uproot::facts::{Facts, FileText, Gap, Questions, Topic, document};
use uproot::inventory;
use uproot::model::{EvidenceRole, HostState, Platform, ProductState};
use uproot::plan::{self, HostInput, HostOutcome, PlanSettings, PlannedConnection, PlannedHost};
use uproot::playbook::{Action, Playbook, Product, Rule, read_catalogue};

/// What must stand among the facts by which each product is found present.
const MARKS: [(&str, &str); 23] = [
    ("kesl", "/opt/kaspersky/kesl/libexec/kesl"),
    ("kics-linux", "kics 2.0.0-1032"),
    ("kess-linux", "/var/opt/kaspersky/kess/install_3.4.0.1215/"),
    ("epagent-linux", "epagent 4.0.0-105"),
    ("klnagent-linux", "/opt/kaspersky/klnagent64/sbin/klnagent"),
    ("ksc-linux", "ksc64 15.1.0-20748"),
    ("ksc-web-console", "ksc-web-console 15.1.0-451"),
    ("kuma", "kuma-core"),
    ("kpsn", "/usr/local/kpsn"),
    ("site-units", "kaspersky-agent-check"),
    ("klms", "klms 8.0.3-30"),
    ("ksmg", "ksmg 2.1.0-7854"),
    ("ksmg-appliance", "/opt/kaspersky/ksmg-appliance-addon/bin/wizard"),
    ("kwts", "kwts 6.1.0-4762"),
    ("kav4fs", "kav4fs 8.0.4-312 i386"),
    ("kav4ws", "kav4ws 5.7.20-1"),
    ("kav4proxy", "kav4proxy 5.5.80-1"),
    ("kavmilter", "kavmilter 5.6.20-1"),
    ("scan-engine", "/opt/kaspersky/ScanEngine/bin/kavhttpd"),
    ("cybertrace", "/opt/kaspersky/ktfs/bin"),
    ("lmc", "/opt/kaspersky/lmc-agent"),
    ("kasperskyos-sdk", "/opt/KasperskyOS-Community-Edition-1.3.0.166"),
    ("oem-engine", "/opt/icewarp/kaspersky/kavehost"),
];

/// Questions whose answer does not matter on a host without the product: they are only asked beside a
/// second sign, and where that is known not to be there, nothing follows from them.
const SECOND_SIGNS: [(&str, &str); 9] = [
    ("kics-linux", "packages"),
    ("kess-linux", "packages"),
    ("epagent-linux", "packages"),
    ("ksc-linux", "users"),
    ("kuma", "services"),
    ("kpsn", "packages"),
    ("kpsn", "/usr/local/ksn"),
    ("kpsn", "users"),
    ("ksmg", "/opt/kaspersky/ksmg-appliance-addon"),
];

fn catalogue() -> Playbook {
    static READ: LazyLock<Playbook> = LazyLock::new(|| {
        let mut playbook = read_catalogue().unwrap_or_else(|wrong| panic!("{wrong}")).playbook;
        playbook.products.retain(|product| product.platforms.contains(&Platform::Linux));
        playbook
    });
    READ.clone()
}

fn documents_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks/tests/linux")
}

fn uproot(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_uproot"))
        .args(arguments)
        .env("NO_COLOR", "1")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap()
}

#[track_caller]
fn succeeds(arguments: &[&str]) -> String {
    let output = uproot(arguments);
    let shown =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {shown}");
    shown
}

/// Every document: product, result, file name, facts.
fn documents() -> Vec<(String, String, String, Facts)> {
    static READ: LazyLock<Vec<(String, String, String, Facts)>> = LazyLock::new(read_documents);
    READ.clone()
}

fn read_documents() -> Vec<(String, String, String, Facts)> {
    let directory = documents_directory();
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let mut parts = name.split('.');
            let (product, result) = (parts.next().unwrap().to_owned(), parts.next().unwrap().to_owned());
            (product, result, name, document::read(path).unwrap())
        })
        .collect()
}

fn first(product: &str, result: &str) -> Facts {
    let mut all = documents().into_iter();
    all.find(|(id, of, ..)| id == product && of == result).unwrap_or_else(|| panic!("{product}.{result}")).3
}

#[test]
fn it_passes_its_own_check() {
    let said = succeeds(&["playbook", "check", "--strict"]);
    assert!(said.contains("no errors, 0 warning(s)"), "{said}");
}

#[test]
fn every_product_is_explained() {
    for product in catalogue().products {
        let said = succeeds(&["playbook", "explain", &product.id]);
        assert!(said.starts_with(&format!("{} ({})", product.name, product.id)), "{said}");
        for source in &product.sources {
            assert!(said.contains(source), "{said}");
        }
    }
}

#[test]
fn every_document_gives_its_result() {
    let directory = documents_directory();
    let said = succeeds(&["playbook", "test", directory.to_str().unwrap()]);
    assert_eq!(said, format!("{} passed, 0 failed\n", documents().len()));
}

#[test]
fn every_product_has_a_document_of_each_result() {
    let documents = documents();
    for product in catalogue().products {
        for result in ["present", "absent", "residue", "unknown"] {
            let mut of: Vec<_> =
                documents.iter().filter(|(id, is, ..)| *id == product.id && is == result).collect();
            assert!(!of.is_empty(), "there is no {}.{result}.json", product.id);
            let recorded = ["kesl", "klnagent-linux"].contains(&product.id.as_str());
            let provenance = if recorded { "recorded" } else { "constructed" };
            of.retain(|(.., facts)| facts.provenance != provenance);
            assert!(of.is_empty(), "{} is not {provenance}", of[0].2);
        }
    }
}

#[test]
fn a_present_product_is_found_by_what_is_its_own() {
    let marks = BTreeMap::from(MARKS);
    let playbook = catalogue();
    for (id, _, name, facts) in documents().iter().filter(|(_, result, ..)| result == "present") {
        let found = finding(&ProductRules::from(playbook.product(id).unwrap()), facts);
        let evidence = found.evidence.iter().filter(|one| one.role == EvidenceRole::Detect);
        let told: Vec<&String> = evidence.flat_map(|one| &one.facts).collect();
        let mark = marks[id.as_str()];
        assert!(told.iter().any(|fact| fact.contains(mark)), "{name}: `{mark}` is not in {told:#?}");
        let version = playbook.product(id).unwrap().version.is_some();
        assert_eq!(found.version.is_some(), version, "{name}: {:?}", found.version);
    }
    assert_eq!(marks.len(), playbook.products.len());
}

/// Makes one listing of a host's facts incomplete.
type Cut = Box<dyn Fn(&mut Facts)>;

/// Each listing that the rules of a product ask for, with its cut.
fn gaps(product: &Product) -> Vec<(String, Cut)> {
    let asked = Questions::of_rules([&product.detect].into_iter().chain(&product.residue));
    let gap = || Gap { reason: "the stream was cut".to_owned(), remedy: None };
    let mut all: Vec<(String, Cut)> = Vec::new();
    for topic in asked.topics {
        let (name, cut): (_, Cut) = match topic {
            Topic::Packages => ("packages", Box::new(move |facts| facts.packages.gaps.push(gap()))),
            Topic::Services => ("services", Box::new(move |facts| facts.services.gaps.push(gap()))),
            Topic::Processes => ("processes", Box::new(move |facts| facts.processes.gaps.push(gap()))),
            Topic::Users => ("users", Box::new(move |facts| facts.users.gaps.push(gap()))),
            Topic::Groups => ("groups", Box::new(move |facts| facts.groups.gaps.push(gap()))),
            other => panic!("{}: this test does not know {other:?}", product.id),
        };
        all.push((name.to_owned(), cut));
    }
    for path in asked.paths {
        let cut = path.clone();
        all.push((path, Box::new(move |facts| facts.paths.get_mut(&cut).unwrap().gaps.push(gap()))));
    }
    for file in asked.files.into_keys() {
        let cut = file.clone();
        all.push((file, Box::new(move |facts| facts.files.get_mut(&cut).unwrap().gaps.push(gap()))));
    }
    all
}

#[test]
fn half_an_answer_is_never_absence() {
    let playbook = catalogue();
    let mut without_effect = BTreeSet::new();
    for (id, _, name, facts) in documents().iter().filter(|(_, result, ..)| result == "absent") {
        // On a host with software of the same name, more questions matter: those are asked below.
        if name.contains("other-software") {
            continue;
        }
        let product = playbook.product(id).unwrap();
        let result = |facts: &Facts| finding(&ProductRules::from(product), facts).result;
        let mut all_cut = facts.clone();
        for (question, cut) in gaps(product) {
            let mut less = facts.clone();
            cut(&mut less);
            cut(&mut all_cut);
            match result(&less) {
                ProductState::Unknown => {}
                ProductState::Absent => {
                    without_effect.insert((id.clone(), question));
                }
                other => panic!("{name} without `{question}`: {other:?}"),
            }
        }
        assert_eq!(result(&all_cut), ProductState::Unknown, "{name}");
        let mut nothing = facts.clone();
        nothing.paths.clear();
        nothing.files.clear();
        for listing in [&mut nothing.users, &mut nothing.groups] {
            *listing = uproot::facts::Listing::unanswered("no");
        }
        nothing.packages = uproot::facts::Listing::unanswered("no");
        nothing.services = uproot::facts::Listing::unanswered("no");
        nothing.processes = uproot::facts::Listing::unanswered("no");
        assert_eq!(result(&nothing), ProductState::Unknown, "{name}");
    }
    let known: BTreeSet<(String, String)> =
        SECOND_SIGNS.iter().map(|(id, question)| ((*id).to_owned(), (*question).to_owned())).collect();
    assert_eq!(without_effect, known, "left: no effect, right: known second signs");
}

#[test]
fn the_name_alone_counts_as_soon_as_the_second_sign_was_not_read() {
    let playbook = catalogue();
    for (id, path) in [
        ("kics-linux", "/opt/kaspersky/kics"),
        ("kess-linux", "/opt/kaspersky/kess"),
        ("epagent-linux", "/opt/kaspersky/epagent"),
        ("kuma", "/opt/kaspersky/kuma"),
    ] {
        let (.., mut facts) = documents()
            .into_iter()
            .find(|(.., name, _)| *name == format!("{id}.absent.other-software.json"))
            .unwrap();
        let product = playbook.product(id).unwrap();
        let result = |facts: &Facts| finding(&ProductRules::from(product), facts).result;
        assert_eq!(result(&facts), ProductState::Absent, "{id}");
        let gap = Gap { reason: "directory `/opt` cannot be read".to_owned(), remedy: None };
        facts.paths.get_mut(path).unwrap().gaps.push(gap);
        assert_eq!(result(&facts), ProductState::Unknown, "{id}");
    }
}

/// The paths that a step may delete, one for each alternative in braces.
fn deleted(product: &Product) -> Vec<String> {
    let paths = product.remove.iter().filter_map(|step| match &step.action {
        Action::RemovePath { path } => Some(path.as_str().to_owned()),
        _ => None,
    });
    paths.flat_map(|path| spelled_out(&path)).collect()
}

fn spelled_out(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else { return vec![path.to_owned()] };
    let (inside, after) = rest.split_once('}').unwrap();
    inside.split(',').flat_map(|word| spelled_out(&format!("{before}{word}{after}"))).collect()
}

#[test]
fn nothing_that_others_use_is_deleted() {
    let playbook = catalogue();
    let mut owner: BTreeMap<String, &str> = BTreeMap::new();
    for product in &playbook.products {
        for path in deleted(product) {
            assert!(path.starts_with('/') && path.matches('/').count() >= 2, "{path}");
            assert!(!path.contains("**"), "{path}");
            let before = owner.insert(path.clone(), &product.id);
            assert!(before.is_none_or(|id| id == product.id), "`{path}` is of {before:?} and {}", product.id);
        }
    }
    // No path lies below one that another product deletes, and none that another product is found by.
    for (path, id) in &owner {
        let below = format!("{path}/");
        for other in playbook.products.iter().filter(|other| other.id != *id) {
            let asked = Questions::of_rules([&other.detect].into_iter().chain(&other.residue));
            for used in asked.paths.iter().flat_map(|path| spelled_out(path)).chain(deleted(other)) {
                assert!(used != *path && !used.starts_with(&below), "{id} deletes `{used}` of {}", other.id);
            }
        }
    }
    for shared in ["/opt/kaspersky", "/var/opt/kaspersky", "/etc/opt/kaspersky", "/var/log/kaspersky"] {
        assert!(!owner.contains_key(shared));
    }
}

#[test]
fn no_product_removes_the_packages_or_services_of_another() {
    let playbook = catalogue();
    for (id, _, name, facts) in documents().iter().filter(|(_, result, ..)| result == "present") {
        for other in playbook.products.iter().filter(|other| other.id != *id) {
            for step in &other.remove {
                match &step.action {
                    Action::RemovePackage { names, .. } => {
                        // The recorded hosts had both products.
                        let hit = facts.packages.items.iter().find(|package| {
                            names.iter().any(|pattern| pattern.matcher().matches(&package.name).is_true())
                        });
                        let both = ["kesl", "klnagent-linux"];
                        let on_one_host = both.contains(&id.as_str()) && both.contains(&other.id.as_str());
                        assert!(hit.is_none() || on_one_host, "{} removes {hit:?} of {name}", other.id);
                    }
                    Action::StopService { name: service } | Action::DeleteService { name: service } => {
                        let own = playbook.product(id).unwrap().remove.iter().any(
                            |step| matches!(&step.action, Action::StopService { name } if name == service),
                        );
                        assert!(!own, "{} and {id} both stop `{service}`", other.id);
                    }
                    _ => {}
                }
            }
        }
    }
}

/// The plan of one host with these facts, of this product alone.
fn planned(product: &Product, facts: &Facts, allowed: &[&str]) -> PlannedHost {
    let mut playbook = catalogue();
    playbook.products = vec![product.clone()];
    let inventory = inventory::local();
    let settings = PlanSettings {
        id: "01940000-0000-7000-8000-000000000000".to_owned(),
        created: "2025-01-01T00:00:00Z".parse().unwrap(),
        operator: "somebody".to_owned(),
        questions: Questions::of_playbook(&playbook),
        secrets: BTreeMap::new(),
        known_hosts: Vec::new(),
        allowed: allowed.iter().map(|word| (*word).to_owned()).collect(),
        scope: uproot::model::Scope::default(),
    };
    let found = finding(&ProductRules::from(product), facts);
    let state = match found.result {
        ProductState::Present => HostState::Present,
        ProductState::Residue => HostState::Residue,
        ProductState::Unknown => HostState::Unknown,
        ProductState::Absent => HostState::Clean,
    };
    let connection = PlannedConnection {
        kind: PlannedConnection::LOCAL.to_owned(),
        address: "localhost".to_owned(),
        port: 22,
        user: None,
        platform: None,
        key: None,
        password: None,
        become_method: None,
        become_password: None,
    };
    let outcome =
        HostOutcome::Read { facts, findings: vec![found], state, reason: String::new(), remedy: None };
    let host = HostInput { host: &inventory.hosts[0], connection, outcome };
    let mut plan = plan::make(&playbook, settings, &inventory, vec![host])
        .unwrap_or_else(|wrong| panic!("{}: {}", product.id, wrong.render()));
    plan.hosts.remove(0)
}

/// The steps that would be run, as their words and commands.
fn commands(host: &PlannedHost) -> Vec<String> {
    let run = host.steps.iter().filter(|step| !step.already_so);
    run.map(|step| format!("{}: {}", step.kind, step.commands.join("; "))).collect()
}

#[test]
fn what_is_found_can_be_removed_or_says_why_not() {
    let playbook = catalogue();
    let mut removed = 0;
    for (id, result, name, facts) in &documents() {
        let product = playbook.product(id).unwrap();
        let opt_in: Vec<&str> = product.opt_in.iter().map(String::as_str).collect();
        let host = planned(product, facts, &opt_in);
        match result.as_str() {
            "absent" => assert!(host.steps.is_empty() && host.not_planned.is_empty(), "{name}"),
            "unknown" => assert!(host.steps.is_empty() && !host.not_planned.is_empty(), "{name}: {host:#?}"),
            _ if product.report_only.is_some() => {
                assert!(host.steps.is_empty(), "{name}: {host:#?}");
                assert!(host.not_planned[0].reason.contains("only reported"), "{name}: {host:#?}");
            }
            _ => {
                removed += 1;
                assert!(host.not_planned.is_empty(), "{name}: {:#?}", host.not_planned);
                assert_eq!(host.gone_after, [id.as_str()], "{name}");
                let steps = commands(&host);
                assert!(!steps.is_empty(), "{name}");
                assert!(!steps.iter().any(|step| step.starts_with("manual")), "{name}: {steps:#?}");
                if result == "present" && !facts.packages.items.is_empty() && *id != "scan-engine" {
                    let removes = ["dpkg --purge", "rpm -e"];
                    let package =
                        steps.iter().any(|step| removes.iter().any(|command| step.contains(command)));
                    assert!(package, "{name}: {steps:#?}");
                }
                if let Some(word) = &product.opt_in {
                    let host = planned(product, facts, &[]);
                    assert!(host.steps.is_empty(), "{name}");
                    assert!(host.not_planned[0].reason.contains(&format!("--allow {word}")), "{host:#?}");
                }
            }
        }
    }
    assert!(removed > 20, "{removed}");
}

#[test]
fn what_a_plan_leaves_makes_the_product_absent() {
    let playbook = catalogue();
    for (id, result, name, facts) in &documents() {
        let product = playbook.product(id).unwrap();
        if product.report_only.is_some() || !["present", "residue"].contains(&result.as_str()) {
            continue;
        }
        // The host once every step has had its effect: nothing of the product runs, and what was
        // named for removal is gone with all below it.
        let mut after = facts.clone();
        let gone = deleted(product);
        let is_gone = |path: &str| gone.iter().any(|gone| is_at_or_below(path, gone));
        after.processes.items.retain(|one| one.exe.as_ref().is_none_or(|exe| !exe.contains("/kaspersky/")));
        for listing in after.paths.values_mut() {
            listing.items.retain(|entry| !is_gone(&entry.path));
        }
        for step in &product.remove {
            match &step.action {
                Action::RemovePackage { names, .. } => after.packages.items.retain(|package| {
                    !names.iter().any(|pattern| pattern.matcher().matches(&package.name).is_true())
                }),
                Action::DeleteService { name } => {
                    after.services.items.retain(|service| service.name != *name);
                    after.files.values_mut().for_each(|files| {
                        files.items.retain(|file| !file.path.ends_with(&format!("/{name}.service")));
                    });
                }
                Action::RemoveUser { name } => after.users.items.retain(|user| user.name != *name),
                Action::RemoveGroup { name } => after.groups.items.retain(|group| group.name != *name),
                _ => {}
            }
        }
        // Units that belong to a package go with it.
        after.services.items.retain(|service| {
            let owned = service.file.as_ref().is_some_and(|file| file.starts_with("/usr/lib/systemd/"));
            !(owned && ["kes", "kl", "ki", "KSC"].iter().any(|word| service.name.starts_with(word)))
        });
        let found = finding(&ProductRules::from(product), &after);
        assert_eq!(found.result, ProductState::Absent, "{name}: {:#?}", found.evidence);
    }
}

fn is_at_or_below(path: &str, top: &str) -> bool {
    let matches = |path: &str| uproot::playbook::Pattern::new(top).matcher().matches(path).is_true();
    path.match_indices('/').skip(1).any(|(end, _)| matches(&path[..end])) || matches(path)
}

#[test]
fn a_gateway_is_not_removed_while_its_hooks_can_be_seen() {
    for (id, word, file, line) in [
        ("klms", "mail-gateway", "/etc/postfix/main.cf", "smtpd_milters = unix:/var/run/klms/klms-milter"),
        (
            "kwts",
            "web-gateway",
            "/etc/squid/squid.conf",
            "icap_service av reqmod_precache icap://127.0.0.1:1344/",
        ),
        (
            "kav4proxy",
            "web-gateway",
            "/etc/squid/squid.conf",
            "  icap_service av reqmod_precache 0 icap://localhost:1344/av/reqmod",
        ),
    ] {
        let mut facts = first(id, "present");
        let text = FileText {
            path: file.to_owned(),
            text: format!("# a\n{line}\n"),
            truncated: false,
            kept_for: Vec::new(),
        };
        let matching = facts.files.iter_mut().find(|(pattern, _)| {
            uproot::playbook::Pattern::new(pattern.as_str()).matcher().matches(file).is_true()
        });
        matching.unwrap().1.items = vec![text];
        let host = planned(catalogue().product(id).unwrap(), &facts, &[word]);
        assert_eq!(host.steps[0].kind, "manual", "{id}: {:#?}", commands(&host));
        assert!(host.steps[0].instructions.as_ref().unwrap().contains("plan again"));
    }
}

#[test]
fn software_of_the_same_name_is_left_alone() {
    let playbook = catalogue();
    for (id, other) in [("kics-linux", "kics"), ("kess-linux", "kess")] {
        // What the product left is there, and another vendor's package of its name.
        let mut facts = first(id, "residue");
        let mut package = facts.packages.items[0].clone();
        other.clone_into(&mut package.name);
        package.status = "install ok installed".to_owned();
        facts.packages.items.retain(|package| package.name != other);
        facts.packages.items.push(package);
        let host = planned(playbook.product(id).unwrap(), &facts, &[]);
        let gate = &host.steps[0];
        assert_eq!(gate.kind, "require", "{:#?}", commands(&host));
        let holds = uproot::detect::evaluate(gate.condition.as_ref().unwrap(), &facts);
        assert!(holds.truth.is_false(), "it would remove the other `{other}`: {holds:#?}");
    }
}

#[test]
fn an_engine_that_stands_elsewhere_is_a_persons_job() {
    let mut facts = first("scan-engine", "present");
    facts.paths.values_mut().for_each(|listing| listing.items.clear());
    for process in &mut facts.processes.items {
        process.exe = process.exe.take().map(|exe| exe.replace("/opt/kaspersky/ScanEngine", "/srv/engine"));
    }
    let host = planned(catalogue().product("scan-engine").unwrap(), &facts, &[]);
    assert_eq!(host.steps[0].kind, "manual", "{:#?}", commands(&host));
}

#[test]
fn the_server_and_the_gateways_need_a_choice_and_appliances_are_only_reported() {
    let playbook = catalogue();
    let choice: BTreeMap<&str, &str> =
        playbook.products.iter().filter_map(|p| Some((p.id.as_str(), p.opt_in.as_deref()?))).collect();
    let expected = [
        ("ksc-linux", "administration-server"),
        ("ksc-web-console", "administration-server"),
        ("klms", "mail-gateway"),
        ("kwts", "web-gateway"),
        ("kav4proxy", "web-gateway"),
    ];
    assert_eq!(choice, BTreeMap::from(expected));
    for id in ["ksmg-appliance", "ksmg", "kuma", "kpsn", "oem-engine", "site-units"] {
        let product = playbook.product(id).unwrap();
        assert!(product.report_only.is_some() && product.remove.is_empty(), "{id}");
    }
}

#[test]
fn what_is_not_confirmed_says_so_and_the_rest_has_sources() {
    for product in catalogue().products {
        assert!(!product.confirmed || !product.sources.is_empty(), "{}", product.id);
        assert!(product.sources.iter().all(|source| source.starts_with("https://")), "{}", product.id);
    }
}

#[test]
fn names_that_others_bear_never_stand_alone() {
    for product in catalogue().products {
        let mut alone = Vec::new();
        standing_alone(&product.detect, &mut alone);
        standing_alone(product.residue.as_ref().unwrap_or(&product.detect), &mut alone);
        for name in ["kess", "kics", "ksc", "kuma-cp", "epagent"] {
            let hit = alone.iter().find(|pattern| pattern.matcher().matches(name).is_true());
            assert!(hit.is_none(), "{}: {hit:?}", product.id);
        }
    }
}

/// The names of packages, services, users and groups that make a rule true by themselves.
fn standing_alone(rule: &Rule, out: &mut Vec<uproot::playbook::Pattern>) {
    use uproot::playbook::Check;
    match rule {
        Rule::Any(rules) => rules.iter().for_each(|rule| standing_alone(rule, out)),
        Rule::All(rules) if rules.len() == 1 => standing_alone(&rules[0], out),
        Rule::Check(
            Check::Package { name, .. }
            | Check::Service { name, .. }
            | Check::User { name }
            | Check::Group { name },
        ) => out.push(name.clone()),
        Rule::All(_) | Rule::Not(_) | Rule::Check(_) => {}
    }
}
