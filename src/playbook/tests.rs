use super::*;
use crate::model::{Platform, SecretSource};
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
    assert_eq!((env.len(), env["TOKEN"].as_str(), stdin.as_deref()), (3, "token", Some("answer")));
}

#[test]
fn what_is_not_obeyed_is_listed_with_its_place() {
    let playbook = everything().playbook;
    let what: Vec<&str> = playbook.unobeyed.iter().map(|unobeyed| unobeyed.what.as_str()).collect();
    assert_eq!(
        what,
        [
            "step `reboot`",
            "step `reboot`",
            "step `upload`",
            "`reboot: if-needed` of the policy",
            "key `require_protection` of the policy",
            "key `soak` of wave `canary`",
            "key `approve` of wave `rest`",
            "key `window` of wave `rest`",
        ],
        "none for the product that is not for linux, none for `approve: false`"
    );
    assert!(playbook.unobeyed.iter().all(|unobeyed| unobeyed.place.line > 60));
    let waves: Vec<_> =
        playbook.waves.iter().map(|w| (w.name.as_str(), w.hosts.clone(), w.max_failures)).collect();
    assert_eq!(waves[0], ("canary", WaveHosts::Pattern("canary".into()), Budget::Count(0)));
    assert_eq!(waves[1], ("early", WaveHosts::First(Budget::Count(10)), Budget::Percent(500)));
    assert_eq!(waves[2].2, Budget::Percent(250));
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
    ] {
        assert_ne!(plain, digest(&other), "{other}");
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
        "Sources\n  https://vendor.example/remove\n",
    ] {
        assert!(text.contains(words), "{words:?} is missing in\n{text}");
    }
    let appliance = explain(playbook.product("appliance").unwrap());
    assert!(
        appliance.contains("never removed: the whole machine is the product")
            && appliance.contains("Not confirmed")
    );
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
fn what_is_not_obeyed_becomes_an_error_where_it_matters() {
    let playbook = everything().playbook;
    let diagnostic = playbook.unobeyed[0].diagnostic();
    assert_eq!(diagnostic.message, "step `reboot` is not obeyed by this version");
    assert_eq!(diagnostic.place.as_ref(), Some(&playbook.unobeyed[0].place));
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
