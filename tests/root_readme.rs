//! The README's first run, line by line, on a real host.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod lab;

use lab::Lab;

/// The `uproot …` lines of the README, without their comments, in order.
fn commands() -> Vec<Vec<String>> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    // Blocks of shell: every other piece between fences that begins with the word.
    let blocks = readme.split("```").filter_map(|block| block.strip_prefix("sh\n"));
    let code = blocks.flat_map(str::lines).filter(|line| line.starts_with("uproot "));
    code.map(|line| line.split('#').next().unwrap().split_whitespace().skip(1).map(str::to_owned).collect())
        .collect()
}

#[test]
fn the_first_run_of_the_readme_works_as_written() {
    let lab = Lab::new();
    let web = lab.host("web01").start();
    web.install_kesl("12.1.0-1543");
    // The README speaks of `hosts.yml` and of the user's own known_hosts.
    let _ = lab.inventory_file([&web]);
    std::fs::create_dir_all(lab.dir().join("home/.ssh")).unwrap();
    std::fs::copy(lab.known_hosts(), lab.dir().join("home/.ssh/known_hosts")).unwrap();
    let expected = [("inventory check", 0), ("identify", 1), ("plan", 0), ("apply", 0), ("verify", 0)];
    let commands = commands();
    assert_eq!(commands.len(), expected.len(), "{commands:?}");
    for (arguments, (verb, code)) in commands.iter().zip(expected) {
        assert!(arguments.join(" ").starts_with(verb), "{arguments:?}");
        lab.uproot(arguments).expect_code(code);
    }
}
