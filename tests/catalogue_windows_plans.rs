//! What is planned for Windows hosts by the built-in catalogue: which uninstallers run, in which order and with which
//! secrets, what stops before anything happens, and what a person must choose first.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[allow(dead_code, reason = "the suites of the documents use the rest")]
mod catalogue_support;

use catalogue_support::windows::{
    CATALOGUE, all_words, commands, complete, folder_at, gate, host_with, planned, reason, service,
};
use uproot::detect::evaluate;
use uproot::facts::{Facts, Listing, Questions, RegistryKey, Topic};
use uproot::model::{SecretEncoding, Truth};
use uproot::plan::PlannedStep;
use uproot::playbook::{Action, Check, Product};

#[test]
fn the_words_are_those_that_the_documentation_names() {
    let words = all_words();
    assert_eq!(
        words,
        [
            "administration-server",
            "decrypted",
            "industrial-hosts",
            "kept-data",
            "secret-vaults",
            "ultraav",
            "user-passwords"
        ]
    );
    let page = include_str!("../docs/windows.md");
    for word in words {
        assert!(page.contains(&format!("| `{word}` |")), "{word}");
    }
}

#[test]
fn the_product_goes_first_and_the_agent_last_each_with_its_own_password() {
    let facts =
        host_with(&[("kes-windows", "present"), ("klnagent-windows", "present"), ("kea-windows", "present")]);
    let host = planned(&facts, &[]);
    assert_eq!(
        host.gone_after,
        ["kes-windows", "kea-windows", "klnagent-windows"],
        "{:#?}",
        host.not_planned
    );
    let code = |name: &str| {
        let program = facts
            .programs
            .items
            .iter()
            .find(|program| program.name.as_deref().is_some_and(|known| known.contains(name)));
        program.unwrap_or_else(|| panic!("{name}")).key.clone()
    };
    let quiet = "/qn /norestart REBOOT=ReallySuppress";
    assert_eq!(
        commands(&host),
        [
            format!(
                "msiexec /x {} {quiet} KLLOGIN=<kes_login> KLPASSWD=<kes_password>",
                code("Endpoint Security")
            ),
            format!("msiexec /x {} {quiet} UNLOCK_PASSWORD=<kea_password>", code("Endpoint Agent")),
            format!(
                "msiexec /x {} {quiet} KLUNINSTPASSWD=<klnagent_password>",
                code("Agent d'administration")
            ),
        ]
    );
    let agent = host.steps.iter().find(|step| step.env.contains_key("KLUNINSTPASSWD")).unwrap();
    assert_eq!(agent.encodings["KLUNINSTPASSWD"], SecretEncoding::Utf16leHex);
    let kes = host.steps.iter().find(|step| step.env.contains_key("KLPASSWD")).unwrap();
    assert!(kes.encodings.is_empty());
    assert_eq!(kes.reboot_codes, [3010, 1641]);
    assert!(kes.retry_on.is_empty() && kes.script.contains("1618"), "waits for its turn by itself");
}

#[test]
fn without_encryption_drivers_the_first_step_lets_the_removal_go_on() {
    let facts = host_with(&[("kes-windows", "present")]);
    let host = planned(&facts, &[]);
    assert_eq!(host.steps[0].id, "kes-windows/1");
    let gate = gate(&host, "kes-windows").unwrap();
    assert_eq!(evaluate(gate.condition.as_ref().unwrap(), &facts).truth, Truth::True);
}

#[test]
fn signs_of_encryption_stop_a_host_before_anything_happens() {
    for driver in ["klfle", "Klfle", "klfdefsf", "klvfs"] {
        let mut facts = host_with(&[("kes-windows", "present")]);
        facts.services.items.push(service(driver, "driver"));
        let host = planned(&facts, &[]);
        assert_eq!(host.steps[0].kind, "require", "the first of all steps");
        let gate = gate(&host, "kes-windows").unwrap();
        let seen = evaluate(gate.condition.as_ref().unwrap(), &facts);
        assert_eq!(seen.truth, Truth::False, "{driver}");
        let said = gate.instructions.as_deref().unwrap();
        assert!(said.contains("decrypt") && said.contains("--allow decrypted"), "{said}");
        // Who vouches for it takes it upon himself.
        let host = planned(&facts, &["decrypted"]);
        assert!(host.steps.iter().all(|step| step.kind != "require"), "{:#?}", host.steps);
        assert_eq!(host.gone_after, ["kes-windows"]);
    }
}

#[test]
fn drivers_that_could_not_be_listed_stop_it_too() {
    let facts = host_with(&[("kes-windows", "present")]);
    let host = planned(&facts, &[]);
    let mut less = facts.clone();
    less.services = Listing::unanswered("access is denied");
    let gate = gate(&host, "kes-windows").unwrap();
    assert_eq!(evaluate(gate.condition.as_ref().unwrap(), &less).truth, Truth::Unknown);
}

#[test]
fn what_serves_others_or_holds_data_needs_a_word() {
    for (product, word) in [
        ("ksc-windows", "administration-server"),
        ("ksc-console-windows", "administration-server"),
        ("ksc-plug-ins-windows", "administration-server"),
        ("ksos-windows", "secret-vaults"),
        ("kics-windows", "industrial-hosts"),
        ("password-manager-windows", "user-passwords"),
        ("ultraav-windows", "ultraav"),
    ] {
        let facts = host_with(&[(product, "present")]);
        let told = reason(&planned(&facts, &[]), product);
        assert!(told.contains(&format!("--allow {word}")), "{product}: {told}");
    }
}

#[test]
fn a_server_that_stays_keeps_its_agent() {
    let facts = host_with(&[("ksc-windows", "present"), ("klnagent-windows", "present")]);
    let host = planned(&facts, &[]);
    assert!(host.steps.iter().all(|step| step.already_so || step.commands.is_empty()), "{:#?}", host.steps);
}

/// Every product that is present by its document can be removed, once a person has chosen all there is to choose.
#[test]
fn every_product_has_a_plan_with_its_own_uninstaller() {
    let words = all_words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    for product in CATALOGUE.products.iter().filter(|product| product.report_only.is_none()) {
        let facts = host_with(&[(&product.id, "present")]);
        let host = planned(&facts, &words);
        let own: Vec<&PlannedStep> = host.steps.iter().filter(|step| step.product == product.id).collect();
        assert!(!own.is_empty(), "{}: {:#?}", product.id, host.not_planned);
        let uninstalls =
            own.iter().any(|step| step.commands.iter().any(|command| command.starts_with("msiexec /x {")));
        let by_hand = own.iter().any(|step| step.kind == "manual" && !step.already_so);
        assert!(uninstalls != by_hand, "{}: {own:#?}", product.id);
        let persons = ["kvrt-windows", "scan-engine-windows", "kaspersky-common-windows", "vpn-windows"];
        let unknown =
            host.steps.iter().any(|step| step.product == "kaspersky-common-windows" && step.kind == "manual");
        assert_eq!(
            unknown,
            product.id == "kaspersky-common-windows",
            "{}: `known_programs` has it",
            product.id
        );
        assert!(uninstalls || persons.contains(&product.id.as_str()), "{}: {own:#?}", product.id);
    }
}

#[test]
fn a_service_without_an_uninstall_entry_is_a_persons_job() {
    for (product, name) in [
        ("kes-windows", "AVP.KES.21.19"),
        ("ksws-windows", "KAVFS"),
        ("consumer-windows", "AVP21.26"),
        ("klnagent-windows", "klnagent"),
        ("vpn-windows", "KSDE5.4"),
    ] {
        let mut facts = host_with(&[]);
        facts.services.items.push(service(name, "service"));
        let host = planned(&facts, &[]);
        let step = host.steps.iter().find(|step| step.product == product && step.kind == "manual");
        let step = step.unwrap_or_else(|| panic!("{product}: {host:#?}"));
        assert!(step.instructions.as_deref().is_some_and(|said| said.contains("plan again")), "{product}");
        assert!(commands(&host).is_empty(), "{product}");
    }
}

#[test]
fn a_vault_of_the_consumer_line_stops_its_removal() {
    let mut facts = host_with(&[("consumer-windows", "present")]);
    assert!(gate(&planned(&facts, &[]), "consumer-windows").is_none());
    let program = facts.programs.items.iter_mut().find(|program| program.key.starts_with('{')).unwrap();
    program.name = Some("Kaspersky Total Security".to_owned());
    let host = planned(&facts, &[]);
    let first = gate(&host, "consumer-windows").unwrap();
    assert_eq!(evaluate(first.condition.as_ref().unwrap(), &facts).truth, Truth::False);
    assert!(gate(&planned(&facts, &["secret-vaults"]), "consumer-windows").is_none());
}

/// The data folder of Endpoint Security, left behind.
fn with_kept_data() -> Facts {
    let mut facts = host_with(&[]);
    facts.paths.insert(
        r"%ProgramData%\Kaspersky Lab\KES*".to_owned(),
        complete(vec![folder_at(r"C:\ProgramData\Kaspersky Lab\KES.21.19")]),
    );
    facts
}

#[test]
fn keys_and_quarantine_are_kept_until_a_person_chooses() {
    let told = reason(&planned(&with_kept_data(), &[]), "kes-windows");
    assert_eq!(told, "the rest is removed only by choice: give `--allow kept-data`");
}

#[test]
fn kept_data_goes_by_choice_behind_the_gate_of_encryption() {
    let host = planned(&with_kept_data(), &["kept-data"]);
    assert!(gate(&host, "kes-windows").is_some(), "{:#?}", host.not_planned);
    let removal = host.steps.iter().find(|step| step.kind == "remove_path" && !step.already_so).unwrap();
    assert!(
        removal.commands.iter().any(|command| command.contains(r"C:\ProgramData\Kaspersky Lab\KES.21.19"))
    );
}

#[test]
fn what_is_shared_goes_only_when_it_is_empty() {
    let mut facts = host_with(&[]);
    let folder = r"%ProgramData%\Kaspersky Lab";
    let key = |name: &str| RegistryKey { key: name.to_owned(), values: Vec::new() };
    facts.paths.insert(folder.to_owned(), complete(vec![folder_at(r"C:\ProgramData\Kaspersky Lab")]));
    let parent = r"HKLM\SOFTWARE\KasperskyLab";
    facts
        .registry
        .insert(parent.to_owned(), complete(vec![key(r"HKEY_LOCAL_MACHINE\SOFTWARE\KasperskyLab")]));
    let host = planned(&facts, &[]);
    let run = commands(&host);
    assert_eq!(run[0], format!("rmdir \"{folder}\" <nul"), "{:#?}", host.not_planned);
    assert_eq!(run[2], format!("reg delete \"{parent}\" /f <nul"));
    assert_eq!(run.len(), 3);

    facts
        .paths
        .insert(format!(r"{folder}\*"), complete(vec![folder_at(r"C:\ProgramData\Kaspersky Lab\shared")]));
    let sub = key(r"HKEY_LOCAL_MACHINE\SOFTWARE\KasperskyLab\other");
    facts.registry.insert(format!(r"{parent}\*"), complete(vec![sub]));
    let host = planned(&facts, &[]);
    assert!(commands(&host).is_empty(), "{:#?}", host.steps);
}

/// Whether a step is there for what a residue check finds: one that names the same, or whose effect does.
fn is_seen_to(check: &Check, product: &Product) -> bool {
    product.remove.iter().any(|step| {
        let mut by_effect = false;
        if let Some(effect) = &step.effect {
            effect.each_check(&mut |of_effect| by_effect |= of_effect == check);
        }
        by_effect
            || match (&step.action, check) {
                (Action::RemovePath { path }, Check::Path { path: left, .. }) => path == left,
                (Action::DeleteRegistry { key, value: None }, Check::Registry { key: left, .. }) => {
                    key == left
                }
                (Action::RemoveCertificate { .. }, Check::Certificate { .. }) => true,
                _ => false,
            }
    })
}

#[test]
fn what_is_left_behind_has_a_step_unless_it_is_a_drivers_or_windows_own() {
    let mut unseen = Vec::new();
    for product in &CATALOGUE.products {
        let Some(residue) = &product.residue else { continue };
        residue.each_check(&mut |check| {
            if !is_seen_to(check, product) && !matches!(check, Check::Driver { .. }) {
                unseen.push(check.to_string());
            }
        });
    }
    let told: Vec<&str> = unseen.iter().map(String::as_str).collect();
    assert_eq!(
        told,
        [
            r"path `%SystemRoot%\System32\drivers\K4W-*`",
            r"path `%SystemRoot%\System32\drivers\{klif,kneps,klim6,klhk,klwfp}.sys`",
            // The Security Center's own list: it forgets what is gone by itself.
            r"registry value `DISPLAYNAME` of `HKLM\SOFTWARE\Microsoft\Security Center\Provider\Av\*` with `(?i)kaspersky`",
        ]
    );
}

#[test]
fn a_program_that_is_not_known_here_is_a_persons_job() {
    let facts = host_with(&[("kaspersky-common-windows", "present")]);
    let host = planned(&facts, &[]);
    let step =
        host.steps.iter().find(|step| step.product == "kaspersky-common-windows" && step.kind == "manual");
    assert!(step.is_some_and(|step| !step.already_so), "{host:#?}");
    // Beside one that is known it is that one's, first.
    let facts = host_with(&[("kaspersky-common-windows", "present"), ("kes-windows", "present")]);
    let host = planned(&facts, &[]);
    assert_eq!(host.gone_after, ["kes-windows"], "{:#?}", host.not_planned);
}

#[test]
fn refusals_are_told_from_other_failures() {
    let said = [
        "Product: Kaspersky Endpoint Security -- Incorrect user name or password.",
        "The password is not correct",
        "Error 27xxx. A password is required to remove the application",
        "Das Kennwort ist falsch",
        "Неверный пароль",
        "Self-Defense prevented the removal",
    ];
    let unsaid = [
        "uproot: uninstalls Kaspersky Password Manager 24.0",
        "uproot: uninstalls Kaspersky Endpoint Security for Windows 12.9.0.384",
        "MSI (s) (10:98) [13:22:19:726]: Note: 1: 2265 2:  3: -2147287035",
        "Installation success or error status: 1603.",
    ];
    let mut seen = 0;
    for product in &CATALOGUE.products {
        for step in &product.remove {
            let Action::UninstallProgram { blocked_if: Some(pattern), .. } = &step.action else { continue };
            let regex = pattern.compile().unwrap();
            said.iter().for_each(|line| assert!(regex.is_match(line), "{}: {line}", product.id));
            unsaid.iter().for_each(|line| assert!(!regex.is_match(line), "{}: {line}", product.id));
            seen += 1;
        }
    }
    assert!(seen >= 14, "{seen}");
}

#[test]
fn no_step_touches_a_driver() {
    let is_driver = |name: &str| {
        let lower = name.to_lowercase();
        ["klif", "klhk", "klkbd", "klmou", "kldisk", "klbackup", "klfde", "klfle"]
            .iter()
            .any(|driver| lower.contains(driver))
    };
    let touches = |product: &Product| {
        product.remove.iter().any(|step| match &step.action {
            Action::DeleteService { name } | Action::StopService { name } => is_driver(name),
            Action::RemovePath { path } => is_driver(path.as_str()) || path.as_str().contains(r"\drivers"),
            Action::DeleteRegistry { key, .. } => is_driver(key.as_str()),
            _ => false,
        })
    };
    for product in &CATALOGUE.products {
        assert!(!touches(product), "{}", product.id);
    }
    assert!(Questions::of_playbook(&CATALOGUE).topics.contains(&Topic::Services));
}
