use super::*;
use crate::model::{Platform, ProductClass, SecretSource};
use std::path::Path;
use std::time::Duration;

struct NoIncludes;

impl IncludeLoader for NoIncludes {
    fn identity(&self, name: &str) -> String {
        name.to_owned()
    }

    fn load(&self, _: &str, _: &str) -> Result<Included, String> {
        Err("nothing is included here".to_owned())
    }
}

fn everything() -> Loaded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/playbooks/good/everything.yml");
    read(&path).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn parsed(text: &str) -> Loaded {
    parse("a.yml", text, &NoIncludes).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn product(body: &str) -> Loaded {
    parsed(&format!(
        "uproot: 1\nproducts:\n  - id: p\n    name: P\n    platforms: [linux]\n    sources: [x]\n{body}"
    ))
}

fn warnings(loaded: &Loaded) -> Vec<String> {
    loaded.diagnostics.list.iter().map(|diagnostic| diagnostic.message.clone()).collect()
}

#[test]
fn every_key_reaches_the_model() {
    let playbook = everything().playbook;
    assert_eq!(playbook.name, "Everything");
    let ids: Vec<&str> = playbook.products.iter().map(|product| product.id.as_str()).collect();
    assert_eq!(ids, ["agent", "suite", "suite-windows", "appliance"], "includes first");
    let suite = playbook.product("suite").unwrap();
    assert_eq!(suite.settle, Duration::from_secs(180), "from a variable");
    assert_eq!(
        (suite.opt_in.as_deref(), suite.after.as_slice()),
        (Some("suite-data"), &["agent".to_owned()][..])
    );
    assert_eq!(suite.vendor.as_deref(), Some("A vendor"));
    assert!(matches!(&suite.version, Some(VersionSource::File { .. })));
    let agent = playbook.product("agent").unwrap();
    let Rule::Check(Check::Path { path, .. }) = &agent.detect else { panic!("{:?}", agent.detect) };
    assert_eq!(path.as_str(), "/opt/vendor/agent", "the including file's variable wins");
    let reason = playbook.product("appliance").unwrap().report_only.as_deref();
    assert_eq!(reason, Some("the whole machine is the product; retire it instead"));
    assert_eq!(playbook.product("appliance").unwrap().class, ProductClass::Embedded);
    assert_eq!(suite.class, ProductClass::Product, "where nothing is said");
    let optional: Vec<(&str, bool)> =
        playbook.secrets.iter().map(|s| (s.name.as_str(), s.optional)).collect();
    assert_eq!(optional, [("password", true), ("token", false), ("ticket", false), ("answer", false)]);
    assert_eq!(playbook.secrets[0].source, SecretSource::Env("SUITE_PASSWORD".into()));
    assert_eq!(playbook.product("suite-windows").unwrap().platforms, [Platform::Windows, Platform::Macos]);
}

#[test]
fn lists_and_short_forms_are_spelt_out() {
    let playbook = everything().playbook;
    let suite = playbook.product("suite").unwrap();
    let Rule::Any(rules) = &suite.detect else { panic!() };
    let package =
        |name: &str| Rule::Check(Check::Package { name: Pattern::new(name), version: None, state: None });
    assert_eq!(rules[0], package("suite"));
    assert_eq!(
        rules[1..3],
        [package("suite-core"), package("suite-*")],
        "a list in `any` is no level of its own"
    );
    let stops: Vec<&str> = suite
        .remove
        .iter()
        .filter_map(|step| match &step.action {
            Action::StopService { name } => Some(name.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(stops, ["suited", "suite-helper"]);
    let trees: Vec<(&str, bool)> = suite
        .remove
        .iter()
        .filter_map(|step| match &step.action {
            Action::RemovePath { path } => Some((path.as_str(), step.when.is_some())),
            _ => None,
        })
        .collect();
    assert_eq!(trees, [("/var/opt/suite", false), ("/opt/vendor/suite", true), ("/etc/suite.d", true)]);
    let waits: Vec<Option<Duration>> = suite
        .remove
        .iter()
        .filter(|step| matches!(step.action, Action::WaitFor { .. }))
        .map(|step| step.timeout)
        .collect();
    assert_eq!(waits, [Some(Duration::from_secs(300)), Some(Duration::from_secs(5400))], "beside and inside");
    let Some(Action::Run { accept, reboot_codes, retry_on, env, stdin, .. }) =
        suite.remove.iter().map(|step| &step.action).find(|action| matches!(action, Action::Run { .. }))
    else {
        panic!()
    };
    assert_eq!(
        (accept.as_slice(), reboot_codes.as_slice(), retry_on.as_slice()),
        (&[0, 3][..], &[3010][..], &[75][..])
    );
    assert_eq!((env.len(), env["TOKEN"].name.as_str(), stdin.as_deref()), (3, "token", Some("answer")));
}

#[test]
fn files_of_a_step_are_beside_the_playbook() {
    let playbook = everything().playbook;
    let steps = playbook.products.iter().flat_map(|product| &product.remove);
    let files: Vec<_> = steps
        .flat_map(|step| match &step.action {
            Action::Run { uploads, .. } => uploads.as_slice(),
            _ => &[],
        })
        .map(|upload| (upload.name.clone(), upload.source.clone(), upload.sha256.len()))
        .collect();
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/playbooks/good");
    assert_eq!(
        files,
        [
            ("cleaner.sh".to_owned(), beside.join("tools/cleaner.sh"), 64),
            ("answers.ini".to_owned(), beside.join("answers.ini"), 64)
        ]
    );
    let shown = explain(playbook.product("suite").unwrap());
    assert!(shown.contains("with the files `cleaner.sh`, `answers.ini`"), "{shown}");
}

#[test]
fn waves_reach_the_model() {
    let playbook = everything().playbook;
    let waves: Vec<_> =
        playbook.waves.iter().map(|w| (w.name.as_str(), w.hosts.clone(), w.max_failures)).collect();
    assert_eq!(waves[0], ("canary", WaveHosts::Pattern("canary".into()), Budget::Count(0)));
    assert_eq!(waves[1], ("early", WaveHosts::First(Budget::Count(10)), Budget::Percent(500)));
    assert_eq!(waves[2].2, Budget::Percent(250));
}

#[test]
fn gates_of_waves_and_the_policy_reach_the_model() {
    let playbook = everything().playbook;
    let gates: Vec<_> = playbook
        .waves
        .iter()
        .map(|wave| (wave.soak.as_secs(), wave.approve, wave.window.as_ref().map(ToString::to_string)))
        .collect();
    let window = Some("Mon..Thu 22:00-05:00 America/New_York".to_owned());
    assert_eq!(gates, [(1800, false, None), (0, false, None), (0, true, window)]);
    assert_eq!(playbook.policy.reboot, RebootPolicy::IfNeeded);
    let service = Check::Service { name: Pattern::new("mdatp"), running: None };
    assert_eq!(playbook.policy.require_protection, Some(Rule::Any(vec![Rule::Check(service)])));
    let reboots = playbook.product("suite").unwrap().remove.iter().filter_map(|step| {
        let Action::Reboot { reason } = &step.action else { return None };
        Some((reason.as_deref(), step.when.is_some()))
    });
    assert_eq!(reboots.collect::<Vec<_>>(), [(Some("the driver is loaded"), false), (None, true)]);
}

/// The waves of a playbook.
fn waves_of(waves: &str) -> Result<Loaded, String> {
    let text = format!("uproot: 1\nwaves:\n{waves}");
    parse("a.yml", &text, &NoIncludes).map_err(|wrong| wrong.render())
}

#[test]
fn a_first_wave_is_a_number_or_a_share_and_never_nobody() {
    let first = |text: &str| waves_of(&format!("  - {{ name: a, first: {text} }}\n"));
    let hosts = |text: &str| first(text).unwrap().playbook.waves.remove(0).hosts;
    assert_eq!(hosts("3"), WaveHosts::First(Budget::Count(3)));
    assert_eq!(hosts("2.5%"), WaveHosts::First(Budget::Percent(250)));
    let none = "neither a number of hosts nor a percentage";
    for (wrong, message) in [
        ("0", "a wave of no host"),
        ("0%", "a wave of no host"),
        ("0.00%", "a wave of no host"),
        ("-1", none),
        ("101%", none),
    ] {
        let shown = first(wrong).unwrap_err();
        assert!(shown.contains("a.yml:3:23") && shown.contains(message), "{shown}");
    }
}

#[test]
fn a_window_that_is_none_is_told_with_what_is_wrong_and_the_right_form() {
    for (window, reason) in [
        ("nights", "expected days, times and a time zone"),
        ("Mon 22:00-05:00 Europe/Nowhere", "there is no time zone `Europe/Nowhere`"),
        ("Mon 22:00-24:00 UTC", "`24:00` is not a time"),
        ("Mo 22:00-05:00 UTC", "`Mo` is not a day"),
    ] {
        let shown = waves_of(&format!("  - {{ name: a, hosts: all, window: {window} }}\n")).unwrap_err();
        assert!(shown.contains(&format!("`{window}` is not a window: {reason}")), "{shown}");
        assert!(shown.contains("a.yml:3:36"), "{shown}");
        assert!(shown.contains("help: write it like `Mon..Thu 22:00-05:00 Europe/Berlin`"), "{shown}");
    }
}

#[test]
fn a_reboot_step_needs_a_policy_that_lets_it() {
    let body =
        "    detect: { package: p }\n    remove:\n      - remove_package: p\n      - reboot: a driver\n";
    let text = format!(
        "uproot: 1\nproducts:\n  - id: p\n    name: P\n    platforms: [linux]\n    sources: [x]\n{body}"
    );
    let with = |policy: &str| parse("a.yml", &format!("{text}{policy}"), &NoIncludes);
    assert!(with("policy: { reboot: if-needed }\n").is_ok());
    for (policy, word) in [
        ("", "never"),
        ("policy: { reboot: never }\n", "never"),
        ("policy: { reboot: pending-is-ok }\n", "pending-is-ok"),
    ] {
        let shown = with(policy).unwrap_err().render();
        let expected = format!("step `reboot` of product `p` contradicts the policy `reboot: {word}`");
        assert!(shown.contains(&expected) && shown.contains("a.yml:10:9"), "{shown}");
        assert!(shown.contains("help: write `policy: { reboot: if-needed }`"), "{shown}");
    }
    let shown = with("policy: { reboot: sometimes }\n").unwrap_err().render();
    assert!(!shown.contains("contradicts"), "one mistake is one message:\n{shown}");
}

#[test]
fn the_digest_is_of_what_is_asked_and_done() {
    let body = "    detect: { package: p }\n    remove:\n      - remove_package: p\n";
    let digest = |body: &str| product(body).playbook.digest;
    let plain = digest(body);
    assert_eq!(plain, digest(&format!("# moved down\n\n{body}")));
    assert_eq!(
        plain,
        digest("    detect: { package: { name: p } }\n    remove: [ { remove_package: [p] } ]\n")
    );
    for other in [
        body.replace("package: p }", "package: q }"),
        body.replace("remove_package: p", "remove_package: q"),
        format!("{body}        timeout: 1m\n"),
        format!("{body}        when: {{ package: p }}\n"),
        format!("{body}    settle: 61s\n"),
        format!("{body}    opt_in: yes-please\n"),
        format!("{body}    class: embedded\n"),
        format!("{body}policy: {{ reboot: if-needed }}\n"),
        format!("{body}policy: {{ require_protection: {{ service: mdatp }} }}\n"),
    ] {
        assert_ne!(plain, digest(&other), "{other}");
    }
    let reboot =
        |reason: &str| digest(&format!("{body}      - reboot{reason}\npolicy: {{ reboot: if-needed }}\n"));
    assert_ne!(reboot(": a driver"), reboot(": {}"));
    let mut waves: Vec<String> = ["", ", soak: 1m", ", approve: true", ", window: \"Mon 22:00-05:00 UTC\""]
        .iter()
        .map(|more| format!("  - {{ name: a, first: 1{more} }}\n"))
        .chain(["  - { name: a, first: 1% }\n".to_owned()])
        .map(|waves| waves_of(&waves).unwrap().playbook.digest)
        .collect();
    waves.sort();
    waves.dedup();
    assert_eq!(waves.len(), 5);
}

#[test]
fn lint_tells_of_waves_that_do_not_wait_as_meant() {
    let wave = |name: &str, more: &str| format!("  - {{ name: {name}, hosts: all{more} }}\n");
    let night = ", window: \"Mon..Fri 22:00-05:00 UTC\"";
    let told = |soak: &str| {
        let waves =
            wave("one", &format!(", soak: {soak}")) + &wave("two", night) + &wave("three", ", soak: 1h");
        warnings(&waves_of(&waves).unwrap())
    };
    let last = "`soak` of wave `three` holds nothing back";
    assert_eq!(told("7h"), [last]);
    let over = "wave `two` begins 7h1s after the end of wave `one`, and its window is open for 7h";
    assert_eq!(told("7h1s"), [over, last]);
}

#[test]
fn lint_tells_of_protection_that_is_removed() {
    let told = |rule: &str| {
        let body = "    detect: { any: [ { package: \"p{,-gui}\" }, { service: pd }, { path: /opt/p/bin/** } ] }\n    remove: [ { remove_package: p } ]\n";
        warnings(&product(&format!("{body}policy: {{ require_protection: {rule} }}\n")))
    };
    for rule in [
        "{ package: p-gui }",
        "{ any: [ { service: mdatp }, { service: { name: pd, running: true } } ] }",
        "{ path: /opt/p/bin/scan }",
    ] {
        let told = told(rule);
        assert_eq!(told.len(), 1, "{rule}: {told:?}");
        assert!(told[0].starts_with("`require_protection` counts on "), "{told:?}");
    }
    for rule in
        ["{ service: mdatp }", "{ package: pd }", "{ all: [ { service: mdatp }, { not: { service: pd } } ] }"]
    {
        assert!(told(rule).is_empty(), "{rule}");
    }
}

#[test]
fn lint_tells_what_was_probably_not_meant() {
    let loaded = parsed(
        "uproot: 1\nsecrets: { unused: { env: X } }\nproducts:\n  - id: a\n    name: A\n    platforms: [linux, macos]\n    detect: { package: ksc }\n\
         \x20   remove:\n      - run: rm -rf /opt/a\n      - remove_path: /opt/kaspersky/a*\n    settle: 0\n\
         \x20 - id: b\n    name: B\n    platforms: [linux]\n    sources: [x]\n    detect: { package: ksc }\n",
    );
    assert_eq!(
        warnings(&loaded),
        [
            "secret `unused` is never used",
            "product `a` can never be found on macos",
            "product `a` counts as confirmed and has no sources",
            "product `a` is judged at once after its last step",
            "product `a` is recognised by `ksc` alone",
            "this `run` has no effect to check",
            "this `run` removes a tree by itself",
            "`/opt/kaspersky/a*` could reach what others installed",
            "product `b` has no steps and is not report_only",
            "product `b` is recognised by `ksc` alone",
            "product `b` is recognised exactly as product `a` is",
        ]
    );
    assert!(!loaded.diagnostics.has_errors());
    assert!(loaded.diagnostics.list.iter().all(|warning| warning.help.is_some() && warning.place.is_some()));
}

#[test]
fn lint_knows_the_components_of_windows_paths() {
    let told = |path: &str| {
        let text = format!(
            "uproot: 1\nproducts:\n  - id: a\n    name: A\n    platforms: [windows]\n    confirmed: false\n\
             \x20   detect: {{ program: Suite }}\n    remove: [ {{ remove_path: '{path}' }} ]\n"
        );
        warnings(&parsed(&text))
    };
    for path in [r"%ProgramData%\Kaspersky Lab\a*", r"C:\Suite Of Us\*x"] {
        assert_eq!(told(path), [format!("`{path}` could reach what others installed")], "{path}");
    }
    for path in [r"%ProgramData%\Kaspersky Lab\KES*", r"%SystemDrive%\Users\*\AppData\Local\Suite"] {
        assert!(told(path).is_empty(), "{path}: {:?}", told(path));
    }
}

#[test]
fn what_a_person_chooses_or_vouches_for_is_a_word() {
    let body = "    detect: { package: p }\n    opt_in: server\n    remove:\n\
                \x20     - require: { rule: { path: /x }, waived_by: vouched }\n\
                \x20     - remove_path: { path: /opt/kaspersky/p, opt_in: data }\n";
    let playbook = product(body).playbook;
    let choices: Vec<&str> = playbook.products[0].choices().collect();
    assert_eq!(choices, ["server", "data", "vouched"]);
    let text = explain(&playbook.products[0]);
    assert!(
        text.contains("or with `--allow vouched`") && text.contains("(only with `--allow data`)"),
        "{text}"
    );
    let body =
        "    detect: { package: p }\n    remove: [ { require: { rule: { path: /x } }, opt_in: data } ]\n";
    let text = format!("uproot: 1\nproducts:\n  - id: a\n    name: A\n    platforms: [linux]\n{body}");
    let wrong = parse("a.yml", &text, &NoIncludes).unwrap_err();
    assert!(wrong.list.iter().any(|error| error.message == "`require` has an `opt_in`"), "{wrong}");
}

#[test]
fn lint_is_silent_where_all_is_well() {
    for body in [
        "    detect: { all: [ { package: ksc }, { path: /opt/kaspersky/ksc } ] }\n    report_only: a reason\n",
        "    detect: { package: p }\n    remove: [ { run: { command: rm -f /etc/p.conf, effect: { not: { path: /etc/p.conf } } } } ]\n",
        "    detect: { any: [ { program: X }, { package: p } ] }\n    report_only: x\n",
    ] {
        let body = body.replace("{ program: X }, ", "");
        assert_eq!(warnings(&product(&body)), Vec::<String>::new(), "{body}");
    }
}

#[test]
fn explains_in_words() {
    let playbook = everything().playbook;
    let text = explain(playbook.product("suite").unwrap());
    for words in [
        "The suite (suite)\n  vendor: A vendor\n  platforms: linux\n",
        "- there is package `suite` >=11.0, <13 wholly installed",
        "- there is no operating system `alpine`",
        "(only with `--allow suite-data`) (after agent)",
        "remove the packages `suite-gui`, `suite` in one transaction, with their configuration (at most 10m)",
        "run `suite-control --uninstall`, given the secret answer, password, ticket, token",
        "wait until there is no process `suited`",
        "reboot the host and wait until it is up again: the driver is loaded\n",
        "Sources\n  https://vendor.example/remove\n",
    ] {
        assert!(text.contains(words), "{words:?} is missing in\n{text}");
    }
    let appliance = explain(playbook.product("appliance").unwrap());
    assert!(
        appliance.contains("never removed: the whole machine is the product")
            && appliance.contains("Not confirmed")
            && appliance.contains("  class: embedded\n")
    );
    assert!(!text.contains("class"), "of a product of the vendor's own nothing is said");
}

#[test]
fn the_classes_of_the_language_are_those_of_the_model() {
    let words: Vec<&str> = ProductClass::ALL.iter().map(|class| class.word()).collect();
    assert_eq!(super::keys::CLASSES, words);
    for class in ProductClass::ALL {
        let text = format!("    class: {}\n    detect: {{ package: p }}\n    report_only: x\n", class.word());
        assert_eq!(product(&text).playbook.products[0].class, class);
    }
    let text = "uproot: 1\nproducts:\n  - { id: p, name: P, platforms: [linux], class: embeded, detect: { package: p } }\n";
    let wrong = parse("a.yml", text, &NoIncludes).unwrap_err().render();
    assert!(wrong.contains("a.yml:3:") && wrong.contains("did you mean `embedded`?"), "{wrong}");
}

#[test]
fn a_file_included_twice_is_read_once() {
    struct Same;
    impl IncludeLoader for Same {
        fn identity(&self, name: &str) -> String {
            name.to_owned()
        }
        fn load(&self, _: &str, include: &str) -> Result<Included, String> {
            let text = "uproot: 1\nproducts: []\n".to_owned();
            Ok(Included { name: include.to_owned(), identity: "one".to_owned(), text })
        }
    }
    let loaded = parse("a.yml", "uproot: 1\ninclude: [b.yml, ./b.yml]\n", &Same).unwrap();
    assert_eq!(warnings(&loaded), ["`./b.yml` is included twice"]);
}

#[test]
fn includes_are_named_as_a_person_would() {
    let join = |from: &str, include: &str| read::join(from, include).display().to_string();
    assert_eq!(join("a.yml", "b/c.yml"), "b/c.yml");
    assert_eq!(join("x/a.yml", "./b.yml"), "x/b.yml");
    assert_eq!(join("x/y/a.yml", "../b.yml"), "x/b.yml");
    assert_eq!(join("a.yml", "../b.yml"), "../b.yml");
    assert_eq!(join("../a.yml", "../b.yml"), "../../b.yml");
}

#[test]
fn files_that_are_none_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let binary = directory.path().join("binary.yml");
    std::fs::write(&binary, b"uproot: 1\nname: \xff\n").unwrap();
    for (path, words) in [
        (directory.path().join("missing.yml"), "there is no such file"),
        (directory.path().to_owned(), "it is a directory"),
        (binary, "it is not UTF-8 (line 2)"),
        (Path::new("/dev/zero").to_owned(), "it is not a regular file"),
    ] {
        let shown = read(&path).unwrap_err().render();
        assert!(shown.contains(words) && shown.contains("help: "), "{shown}");
    }
}

#[test]
fn names_are_written_as_hosts_list_them() {
    let loaded = product(
        "    detect:\n      any:\n        - service: kesl.service\n        - path: /opt/p/\n        - kernel_module: p-flt\n    remove:\n      - stop_service: p.service\n      - remove_path: /opt/p/\n",
    );
    let shown = explain(&loaded.playbook.products[0]);
    for words in [
        "service `kesl`\n",
        "path `/opt/p`\n",
        "kernel module `p_flt`\n",
        "stop the service `p`\n",
        "delete `/opt/p` with",
    ] {
        assert!(shown.contains(words), "{words:?} is missing in\n{shown}");
    }
}

#[test]
fn patterns_that_could_never_match_are_refused() {
    for (check, words) in [
        ("package: kesl:amd64", "has an architecture"),
        ("path: /opt//p", "has an empty component"),
        ("path: \"/opt/{a,b/c}\"", "has a `/` inside"),
        ("process: a-name-that-is-cut", "longer than Linux keeps"),
    ] {
        let text = format!(
            "uproot: 1\nproducts:\n  - id: p\n    name: P\n    platforms: [linux]\n    detect: {{ {check} }}\n"
        );
        let shown = parse("a.yml", &text, &NoIncludes).unwrap_err().render();
        assert!(shown.contains(words), "{shown}");
    }
}

#[test]
fn deep_rules_need_little_stack() {
    let text = format!("    detect: {}{{ package: p }}{}\n", "{ not: ".repeat(58), " }".repeat(58));
    let loaded = product(&text);
    assert!(explain(&loaded.playbook.products[0]).contains("package `p`"));
    assert_eq!(loaded.playbook.clone(), loaded.playbook);
}

#[test]
fn ten_thousand_mistakes_are_cut() {
    let keys: String = (0..10_000).map(|n| format!("k{n}: {n}\n")).collect();
    let text = format!("uproot: 1\n{keys}include: [{}]\n", "x".repeat(100_000));
    let wrong = parse("a.yml", &text, &NoIncludes).unwrap_err();
    assert_eq!(wrong.list.len(), 501);
    assert_eq!(wrong.list[500].message, "9501 more mistakes are not shown");
    assert!(wrong.list.iter().all(|d| d.message.chars().count() <= 601));
}

#[test]
fn steps_of_windows_name_what_they_may_touch() {
    let with = |step: &str| {
        let text = format!(
            "uproot: 1\nproducts:\n  - id: p\n    name: P\n    platforms: [windows]\n    sources: [x]\n    detect: {{ service: pd }}\n    remove:\n      - {step}\n"
        );
        parse("a.yml", &text, &NoIncludes)
    };
    for good in [
        r"remove_scheduled_task: '\Kaspersky Lab\Update check*'",
        r"remove_path: '%ProgramFiles%\Kaspersky Lab\KES*'",
    ] {
        assert!(with(good).is_ok(), "{good}");
    }
    for (bad, why) in [
        (r"remove_scheduled_task: '\Microsoft\Windows\Defrag\*'", "is of Windows itself"),
        ("remove_scheduled_task: 'a:bcd'", "cannot be the name of a task"),
        (r"remove_scheduled_task: '\*'", "could match almost anything"),
        (r"remove_path: '%ProgramFiles%\Kaspersky Lab'", "which others use too"),
        (r"remove_path: '%ProgramData%/kaspersky lab/*'", "which others use too"),
        (r"remove_path: 'C:\Users\X'", "a user's profile"),
    ] {
        let shown = with(bad).unwrap_err().render();
        assert!(shown.contains(why) && shown.contains("a.yml:9:"), "{bad}: {shown}");
    }
    let spaced = product("    detect: { package: p }\n    remove: [ remove_scheduled_task: suite-update ]\n");
    assert_eq!(spaced.playbook.products[0].remove.len(), 1);
    let text = "uproot: 1\nproducts:\n  - id: p\n    name: P\n    platforms: [linux]\n    sources: [x]\n    detect: { package: p }\n    remove: [ remove_scheduled_task: 'a task' ]\n";
    assert!(parse("a.yml", text, &NoIncludes).unwrap_err().render().contains("without spaces"));
}
