//! Inventories as a user has them: broken ones say where and how to mend it, good ones resolve to
//! the values that count, each with its origin.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use uproot::inventory::{
    BecomeMethod, Inventory, Loaded, Overrides, PasswordSource, list_json, local, read, render_list, select,
};
use uproot::model::{Diagnostics, SecretSource, Severity};

fn cases(kind: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(format!("tests/inventories/{kind}"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    paths
}

fn read_one(source: &str) -> Result<Loaded, Diagnostics> {
    read(&[source.to_owned()], &Overrides::default())
}

fn all(inventory: &Inventory) -> Vec<String> {
    select(inventory, "all").unwrap()
}

fn stem(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().replace('.', "-")
}

/// Writes files into a new directory; a name that ends in `!` is made executable.
fn files(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name.trim_end_matches('!'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        let mode = if name.ends_with('!') { 0o755 } else { 0o644 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    dir
}

fn path(dir: &tempfile::TempDir, name: &str) -> String {
    dir.path().join(name).display().to_string()
}

#[test]
fn every_broken_inventory_says_where_and_how_to_mend_it() {
    let cases = cases("bad");
    assert!(cases.len() >= 15);
    for path in cases {
        let name = path.display().to_string();
        let failure = read_one(&name).expect_err(&name);
        for diagnostic in &failure.list {
            let shown = diagnostic.render(&failure.sources);
            let place = diagnostic.place.as_ref().expect("a place");
            assert!(shown.contains(&format!("--> {place}\n")), "{shown}");
            assert!(shown.lines().any(|line| line.contains('|') && line.contains('^')), "{shown}");
            assert!(shown.contains("\nhelp: "), "{shown}");
        }
        let shown = failure.render();
        assert!(!shown.contains("hunter2"), "a password is shown:\n{shown}");
        insta::assert_snapshot!(format!("bad-{}", stem(&path)), shown);
    }
}

#[test]
fn good_inventories_resolve_with_origins() {
    let mut cases = cases("good");
    cases.push("tests/inventories/good/vars/hosts".into());
    for path in cases {
        let name = path.display().to_string();
        let loaded = read_one(&name).map_err(|e| e.render()).expect(&name);
        let json = list_json(&loaded.inventory, &all(&loaded.inventory));
        assert!(!json.to_string().contains("hunter2"));
        let warnings = loaded.diagnostics.render();
        assert!(!warnings.contains("hunter2") && !warnings.contains("s e c r e t"), "{warnings}");
        let shown = format!("{warnings}\n{}", serde_json::to_string_pretty(&json).unwrap());
        insta::assert_snapshot!(format!("good-{}", stem(&path)), shown);
    }
}

#[test]
fn the_list_for_a_person() {
    let loaded = read_one("tests/inventories/good/native.yml").unwrap();
    insta::assert_snapshot!(render_list(&loaded.inventory, &["web01".into(), "db01".into(), "self".into()]));
}

/// Which layer gives the user, from the lowest; each line of the table takes one more layer.
#[test]
fn precedence_is_that_of_ansible() {
    let layers: &[(&str, &str, &str)] = &[
        ("all", "inv/hosts", "[all:vars]\nansible_user=all\n"),
        ("parent", "inv/hosts", "[parent:vars]\nansible_user=parent\n"),
        ("child", "inv/hosts", "[child:vars]\nansible_user=child\n"),
        ("all-file", "inv/group_vars/all.yml", "ansible_user: all-file\n"),
        ("parent-file", "inv/group_vars/parent.yml", "ansible_user: parent-file\n"),
        ("child-file", "inv/group_vars/child/x.yml", "ansible_user: child-file\n"),
        ("host", "inv/hosts", "[child]\nweb01 ansible_user=host\n"),
        ("host-file", "inv/host_vars/web01.yml", "ansible_user: host-file\n"),
    ];
    for taken in 1..=layers.len() {
        let mut hosts = "[child]\nweb01\n[parent:children]\nchild\n".to_owned();
        let mut others = Vec::new();
        // Written in reverse, so that it is not the order in the file that decides.
        for (_, file, text) in layers[..taken].iter().rev() {
            if *file == "inv/hosts" { hosts.push_str(text) } else { others.push((*file, *text)) }
        }
        others.push(("inv/hosts", &hosts));
        let dir = files(&others);
        let loaded = read_one(&path(&dir, "inv/hosts")).map_err(|e| e.render()).unwrap();
        let user = loaded.inventory.hosts[0].user.clone().unwrap();
        assert_eq!(user.value, layers[taken - 1].0);
        let by_group = layers[taken - 1].1.contains("group_vars") || layers[taken - 1].2.contains(":vars]");
        assert_eq!(user.origin.contains("(group "), by_group, "{}", user.origin);
    }
    let dir = files(&[("hosts", "[child]\nweb01 ansible_user=host\n")]);
    let overrides = Overrides { user: Some("option".into()), ..Overrides::default() };
    let loaded = read(&[path(&dir, "hosts")], &overrides).unwrap();
    assert_eq!(loaded.inventory.hosts[0].user.as_ref().unwrap().origin, "--user");
}

#[test]
fn siblings_go_by_priority_then_by_name() {
    let text = "[a]\nweb01\n[b]\nweb01\n[a:vars]\nansible_user=a\n[b:vars]\nansible_user=b\n";
    let user = |text: &str| {
        let dir = files(&[("hosts", text)]);
        read_one(&path(&dir, "hosts")).unwrap().inventory.hosts[0].user.clone().unwrap().value
    };
    assert_eq!(user(text), "b");
    assert_eq!(user(&format!("{text}[a:vars]\nansible_group_priority=10\n")), "a");
}

#[test]
fn a_later_source_wins_value_by_value_and_groups_are_joined() {
    let dir = files(&[
        ("one.ini", "[web]\nweb01 ansible_host=10.0.0.1 ansible_port=1\n"),
        ("two.yml", "uproot_inventory: 1\nhosts:\n  web01: { port: 2, groups: [canary] }\n  web02: {}\n"),
    ]);
    let loaded = read(&[path(&dir, "one.ini"), path(&dir, "two.yml")], &Overrides::default()).unwrap();
    let host = &loaded.inventory.hosts[0];
    assert_eq!((host.address.value.as_str(), host.port.value), ("10.0.0.1", 2));
    assert_eq!(host.groups.iter().map(String::as_str).collect::<Vec<_>>(), ["canary", "web"]);
    assert_eq!(loaded.diagnostics.list, []);
    assert_eq!(select(&loaded.inventory, "ungrouped").unwrap(), ["web02"]);
}

#[test]
fn a_value_that_cannot_be_obeyed_is_no_error_where_another_counts() {
    let dir = files(&[(
        "hosts",
        "[all:vars]\nansible_user={{ x }}\nansible_connection=winrm\nansible_become_password={{ y }}\n\
         ansible_become_method=su\n[web]\nweb01 ansible_connection=ssh ansible_user=ops\n",
    )]);
    let source = [path(&dir, "hosts")];
    assert!(read(&source, &Overrides::default()).is_ok());
    let overrides = Overrides { become_method: Some(BecomeMethod::Sudo), ..Overrides::default() };
    let error = read(&source, &overrides).unwrap_err().render();
    assert!(error.contains("`ansible_become_password` is a template"), "{error}");
    let overrides = Overrides { ask_become_pass: true, ..overrides };
    let host = read(&source, &overrides).unwrap().inventory.hosts[0].clone();
    assert_eq!(
        host.become_password.unwrap().value,
        PasswordSource::Reference(SecretSource::Prompt("password for becoming root".into()))
    );
}

#[test]
fn a_list_of_hosts_on_the_command_line() {
    let loaded = read_one("web01,ops@web02:2222, [2001:db8::1]:22,db[1:2]").unwrap();
    let shown: Vec<String> = loaded
        .inventory
        .hosts
        .iter()
        .map(|h| format!("{} {} {}", h.name, h.port.value, h.user.as_ref().map_or("-", |u| u.value.as_str())))
        .collect();
    assert_eq!(shown, ["web01 22 -", "web02 2222 ops", "2001:db8::1 22 -", "db1 22 -", "db2 22 -"]);
    assert_eq!(loaded.inventory.hosts[1].port.origin, "command line:1:17");
    insta::assert_snapshot!(read_one("web01").unwrap_err().render(), @r"
    error: no inventory `web01`
     --> command line:1:1
      |
    1 | web01
      | ^^^^^ no such file or directory
    help: if it is the name of a single host, put a comma after it: `-i web01,`
    ");
    insta::assert_snapshot!("host-list", read_one("web01,o ps@web02,web03:x").unwrap_err().render());
}

#[test]
fn scripts_are_asked_and_places_are_in_their_answers() {
    let with_meta = r#"#!/bin/sh
[ "$1" = --list ] && echo '{"_meta": {"hostvars": {"web01": {"ansible_port": 2222}}}, "web": ["web01"]}'
"#;
    let without = r#"#!/bin/sh
if [ "$1" = --list ]; then echo '{"web": {"hosts": ["web01", "web02"]}}'; else echo "{\"ansible_user\": \"u-$2\"}"; fi
"#;
    let dir =
        files(&[("with!", with_meta), ("without!", without), ("group_vars/web.yml", "ansible_become: true")]);
    let loaded = read_one(&path(&dir, "with")).unwrap();
    let host = &loaded.inventory.hosts[0];
    assert_eq!(host.port.value, 2222);
    assert!(host.port.origin.ends_with("with --list:1:51"), "{}", host.port.origin);
    assert!(host.become_method.is_some());
    let loaded = read_one(&path(&dir, "without")).unwrap();
    let users: Vec<String> = loaded.inventory.hosts.iter().map(|h| h.user.clone().unwrap().value).collect();
    assert_eq!(users, ["u-web01", "u-web02"]);
}

#[test]
fn a_data_file_that_happens_to_be_executable_is_read_not_run() {
    let dir = files(&[("hosts!", "touch-me\n"), ("inv.yml!", "all: { hosts: { web01: } }\n")]);
    assert_eq!(read_one(&path(&dir, "hosts")).unwrap().inventory.hosts[0].name, "touch-me");
    assert_eq!(read_one(&path(&dir, "inv.yml")).unwrap().inventory.hosts[0].name, "web01");
}

#[test]
fn failing_scripts_are_shown_with_what_they_said() {
    let dir = files(&[
        ("fails!", "#!/bin/sh\necho 'no \u{1b}[31mcredentials' >&2\nexit 4\n"),
        ("prose!", "#!/bin/sh\necho hello\n"),
        ("nowhere!", "#!/no/such/interpreter\n"),
    ]);
    let mut shown = String::new();
    for name in ["fails", "prose", "nowhere"] {
        let failure = read_one(&path(&dir, name)).unwrap_err().render();
        shown.push_str(&failure.replace(&format!("{}/", dir.path().display()), ""));
        shown.push('\n');
    }
    // The caret is as wide as the temporary directory's name is long.
    let shown = regex::Regex::new(r"\^+").unwrap().replace_all(&shown, "^");
    insta::assert_snapshot!(shown);
}

#[test]
fn a_directory_is_read_in_order_without_hidden_and_backup_files() {
    let dir = files(&[
        ("inv/10-web.ini", "[web]\nweb01 ansible_port=1\n"),
        ("inv/20-all.yml", "all: { hosts: { web01: { ansible_port: 2 } } }\n"),
        ("inv/sub/more", "web02\n"),
        ("inv/.hidden", "hidden\n"),
        ("inv/10-web.ini~", "backup\n"),
        ("inv/notes.txt", "notes\n"),
        ("inv/ansible.cfg", "[defaults]\n"),
        ("inv/group_vars/web.yml", "ansible_user: ops\n"),
    ]);
    let loaded = read_one(&path(&dir, "inv")).unwrap();
    let names: Vec<&str> = loaded.inventory.hosts.iter().map(|h| h.name.as_str()).collect();
    assert_eq!(names, ["web01", "web02"]);
    let host = &loaded.inventory.hosts[0];
    assert_eq!((host.port.value, host.user.clone().unwrap().value.as_str()), (2, "ops"));
    let warnings: Vec<&str> = loaded.diagnostics.list.iter().map(|d| d.message.as_str()).collect();
    assert_eq!(warnings, ["not read, as Ansible reads no `.txt` file of a directory"]);
}

#[test]
fn files_are_known_by_their_content() {
    let names = |name: &str, text: &str| {
        let dir = files(&[(name, text)]);
        let loaded = read_one(&path(&dir, name)).map_err(|e| e.render()).unwrap();
        loaded.inventory.hosts.iter().map(|h| h.name.clone()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("hosts", "web01:22\nweb02\n"), "web01 web02");
    assert_eq!(names("hosts", "# yaml\nall:\n  hosts:\n    web01:\n"), "web01");
    assert_eq!(names("hosts.yml", "[web]\nweb01\n"), "web01");
    assert_eq!(names("hosts.ini", "---\nall: { hosts: { web01: } }\n"), "web01");
    assert_eq!(names("export", "name,port\nweb01,22\n"), "web01");
    assert_eq!(names("hosts", "{\"all\": {\"hosts\": {\"web01\": null}}}"), "web01");
    assert_eq!(names("hosts", "\u{feff}web01\r\nweb02\r\n"), "web01 web02");
}

#[test]
fn an_inventory_without_hosts_is_warned_of() {
    let dir = files(&[("hosts", "# nothing yet\n")]);
    let loaded = read_one(&path(&dir, "hosts")).unwrap();
    assert_eq!(loaded.diagnostics.list[0].message, "this inventory names no host");
    assert_eq!(loaded.diagnostics.list[0].severity, Severity::Warning);
}

#[test]
fn bounds_hold_without_eating_memory() {
    let dir = files(&[
        ("many", "a[0:150000]\nb[0:150000]\n"),
        ("deep", &deep(100)),
        ("nonsense", &"\\\n".repeat(5000)),
    ]);
    let error = |name: &str| read_one(&path(&dir, name)).unwrap_err();
    assert!(error("many").render().contains("more than 200000 hosts"));
    assert!(error("deep").render().contains("groups more than 64 deep"));
    assert_eq!(error("nonsense").list.len(), 1001);
}

fn deep(levels: usize) -> String {
    (0..levels).map(|n| format!("[g{n}:children]\ng{}\n", n + 1)).collect::<String>()
        + &format!("[g{levels}]\nweb01\n")
}

#[test]
fn a_range_has_its_errors_said_once_and_an_error_is_never_lost_among_warnings() {
    let twice: String = (0..1500).map(|n| format!("h{n} ansible_port=1\nh{n} ansible_port=2\n")).collect();
    let dir = files(&[
        ("ini", "web[1:500] ansible_port=x ansible_user=ops\n"),
        ("yml", "uproot_inventory: 1\nhosts: { \"web[1:500]\": { port: x, user: \"{{ who }}\" } }\n"),
        ("late", &format!("{twice}web01 ansible_port=x\n")),
    ]);
    let errors = |name: &str| read_one(&path(&dir, name)).unwrap_err().list.len();
    assert_eq!((errors("ini"), errors("yml"), errors("late")), (1, 2, 1001));
}

#[test]
fn options_are_checked_too() {
    let overrides =
        Overrides { user: Some("-l root".into()), key: Some(String::new()), ..Overrides::default() };
    let failure = read(&["web01,".into()], &overrides).unwrap_err();
    let places: Vec<String> = failure.list.iter().map(|d| d.place.clone().unwrap().to_string()).collect();
    assert_eq!(places, ["--user:1:1", "--key:1:1"]);
}

/// Ten thousand hosts of the worst kind: each with its own line, password and variables, in groups
/// of groups. Far from a second even unoptimised; a quadratic step would take minutes.
#[test]
fn ten_thousand_hosts_take_no_time() {
    use std::fmt::Write as _;
    let mut ini = "[site:children]\n".to_owned();
    for group in 0..100 {
        writeln!(ini, "g{group}").unwrap();
    }
    for host in 0..10_000 {
        let group = host / 100;
        if host % 100 == 0 {
            writeln!(ini, "[g{group}:vars]\nansible_become=yes\n[g{group}]").unwrap();
        }
        writeln!(ini, "h{host} ansible_host=10.0.0.1 ansible_port=22 ansible_password=secret{host}").unwrap();
    }
    let dir = files(&[("hosts", &ini)]);
    let start = std::time::Instant::now();
    let loaded = read_one(&path(&dir, "hosts")).map_err(|e| e.render()).unwrap();
    assert_eq!(select(&loaded.inventory, "site:!g0:&h*").unwrap().len(), 9_900);
    assert!(!loaded.diagnostics.render().contains("secret"));
    assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn without_an_inventory_it_is_this_machine() {
    let inventory = local();
    let json = list_json(&inventory, &all(&inventory));
    assert_eq!(json["hosts"][0]["connection"]["value"], "local");
    assert_eq!(json["hosts"][0]["connection"]["origin"], "no inventory given");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn no_text_makes_any_format_panic(text in "(?s).{0,300}", words in words(), ending in "(ini|yml|csv|json|)") {
        for text in [text, words] {
            let name = format!("f.{ending}");
            let dir = files(&[(&name, &text)]);
            match read_one(&path(&dir, &name)) {
                Ok(loaded) => {
                    for host in &loaded.inventory.hosts {
                        prop_assert!(loaded.inventory.groups["all"].contains(&host.name));
                        prop_assert!(!host.address.value.starts_with('-'));
                    }
                    prop_assert_eq!(&list_json(&loaded.inventory, &all(&loaded.inventory))["uproot"], 1);
                }
                Err(failure) => {
                    prop_assert!(failure.has_errors());
                    prop_assert!(failure.list.iter().all(|d| d.help.is_some()));
                    prop_assert!(!failure.render().is_empty());
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn no_answer_of_a_script_makes_it_panic(answer in answers()) {
        let dir = files(&[("answer.json", &answer.to_string())]);
        match read_one(&path(&dir, "answer.json")) {
            Ok(loaded) => {
                let shown = render_list(&loaded.inventory, &all(&loaded.inventory));
                prop_assert!(!shown.contains('\x1b'));
            }
            Err(failure) => prop_assert!(failure.list.iter().all(|d| d.place.is_some() && d.help.is_some())),
        }
    }
}

/// JSON made of the words that an answer to `--list` has.
fn answers() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let word = prop::sample::select(vec![
        "_meta",
        "hostvars",
        "all",
        "hosts",
        "children",
        "vars",
        "web",
        "web01",
        "ansible_user",
        "ansible_port",
        "ansible_password",
        "\u{1b}[31m",
        "",
        "{{ x }}",
        "22",
    ]);
    let leaf = prop_oneof![
        word.clone().prop_map(Value::from),
        Just(json!(22)),
        Just(Value::Null),
        Just(json!(true))
    ];
    let inner = leaf.prop_recursive(4, 24, 4, move |inner| {
        let word = word.clone().prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(word, inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    inner.prop_map(
        |inner| json!({ "_meta": inner, "web": inner, "all": { "hosts": ["web01"], "vars": inner } }),
    )
}

/// Texts of the words that the formats know, in any order.
fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "uproot_inventory: 1\n",
        "hosts:\n",
        "groups:\n",
        "all:\n",
        "  ",
        "    ",
        "children:\n",
        "vars:\n",
        "{",
        "}",
        "[web]\n",
        "[web:vars]\n",
        "[a:children]\n",
        "web[01:03]",
        "web01",
        ":22",
        ":\n",
        ": ",
        " ansible_host=x",
        " ansible_password='",
        "ansible_port: 22\n",
        "ansible_user: !vault |\n",
        "\n",
        ",",
        "name,port\n",
        "\"",
        "_meta",
        "hostvars",
        "[",
        "]",
        "address",
        "password: hunter2\n",
        "{ env: X }",
        "- ",
        "&a ",
        "*a",
        "<<: ",
        "\t",
        "#",
        "~",
    ]);
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

/// The examples of the documentation are inventories without errors or warnings.
#[test]
fn the_documentation_is_right() {
    let text = std::fs::read_to_string("docs/inventory.md").unwrap();
    let blocks = regex::Regex::new(r"(?s)```(yaml|ini|csv)\n(.*?)```").unwrap();
    let mut kinds = Vec::new();
    for block in blocks.captures_iter(&text) {
        let name = format!("hosts.{}", &block[1]);
        let dir = files(&[(&name, &block[2])]);
        let loaded = read_one(&path(&dir, &name)).map_err(|e| e.render()).unwrap();
        assert_eq!(loaded.diagnostics.render(), "");
        assert!(loaded.inventory.hosts.len() > 49);
        kinds.push(block[1].to_owned());
    }
    assert_eq!(kinds, ["yaml", "ini", "csv"]);
}
