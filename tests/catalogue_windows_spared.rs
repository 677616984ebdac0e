//! What the built-in catalogue leaves alone on Windows: programs that are called like a product and are none, other
//! makers' programs, and what a product, a server or an engine that stays still needs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[allow(dead_code, reason = "the other suites of the catalogue use the rest")]
mod catalogue_support;

use catalogue_support::windows::{
    CATALOGUE, DOCUMENTS, all_words, commands, complete, folder_at, gate, host_with, planned, reason, service,
};
use std::collections::BTreeSet;
use uproot::detect::{ProductRules, evaluate, findings};
use uproot::facts::{Facts, Listing, Program, RegistryKey};
use uproot::model::{ProductState, Truth};

/// An uninstall entry of the machine, under a product code of its own.
fn entry_of(name: &str, publisher: &str) -> Program {
    let mut facts = host_with(&[("kes-windows", "present")]);
    let at = facts.programs.items.iter().position(|program| program.key.starts_with('{')).unwrap();
    let mut program = facts.programs.items.swap_remove(at);
    program.key = "{0000FFFF-0000-4000-8000-00000000FFFF}".to_owned();
    program.name = Some(name.to_owned());
    program.publisher = Some(publisher.to_owned());
    program
}

fn host_that_has(name: &str, publisher: &str) -> Facts {
    let mut facts = host_with(&[]);
    facts.programs.items.push(entry_of(name, publisher));
    facts
}

/// The products that are present, but for the one of everything that is Kaspersky's.
fn present(facts: &Facts) -> Vec<&str> {
    let rules = CATALOGUE.products.iter().map(ProductRules::from);
    let found = findings(rules, facts).into_iter().filter(|one| one.result == ProductState::Present);
    let present: BTreeSet<String> = found.map(|one| one.product).collect();
    let ids = CATALOGUE.products.iter().map(|product| product.id.as_str());
    ids.filter(|id| present.contains(*id) && *id != "kaspersky-common-windows").collect()
}

#[test]
fn a_program_is_taken_for_what_its_whole_name_says() {
    let table = [
        ("Kaspersky Endpoint Security for Windows", "kes-windows"),
        ("Kaspersky Endpoint Security for Windows (12.7)", "kes-windows"),
        ("Kaspersky Endpoint Security 10 for Windows", "kes-windows"),
        ("Kaspersky Endpoint Security 10 Service Pack 2 for Windows", "kes-windows"),
        ("Kaspersky Endpoint Security 11.1.1 для Windows", "kes-windows"),
        ("Kaspersky Endpoint Security für Windows", "kes-windows"),
        ("Kaspersky Small Office Security 21.3", "ksos-windows"),
        ("Kaspersky Security for Windows Server", "ksws-windows"),
        ("Kaspersky Security 10.1.2 для Windows Server", "ksws-windows"),
        ("Kaspersky Embedded Systems Security 3.2", "kess-windows"),
        ("Kaspersky Embedded Systems Security for Windows", "kess-windows"),
        ("Kaspersky Industrial CyberSecurity for Nodes 4.0", "kics-windows"),
        ("Kaspersky Endpoint Agent 3.16", "kea-windows"),
        ("Kaspersky Security Center Network Agent", "klnagent-windows"),
        ("Kaspersky Security Center 10 Network Agent", "klnagent-windows"),
        ("Agente de red de Kaspersky Security Center", "klnagent-windows"),
        ("Агент администрирования Kaspersky Security Center", "klnagent-windows"),
        ("Kaspersky Security Center 14.2 Administration Server", "ksc-windows"),
        ("Kaspersky Security Center Administration Console", "ksc-console-windows"),
        ("Kaspersky Anti-Virus", "consumer-windows"),
        ("Kaspersky Anti-Virus 6.0", "consumer-windows"),
        ("Kaspersky Internet Security 2019", "consumer-windows"),
        ("Kaspersky Total Security - Multi-Device", "consumer-windows"),
        ("Kaspersky PURE 3.0", "consumer-windows"),
        ("Kaspersky Security Cloud Free", "consumer-windows"),
        ("Kaspersky Premium", "consumer-windows"),
        ("Kaspersky VPN Secure Connection", "vpn-windows"),
        ("Kaspersky Secure Connection 5.0", "vpn-windows"),
        ("Kaspersky Anti-Virus 6.0 for Windows Workstations MP4", "kav-business-windows"),
        ("Kaspersky Anti-Virus 6.0 for Windows File Servers", "kav-business-windows"),
        ("Kaspersky Anti-Virus 8.0 for Windows Servers Enterprise Edition", "kav-business-windows"),
        ("Антивирус Касперского 8.0 для Windows Servers Enterprise Edition", "kav-business-windows"),
        ("Kaspersky Endpoint Security 11 for Windows Management Plug-in", "ksc-plug-ins-windows"),
        ("Kaspersky Endpoint Security for Windows 11.1 Plug-in 11.1", "ksc-plug-ins-windows"),
        ("Kaspersky Endpoint Security Management Plug-in for Windows", "ksc-plug-ins-windows"),
        ("Kaspersky Endpoint Security for Linux plugin", "ksc-plug-ins-windows"),
        ("Плагин управления Kaspersky Endpoint Security для Windows", "ksc-plug-ins-windows"),
        ("Kaspersky Security 11 for Windows Server Administration Tools", "ksc-plug-ins-windows"),
        ("Kaspersky Security 11 for Windows Server Console", "ksc-plug-ins-windows"),
        ("Kaspersky Embedded Systems Security 3.2 Administration Plug-in", "ksc-plug-ins-windows"),
        ("Kaspersky Embedded Systems Security Console", "ksc-plug-ins-windows"),
        ("Kaspersky Industrial CyberSecurity for Nodes Administration Plug-in", "ksc-plug-ins-windows"),
        ("Kaspersky Endpoint Agent Management Plug-in for Kaspersky Security Center", "ksc-plug-ins-windows"),
        ("Kaspersky Anti-Virus 6.0 for Windows Workstations Administration Plug-in", "ksc-plug-ins-windows"),
        ("Kaspersky Security Center Network Agent plug-in", "ksc-plug-ins-windows"),
        // Other products, and names that are not known: a person's.
        ("Kaspersky Industrial CyberSecurity for Networks", ""),
        ("Kaspersky Security 9.0 for Microsoft Exchange Servers", ""),
        ("Kaspersky Anti-Virus for Storage", ""),
        ("Kaspersky Endpoint Security 未知 Windows", ""),
        ("Kaspersky Standard Toolbox", ""),
    ];
    for (name, product) in table {
        let facts = host_that_has(name, "AO Kaspersky Lab");
        let wanted: Vec<&str> = Some(product).filter(|id| !id.is_empty()).into_iter().collect();
        assert_eq!(present(&facts), wanted, "{name}");
        let words = all_words();
        let host = planned(&facts, &words.iter().map(String::as_str).collect::<Vec<_>>());
        let uninstalls = commands(&host).iter().filter(|one| one.starts_with("msiexec /x")).count();
        assert_eq!(uninstalls, wanted.len(), "{name}: {host:#?}");
        let persons = host.steps.iter().any(|step| step.kind == "manual" && !step.already_so);
        assert_eq!(persons, wanted.is_empty(), "{name}: {host:#?}");
    }
}

#[test]
fn a_management_plug_in_stays_when_the_product_goes() {
    let mut facts = host_with(&[("kes-windows", "present"), ("ksws-windows", "present")]);
    let name = "Kaspersky Endpoint Security 11 for Windows Management Plug-in";
    facts.programs.items.push(entry_of(name, "AO Kaspersky Lab"));
    let host = planned(&facts, &["kept-data"]);
    assert_eq!(host.gone_after, ["kes-windows", "ksws-windows"], "{:#?}", host.not_planned);
    assert!(!commands(&host).iter().any(|command| command.contains("0000FFFF")), "{:#?}", host.steps);
    assert!(reason(&host, "ksc-plug-ins-windows").contains("--allow administration-server"));
}

#[test]
fn a_name_alone_makes_no_program_the_vendors() {
    let names = [
        "Monitoring Agent for Kaspersky Security Center",
        "Agent for Kaspersky Security Center",
        "Kaspersky Security Center Network Agent",
        "Kaspersky Endpoint Security for Windows",
        "Kaspersky Endpoint Agent",
        "Kaspersky Security Center Web Console",
        "Kaspersky Endpoint Security Plug-in",
        "Kaspersky Safe Kids",
    ];
    for name in names {
        let facts = host_that_has(name, "Another Maker");
        assert_eq!(present(&facts), Vec::<&str>::new(), "{name}");
        let words = all_words();
        let host = planned(&facts, &words.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(commands(&host), Vec::<String>::new(), "{name}");
    }
}

fn key_left(key: &str) -> Listing<RegistryKey> {
    complete(vec![RegistryKey { key: key.replace("HKLM", "HKEY_LOCAL_MACHINE"), values: Vec::new() }])
}

/// Which of what was left is removed, of all products.
fn removals(facts: &Facts, words: &[&str]) -> Vec<String> {
    let kinds = ["remove_path", "delete_registry", "remove_certificate"];
    let host = planned(facts, words);
    let steps = host.steps.into_iter().filter(|step| kinds.contains(&step.kind.as_str()) && !step.already_so);
    steps.map(|step| step.id).collect()
}

/// A host without Kaspersky's programs on which these asked paths and keys showed something.
fn leavings(paths: &[(&str, &str)], keys: &[(&str, &str)]) -> Facts {
    let mut facts = host_with(&[]);
    for (asked, path) in paths {
        assert!(facts.paths.contains_key(*asked), "nothing asks for {asked}");
        facts.paths.insert((*asked).to_owned(), complete(vec![folder_at(path)]));
    }
    for (asked, key) in keys {
        assert!(facts.registry.contains_key(*asked), "nothing asks for {asked}");
        facts.registry.insert((*asked).to_owned(), key_left(key));
    }
    facts
}

fn leavings_of_the_consumer_line() -> Facts {
    leavings(
        &[(r"%ProgramData%\Kaspersky Lab\AVP[0-9]*", r"C:\ProgramData\Kaspersky Lab\AVP21.25")],
        &[(
            r"HKLM\SOFTWARE\WOW6432Node\KasperskyLab\AVP[0-9]*",
            r"HKLM\SOFTWARE\WOW6432Node\KasperskyLab\AVP21.25",
        )],
    )
}

#[test]
fn leavings_of_the_consumer_line_go_only_without_its_entry_and_its_service() {
    let words = ["kept-data", "secret-vaults"];
    assert_eq!(removals(&leavings_of_the_consumer_line(), &words).len(), 2);
    for name in ["Kaspersky", "Kaspersky Premium", "Kaspersky Total Security Beta", "Kaspersky Standard (x)"]
    {
        let mut facts = leavings_of_the_consumer_line();
        facts.programs.items.push(entry_of(name, "Kaspersky"));
        assert_eq!(removals(&facts, &words), Vec::<String>::new(), "{name}");
    }
    for name in ["AVP21.25", "AVP"] {
        let mut facts = leavings_of_the_consumer_line();
        facts.services.items.push(service(name, "service"));
        assert_eq!(removals(&facts, &words), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_service_of_small_office_security_is_not_the_consumer_lines() {
    let mut facts = host_with(&[("ksos-windows", "present")]);
    facts.services.items.push(service("AVP21.3", "service"));
    assert_eq!(present(&facts), ["ksos-windows"]);
}

#[test]
fn what_an_administration_server_keeps_is_kept() {
    let adminkit = r"%ProgramData%\KasperskyLab\adminkit";
    let facts = leavings(&[(adminkit, r"C:\ProgramData\KasperskyLab\adminkit")], &[]);
    let told = reason(&planned(&facts, &[]), "klnagent-windows");
    assert_eq!(told, "the rest is removed only by choice: give `--allow kept-data`");
    assert_eq!(removals(&facts, &["kept-data"]).len(), 1);
    for name in ["Kaspersky Security Center 14.2 Administration Server", "Сервер Kaspersky Security Center"]
    {
        let mut facts = facts.clone();
        facts.programs.items.push(entry_of(name, "AO Kaspersky Lab"));
        assert_eq!(removals(&facts, &["kept-data"]), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_servers_folder_goes_only_when_nothing_of_it_is_left() {
    let folder = r"%ProgramFiles(x86)%\Kaspersky Lab\Kaspersky Security Center";
    let facts = leavings(&[(folder, r"C:\Program Files (x86)\Kaspersky Lab\Kaspersky Security Center")], &[]);
    assert_eq!(
        removals(&facts, &["administration-server"]),
        Vec::<String>::new(),
        "its packages are kept data"
    );
    let words = ["administration-server", "kept-data"];
    assert_eq!(removals(&facts, &words).len(), 1);
    let mut served = facts.clone();
    served.services.items.push(service("kladminserver", "service"));
    assert_eq!(removals(&served, &words), Vec::<String>::new());
    for name in ["Сервер администрирования Kaspersky Security Center", "Kaspersky Endpoint Security Plug-in"]
    {
        let mut facts = facts.clone();
        facts.programs.items.push(entry_of(name, "AO Kaspersky Lab"));
        assert_eq!(removals(&facts, &words), Vec::<String>::new(), "{name}");
    }
}

/// What all products share, left behind: a registry key and the certificate.
fn shared_leavings() -> Facts {
    let asked = r"HKLM\SOFTWARE\WOW6432Node\KasperskyLab\{Components,protected,WmiHlp}";
    let key = r"HKLM\SOFTWARE\WOW6432Node\KasperskyLab\protected";
    let parent = r"HKLM\SOFTWARE\WOW6432Node\KasperskyLab";
    let mut facts = leavings(&[], &[(asked, key), (parent, parent)]);
    let all = |id: &str| DOCUMENTS.iter().find(|(of, is, _)| of == id && is == "residue").unwrap().2.clone();
    facts.certificates = all("kaspersky-common-windows").certificates;
    let store = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\SystemCertificates\ROOT\Certificates";
    for certificate in &mut facts.certificates.items {
        certificate.file = format!(r"{store}\1EAC5410000000000000000000000000000000AA");
    }
    facts
}

#[test]
fn what_is_shared_stays_while_an_engine_in_anothers_product_may_need_it() {
    let facts = shared_leavings();
    let gone = removals(&facts, &[]);
    assert_eq!(gone.len(), 2, "the certificate and the key: {:#?}", planned(&facts, &[]));
    for (name, kind) in [
        ("klifsdk", "driver"),
        ("klupd_klifsdk_arkmon", "driver"),
        ("klif", "driver"),
        ("kl1", "driver"),
        ("klfdefsf", "driver"),
        ("klvfs", "driver"),
        ("AVP", "service"),
        ("KAVFS", "service"),
        ("kavhttpd", "service"),
    ] {
        let mut facts = facts.clone();
        facts.services.items.push(service(name, kind));
        assert_eq!(removals(&facts, &[]), Vec::<String>::new(), "{name}");
    }
    let mut scanned = facts.clone();
    let mut process = scanned.processes.items[0].clone();
    process.name = "kavehost.exe".to_owned();
    scanned.processes.items.push(process);
    assert_eq!(removals(&scanned, &[]), Vec::<String>::new());
    // Nor while an entry without a publisher bears the name.
    let mut named = facts;
    let mut program = entry_of("Kaspersky Tool", "");
    program.publisher = None;
    named.programs.items.push(program);
    assert_eq!(removals(&named, &[]), Vec::<String>::new());
}

#[test]
fn an_encryption_driver_stops_the_leavings_of_endpoint_security_too() {
    let asked = r"HKLM\SOFTWARE\WOW6432Node\KasperskyLab\protected\KES";
    let mut facts = leavings(&[], &[(asked, asked)]);
    let rule = |facts: &Facts| {
        let host = planned(facts, &[]);
        assert_eq!(host.gone_after, ["kes-windows"], "{:#?}", host.not_planned);
        gate(&host, "kes-windows").map(|gate| evaluate(gate.condition.as_ref().unwrap(), facts).truth)
    };
    assert_eq!(rule(&facts), None, "nothing of it is left to decrypt");
    facts.services.items.push(service("klfdefsf", "driver"));
    assert_eq!(rule(&facts), Some(Truth::False), "the host is blocked first");
}

#[test]
fn what_manages_an_industrial_host_goes_only_behind_its_product() {
    let products = ["kea-windows", "klnagent-windows"];
    let facts = host_with(&[
        ("kics-windows", "present"),
        ("kea-windows", "present"),
        ("klnagent-windows", "present"),
    ]);
    let host = planned(&facts, &[]);
    for product in products {
        let first = host.steps.iter().find(|step| step.product == product).unwrap();
        assert_eq!(first.kind, "require", "{product}");
        let rule = first.condition.as_ref().unwrap();
        assert_eq!(evaluate(rule, &facts).truth, Truth::False, "{product}: the host is blocked");
        let mut without = facts.clone();
        let named = |name: &Option<String>| name.as_deref().is_some_and(|name| name.contains("Industrial"));
        without.programs.items.retain(|program| !named(&program.name));
        assert_eq!(evaluate(rule, &without).truth, Truth::True, "{product}: once it is gone");
    }
    let host = planned(&facts, &["industrial-hosts"]);
    assert_eq!(host.gone_after, ["kics-windows", "kea-windows", "klnagent-windows"]);
    // A plug-in on an administrator's computer is no such host.
    let mut facts = host_with(&[("klnagent-windows", "present")]);
    let name = "Kaspersky Industrial CyberSecurity for Nodes 4.0 Administration Plug-in";
    facts.programs.items.push(entry_of(name, "AO Kaspersky Lab"));
    assert!(gate(&planned(&facts, &[]), "klnagent-windows").is_none());
}

#[test]
fn leavings_of_endpoint_security_stay_while_its_service_is_there() {
    let asked = r"HKLM\SOFTWARE\WOW6432Node\KasperskyLab\protected\KES";
    for name in ["AVP.KES.21.19", "avpsus.KES.21.19", "AVP"] {
        let mut facts = leavings(&[], &[(asked, asked)]);
        facts.services.items.push(service(name, "service"));
        assert_eq!(removals(&facts, &["kept-data"]), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn event_logs_that_a_sibling_still_writes_stay() {
    let asked = r"%SystemRoot%\System32\winevt\Logs\Kaspersky-Security-*.evtx";
    let log = r"C:\Windows\System32\winevt\Logs\Kaspersky-Security-1.evtx";
    let facts = leavings(&[(asked, log)], &[]);
    assert_eq!(removals(&facts, &["kept-data"]).len(), 1);
    for name in ["Kaspersky Embedded Systems Security", "Kaspersky Industrial CyberSecurity for Nodes"] {
        let mut facts = facts.clone();
        facts.programs.items.push(entry_of(name, "AO Kaspersky Lab"));
        assert_eq!(removals(&facts, &["kept-data"]), Vec::<String>::new(), "{name}");
    }
}
