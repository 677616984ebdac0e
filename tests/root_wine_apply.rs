//! The real binary against Wine hosts over SSH, from the first look to the proof: each kind of package is identified,
//! planned, uninstalled by the host's own entry, and verified. docs/windows-lab.md says what Wine proves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test"
)]

mod wine_lab;

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use wine_lab::{Kind, MSI_PASSWORD, Msi, Output, WineHost, WineLab, host_of};

const PLAYBOOK: &str = r#"uproot: 1
name: Wine fleet
secrets:
  kes_password: { env: KES_PASSWORD, optional: true }
  agent_password: { env: AGENT_PASSWORD, optional: true }
policy: { reboot: REBOOT }
waves: [ { name: all, hosts: all, parallel: 3, max_failures: 100% } ]
products:
  - id: endpoint
    name: Endpoint security
    vendor: AO Kaspersky Lab
    platforms: [windows]
    confirmed: true
    sources: [https://example.org/]
    version: { program: "Kaspersky Endpoint Security*" }
    detect:
      any:
        - program: "Kaspersky Endpoint Security*"
        - service: "AVP.KES.*"
    residue:
      any:
        - service: "avpsus.KES.*"
        - driver: klif
        - path: '%ProgramFiles%\Kaspersky Lab\KES*'
    remove:
      - uninstall_program:
          name: "Kaspersky Endpoint Security*"
          publisher: "*Kaspersky*"
          properties: { KLLOGIN: KLAdmin }
          secrets: { KLPASSWD: kes_password }
          blocked_if: "-- Not allowed"
          timeout: 5m
    settle: 20s
  # Its name cannot be read on a host whose code page is not known.
  - id: localized
    name: A product in another language
    platforms: [windows]
    confirmed: true
    sources: [https://example.org/]
    detect: { service: "AVP.RU.*" }
    residue: { path: '%ProgramFiles%\Kaspersky Lab\Russian' }
    remove: [ uninstall_program: { publisher: AO Kaspersky Lab } ]
    settle: 5s
  - id: consumer
    name: Consumer line
    platforms: [windows]
    confirmed: true
    sources: [https://example.org/]
    detect: { any: [ program: "Kaspersky Standard", service: "AVP21.*" ] }
    residue: { path: '%ProgramData%\Kaspersky Lab\AVP*' }
    remove: [ uninstall_program: Kaspersky Standard ]
    settle: 30s
  - id: passwords
    name: Password manager
    platforms: [windows]
    confirmed: true
    sources: [https://example.org/]
    detect: { program: { name: "Kaspersky Password Manager", per_user: true } }
    remove: [ uninstall_program: Kaspersky Password Manager ]
    settle: 5s
  - id: narrow
    name: Endpoint agent
    platforms: [windows]
    confirmed: true
    sources: [https://example.org/]
    detect: { any: [ program: "Kaspersky Endpoint Agent", service: soyuz ] }
    residue: { path: '%ProgramFiles(x86)%\Kaspersky Lab\Endpoint Agent' }
    remove: [ uninstall_program: Kaspersky Endpoint Agent ]
    settle: 5s
  - id: agent
    name: Network Agent
    platforms: [windows]
    confirmed: true
    sources: [https://example.org/]
    detect: { any: [ program: "Kaspersky Security Center Network Agent", service: klnagent ] }
    residue: { path: '%ProgramFiles%\Kaspersky Lab\NetworkAgent' }
    after: [endpoint, localized, consumer, passwords, narrow]
    remove:
      - uninstall_program:
          name: Kaspersky Security Center Network Agent
          secrets: { KLUNINSTPASSWD: { secret: agent_password, encoding: utf16le-hex } }
    settle: 5s
"#;

/// Both tests at once would have more Wine hosts at work than two cores carry.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A fleet of Wine hosts with the playbook and what a run of uproot needs.
struct Fleet<'a> {
    lab: &'a WineLab,
    hosts: Vec<&'a WineHost>,
    playbook: String,
    environment: Vec<(&'a str, &'a str)>,
}

impl<'a> Fleet<'a> {
    fn new(lab: &'a WineLab, hosts: &'a [WineHost], reboot: &str) -> Self {
        let playbook = lab.write("playbook.yml", PLAYBOOK.replace("REBOOT", reboot));
        let playbook = playbook.to_str().unwrap().to_owned();
        Self { lab, hosts: hosts.iter().collect(), playbook, environment: Vec::new() }
    }

    fn uproot(&self, words: &[&str]) -> Output {
        let runs = self.lab.dir().join("runs");
        let words = [words, &["--runs", runs.to_str().unwrap()]].concat();
        self.lab.uproot_with(&words, &self.environment, b"")
    }

    /// A verb that looks at the hosts.
    fn ask(&self, words: &[&str]) -> Output {
        let words = [words, &["--playbook", &self.playbook]].concat();
        self.lab.ask_with(&self.hosts, &words, &self.environment)
    }

    fn plan(&self, name: &str) -> (String, Value) {
        let out = self.lab.dir().join(name);
        let out = out.to_str().unwrap();
        let _ = self.ask(&["plan", "--out", out]).expect_code(0);
        (out.to_owned(), serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap())
    }

    /// Applies a plan, and gives the report with the binary's output.
    fn apply(&self, plan: &str, code: i32) -> (Value, Output) {
        let output = self.uproot(&["apply", plan, "--format", "json"]).expect_code(code);
        (output.json(), output)
    }

    fn verify(&self, code: i32) -> Value {
        self.ask(&["verify", "--format", "json"]).expect_code(code).json()
    }
}

fn states(report: &Value) -> BTreeMap<String, String> {
    let hosts = report["hosts"].as_array().unwrap().iter();
    hosts.map(|host| (text(&host["host"]), text(&host["state"]))).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

/// No file below has the password, in any of the forms in which it was sent.
fn search(dir: &Path, forms: &[Vec<u8>]) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            search(&path, forms);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            for form in forms {
                let found = bytes.windows(form.len()).any(|window| window == form);
                assert!(!found, "{} has the password", path.display());
            }
        }
    }
}

/// The password as it was sent, and as it could be stored.
fn forms(password: &str) -> Vec<Vec<u8>> {
    let wide: Vec<u8> = password.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let hex: String = wide.iter().map(|byte| format!("{byte:02X}")).collect();
    let json = serde_json::to_string(password).unwrap();
    let escaped = password.replace('&', "&amp;");
    let texts = [password.to_owned(), hex.to_lowercase(), hex, json.trim_matches('"').to_owned(), escaped];
    texts.into_iter().map(String::into_bytes).chain([wide]).collect()
}

#[test]
fn each_kind_of_package_ends_in_its_state_and_the_password_is_nowhere() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = WineLab::new();
    let russian = Kind::Localized("Антивирус Касперского".to_owned(), 1251);
    let kinds = [
        ("plain", Kind::Plain, "removed"),
        ("password", Kind::Password, "removed"),
        ("agent", Kind::HexPassword, "removed"),
        ("reboot", Kind::Reboot, "removed-reboot-pending"),
        ("leaves", Kind::LeavesBehind, "residue"),
        ("user", Kind::PerUser, "blocked"),
        ("narrow", Kind::ThirtyTwoBit, "removed"),
        ("russian", russian, "removed"),
        ("detaches", Kind::Detaches(4), "removed"),
    ];
    let builders = kinds.iter().map(|(name, kind, _)| match kind {
        Kind::Localized(..) => lab.host(name).locale("ru_RU"),
        _ => lab.host(name),
    });
    let hosts = lab.start_all(builders.collect());
    let package = |kind: &Kind| {
        let mut package = Msi::new(kind.clone());
        if matches!(kind, Kind::Localized(..)) {
            (package.service, package.folder) = ("AVP.RU.21".to_owned(), "Russian".to_owned());
        }
        package
    };
    let packages: Vec<Msi> = kinds.iter().map(|(_, kind, _)| package(kind)).collect();
    for (host, package) in hosts.iter().zip(&packages) {
        host.furnish();
        host.install(package);
    }
    let mut fleet = Fleet::new(&lab, &hosts, "never");
    fleet.environment = vec![("KES_PASSWORD", MSI_PASSWORD), ("AGENT_PASSWORD", MSI_PASSWORD)];
    let (plan, written) = fleet.plan("plan.json");
    for (host, package) in hosts.iter().zip(&packages) {
        let host =
            written["hosts"].as_array().unwrap().iter().find(|one| one["name"] == host.name()).unwrap();
        let steps = host["steps"].as_array().unwrap();
        assert_eq!(steps.len(), 1, "{host:#}");
        if package.kind == Kind::PerUser {
            assert!(text(&steps[0]["instructions"]).contains(&package.product_code), "{host:#}");
        } else {
            assert!(text(&steps[0]["commands"][0]).contains(&package.product_code), "{host:#}");
        }
    }
    // A residue is told before what is blocked.
    let (report, output) = fleet.apply(&plan, 1);
    println!("{}", output.stderr);
    let expected = kinds.iter().map(|(name, _, state)| ((*name).to_owned(), (*state).to_owned())).collect();
    assert_eq!(states(&report), expected, "{report:#}");
    for ((host, package), (_, kind, _)) in hosts.iter().zip(&packages).zip(&kinds) {
        let calls = host.msiexec_calls();
        let removals: Vec<_> = calls.iter().filter(|call| call.line.contains("/x")).collect();
        assert_eq!(removals.len(), usize::from(*kind != Kind::PerUser), "{}: {calls:#?}", host.name());
        assert!(removals.iter().all(|call| call.line.contains(&package.product_code)));
        assert!(host_of(&report, host.name())["lock"]["left"].is_null(), "{report:#}");
        host.has_nothing_of_uproot();
    }
    let left = host_of(&report, "leaves");
    assert!(text(&left["reason"]).contains("klif") || left.to_string().contains("klif"), "{left:#}");

    let forms = forms(MSI_PASSWORD);
    search(&lab.dir().join("runs"), &forms);
    search(Path::new(&plan).parent().unwrap().join("home").as_path(), &forms);
    for told in [output.stdout.as_bytes(), output.stderr.as_bytes(), &std::fs::read(&plan).unwrap()] {
        assert!(!forms.iter().any(|form| told.windows(form.len()).any(|window| window == form)));
    }
    // What stands on the hosts' own disks.
    for host in &hosts {
        search(&host.path("ProgramData"), &forms);
        search(&host.path("windows\\temp"), &forms);
        search(&host.path("users"), &forms);
    }
    let verified = states(&fleet.verify(1));
    for (name, _, state) in &kinds {
        let expected = match *state {
            "removed" => "clean",
            "blocked" => "present",
            // Until it was rebooted, the next day's look says so too.
            state => state,
        };
        assert_eq!(verified[*name], expected, "{name}: {verified:?}");
    }
}

/// Whether an installation has met another one.
fn was_busy(host: &WineHost) -> bool {
    host.msiexec_calls().iter().any(|call| call.code == Some(1618))
}

#[test]
fn what_refuses_is_blocked_what_fails_has_failed_and_what_needs_a_reboot_gets_one() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = WineLab::new();
    let names = ["password", "reboot", "agent", "busy"];
    let hosts = lab.start_all(names.iter().map(|name| lab.host(name)).collect());
    let kinds = [Kind::Password, Kind::Reboot, Kind::HexPassword, Kind::Plain];
    for (host, kind) in hosts.iter().zip(kinds) {
        host.furnish();
        host.install(&Msi::new(kind));
    }
    let mut other = Msi::new(Kind::Slow(240)).named("Another vendor suite");
    (other.service, other.folder) = ("OtherSuite".to_owned(), "Other suite".to_owned());
    hosts[3].install(&other);
    let fleet = Fleet::new(&lab, &hosts, "if-needed");
    let (plan, _) = fleet.plan("plan.json");
    let (report, output) = std::thread::scope(|scope| {
        // Somebody else uninstalls something on one of them, until uproot has met it.
        let uninstalling = format!("msiexec /x {} /qn /norestart", other.product_code);
        let busy = &hosts[3];
        scope.spawn(move || busy.run(&uninstalling));
        busy.wait_until("somebody else uninstalls", |busy| !busy.setup_runs().is_empty());
        scope.spawn(move || {
            busy.wait_until("uproot has met it", was_busy);
            std::fs::write(busy.path("").join("go-on"), "").unwrap();
        });
        fleet.apply(&plan, 3)
    });
    let states = states(&report);
    let told = names.map(|name| states[name].as_str());
    assert_eq!(told, ["blocked", "removed", "failed", "removed"], "{report:#}\n{}", output.stderr);
    assert!(was_busy(&hosts[3]), "it was waited for: {:?}", hosts[3].msiexec_calls());
    let why = |name: &str| text(&host_of(&report, name)["reason"]);
    assert!(why("password").contains("Not allowed"), "{}", why("password"));
    // Nothing says that the agent refused: that is told as it is.
    assert!(why("agent").contains("1603 (the installer failed"), "{}", why("agent"));
    hosts.iter().for_each(WineHost::has_nothing_of_uproot);
    assert!(hosts[0].key_exists("HKLM\\SOFTWARE\\KasperskyLab\\protected\\KES"), "it is still there");
}
