//! The rules of the source that neither the compiler nor clippy checks: which module may import which,
//! who may hold the tokens of power, how long a file may be, how suites are named.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test"
)]

use std::path::{Path, PathBuf};

/// The longest a file of `src` may be, in lines, and the longest its tests may be.
const LONGEST: usize = 600;
const LONGEST_TESTS: usize = 800;

/// Files of `src` that are one long table, which is easier to read whole.
const TABLES: &[&str] = &[];

#[test]
fn modules_import_only_modules_above_them() {
    let order = module_order(&read(Path::new("src/lib.rs")));
    assert!(order.len() > 10 && order[0] == "model" && order.last().unwrap() == "cli", "{order:?}");
    let mut found = Vec::new();
    for (path, text) in sources("src") {
        found.extend(forbidden_imports(&order, &path, &text));
    }
    assert_eq!(found, [""; 0], "see the order in src/lib.rs");
}

#[test]
fn every_module_directory_has_its_place_in_the_order() {
    let order = module_order(&read(Path::new("src/lib.rs")));
    for (path, _) in sources("src") {
        let top = top_module(&path);
        assert!(
            top == "lib" || top == "main" || order.contains(&top),
            "{path}: `{top}` is not in src/lib.rs"
        );
    }
}

#[test]
fn the_tokens_of_power_are_made_only_where_they_may_be() {
    let mut found = Vec::new();
    for (path, text) in sources("src") {
        found.extend(misused_tokens(&path, &text));
    }
    assert_eq!(found, [""; 0]);
    let names = |word: &str, place: &str| {
        sources(place).iter().any(|(_, text)| tokens(text).iter().any(|token| token.text == word))
    };
    assert!(
        names("for_planned_host", "src/model"),
        "the grant's constructor has another name: this test is blind"
    );
    assert!(
        names("trusted", "src/transport"),
        "the script's constructor has another name: this test is blind"
    );
}

#[test]
fn nothing_is_left_undone() {
    let mut found = Vec::new();
    for place in ["src", "tests", "examples", "benches"] {
        for (path, text) in sources(place) {
            found.extend(left_undone(&path, &text));
        }
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn files_can_be_read_in_one_sitting() {
    let mut found = Vec::new();
    for (path, text) in sources("src") {
        let lines = text.lines().count();
        let tests = path.ends_with("/tests.rs") || path.contains("/tests/");
        let longest = if tests { LONGEST_TESTS } else { LONGEST };
        if lines > longest && !TABLES.contains(&path.as_str()) {
            found.push(format!("{path}: {lines} lines, at most {longest}"));
        }
    }
    assert_eq!(found, [""; 0]);
    for table in TABLES {
        assert!(root().join(table).exists(), "{table} is no more: take it off the list");
    }
}

#[test]
fn suites_that_need_root_say_so_in_their_names() {
    let suites = suites();
    assert!(suites.len() > 2, "{suites:?}");
    for path in suites {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let uses_lab = tokens(&text).windows(3).any(|words| {
            let words: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
            words == ["mod", "lab", ";"] || words == ["mod", "wine_lab", ";"]
        });
        assert!(
            !uses_lab || name.starts_with("root_"),
            "{name} uses the lab, which needs root: name it root_{name}"
        );
        assert!(
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit()),
            "{name}"
        );
    }
}

#[test]
fn the_scanner_finds_what_it_is_there_to_find() {
    let order: Vec<String> = ["model", "facts", "plan", "cli"].map(str::to_owned).to_vec();
    let finds = |path: &str, text: &str| forbidden_imports(&order, path, text).len();
    let bad = [
        ("src/facts/mod.rs", "use crate::plan::Plan;"),
        ("src/facts/mod.rs", "use crate::{model::A, plan::{B, C}};"),
        ("src/facts/mod.rs", "use crate::{\n    plan as p,\n    model::{X},\n};"),
        ("src/facts/a/b.rs", "fn f() { let x = crate::cli::run(); }"),
        ("src/facts/a.rs", "use super::super::plan::X;"),
        ("src/facts/mod.rs", "use super::plan;"),
        ("src/facts/mod.rs", "use super::{model, plan};"),
        ("src/facts/mod.rs", "mod tests { use super::super::plan::X; }"),
        ("src/facts/mod.rs", "#[cfg(test)] mod tests { use crate::plan::X; }"),
        ("src/model/a.rs", "type A = Vec<crate :: facts::F>;"),
        ("src/plan/mod.rs", "pub use crate::*;"),
        ("src/plan/mod.rs", "use crate::{model::A, *};"),
        ("src/plan/mod.rs", "use crate as all;"),
        ("src/facts/mod.rs", "macro_rules! m { () => { $crate::plan::X } }"),
        ("src/facts/mod.rs", "/* not code */ use /* nor this */ crate::/**/plan::X;"),
        ("src/facts/mod.rs", "let c = '\"'; use crate::plan::X; let d = '\"';"),
        ("src/facts/mod.rs", "fn f<'a>(x: &'a str) {} use crate::plan::X;"),
        ("src/facts/mod.rs", "let s = r#\"\"#; use crate::plan::X;"),
    ];
    for (path, text) in bad {
        assert_eq!(finds(path, text), 1, "{path}: {text}");
    }
    let good = [
        ("src/plan/mod.rs", "use crate::facts::F; use crate::model::M; use crate::{facts, model::{A, B}};"),
        ("src/plan/mod.rs", "use crate::plan::render::R; use super::facts::F;"),
        ("src/plan/render.rs", "use super::cli_text; use super::super::model::M;"),
        ("src/facts/mod.rs", "mod tests { use super::plan_like; use super::*; }"),
        (
            "src/facts/mod.rs",
            "// use crate::plan::Plan;\n/// [`crate::plan::Plan`]\n/* crate::cli::x /* crate::cli::y */ */",
        ),
        (
            "src/facts/mod.rs",
            r##"let s = "crate::plan::X"; let r = r#"crate::cli::"x"#; let b = b"\"crate::plan::X";"##,
        ),
        ("src/main.rs", "use crate::cli::run;"),
        ("src/facts/mod.rs", "pub(crate) fn f() {} pub(in crate::facts) fn g() {}"),
    ];
    for (path, text) in good {
        assert_eq!(finds(path, text), 0, "{path}: {text}");
    }

    let misused = |path: &str, text: &str| misused_tokens(path, text).len();
    assert_eq!(misused("src/cli/mod.rs", "let g = ChangeGrant::for_planned_host(name);"), 1);
    assert_eq!(misused("src/apply/host.rs", "let g = ChangeGrant::for_planned_host(name);"), 0);
    assert_eq!(
        misused("src/plan/mod.rs", "use crate::model::ChangeGrant as G; let f = G::for_planned_host;"),
        1
    );
    assert_eq!(misused("src/cli/mod.rs", "ReadOnlyScript::trusted(text)"), 1);
    assert_eq!(misused("src/facts/posix.rs", "ReadOnlyScript::trusted(text)"), 0);
    assert_eq!(misused("src/transport/mod.rs", "pub fn trusted(text: String) -> Self {}"), 0);
    assert_eq!(misused("src/cli/mod.rs", "// for_planned_host\nlet s = \"ReadOnlyScript::trusted\";"), 0);

    let undone = |text: &str| left_undone("src/a.rs", text).len();
    assert_eq!(undone("fn f() { todo!() }"), 1);
    assert_eq!(undone("dbg! (x); unimplemented!{}"), 2);
    assert_eq!(undone(concat!("// TO", "DO: more\n/* FIX", "ME */")), 2);
    assert_eq!(undone("let todo = \"todo!()\"; // todo!"), 0);
}

/// A word or sign of a source file, with the line it stands on.
#[derive(Debug)]
struct Token {
    text: String,
    line: usize,
}

/// The words and signs of Rust text; comments, strings and characters are left out. `::` is one sign.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let rest = &chars[at..];
        let length = skipped(rest);
        if length > 0 {
            line += rest[..length].iter().filter(|c| **c == '\n').count();
            at += length;
            continue;
        }
        let length = if is_word(rest[0]) {
            rest.iter().take_while(|c| is_word(**c)).count()
        } else if rest.starts_with(&[':', ':']) {
            2
        } else {
            1
        };
        tokens.push(Token { text: rest[..length].iter().collect(), line });
        at += length;
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// How many characters at the beginning are white space, a comment, a string or a character.
fn skipped(rest: &[char]) -> usize {
    match rest {
        [c, ..] if c.is_whitespace() => 1,
        ['/', '/', ..] => rest.iter().take_while(|c| **c != '\n').count(),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => 1 + quoted(&rest[1..]),
        ['b' | 'c', '"', ..] => 2 + quoted(&rest[2..]),
        ['r', '#' | '"', ..] => raw_string(rest, 1),
        ['b' | 'c', 'r', '#' | '"', ..] => raw_string(rest, 2),
        ['\'', '\\', ..] => {
            2 + rest[2..].iter().skip(1).position(|c| *c == '\'').map_or(rest.len() - 2, |end| end + 2)
        }
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    }
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a string from behind its opening quote to behind its closing one.
fn quoted(rest: &[char]) -> usize {
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a raw string whose hashes or quote begin at `from`; 0 where it is none (`r#word`).
fn raw_string(rest: &[char], from: usize) -> usize {
    let hashes = rest[from..].iter().take_while(|c| **c == '#').count();
    if rest.get(from + hashes) != Some(&'"') {
        return 0;
    }
    let begin = from + hashes + 1;
    let mut end = vec!['"'];
    end.extend(std::iter::repeat_n('#', hashes));
    rest[begin..]
        .windows(end.len())
        .position(|part| part == end)
        .map_or(rest.len(), |at| begin + at + end.len())
}

/// The modules that lib.rs declares, in its order.
fn module_order(lib: &str) -> Vec<String> {
    let tokens = tokens(lib);
    tokens.windows(2).filter(|pair| pair[0].text == "mod").map(|pair| pair[1].text.clone()).collect()
}

/// Every import of `text` that its place in the order forbids, one a line.
fn forbidden_imports(order: &[String], path: &str, text: &str) -> Vec<String> {
    let own = top_module(path);
    let Some(own_rank) = order.iter().position(|module| *module == own) else { return Vec::new() };
    let mut found = Vec::new();
    for (module, line) in root_paths(path, text) {
        let allowed = match order.iter().position(|known| *known == module) {
            Some(rank) => rank <= own_rank,
            // Not a module: a macro or item of the root; the whole root is everything.
            None => module != "*" && module != "as",
        };
        if !allowed {
            found.push(format!("{path}:{line}: `{own}` may not import `{module}`"));
        }
    }
    found
}

/// What `text` names directly under the crate's root, by `crate::` or by enough `super::`, with lines.
fn root_paths(path: &str, text: &str) -> Vec<(String, usize)> {
    let tokens = tokens(text);
    let file_depth = module_depth(path);
    let mut found = Vec::new();
    // How deep in inline modules each open brace is.
    let mut braces: Vec<bool> = Vec::new();
    let word = |at: usize| tokens.get(at).map_or("", |token: &Token| token.text.as_str());
    let mut at = 0;
    while at < tokens.len() {
        match word(at) {
            "{" => braces.push(at >= 2 && word(at - 2) == "mod"),
            "}" => {
                braces.pop();
            }
            "crate" if word(at + 1) == "::" => named_after(&tokens, at + 2, &mut found),
            "crate" if word(at + 1) == "as" => found.push(("as".to_owned(), tokens[at].line)),
            "super" if at == 0 || word(at - 1) != "::" => {
                let mut supers = 1;
                while word(at + 1) == "::" && word(at + 2) == "super" {
                    supers += 1;
                    at += 2;
                }
                let depth = file_depth + braces.iter().filter(|inline| **inline).count();
                if supers >= depth && word(at + 1) == "::" {
                    named_after(&tokens, at + 2, &mut found);
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The first names of the path or group of paths that begins at `at`.
fn named_after(tokens: &[Token], at: usize, found: &mut Vec<(String, usize)>) {
    let Some(first) = tokens.get(at) else { return };
    if first.text != "{" {
        found.push((first.text.clone(), first.line));
        return;
    }
    let mut depth = 0;
    for pair in tokens[at..].windows(2) {
        match pair[0].text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return;
        }
        let begins = depth == 1 && (pair[0].text == "," || pair[0].text == "{");
        if begins && pair[1].text != "}" && pair[1].text != "self" {
            found.push((pair[1].text.clone(), pair[1].line));
        }
    }
}

/// The top module that a file of `src` belongs to.
fn top_module(path: &str) -> String {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    inside.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned()
}

/// How many modules deep a file of `src` is: src/facts/mod.rs is 1.
fn module_depth(path: &str) -> usize {
    let inside = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    inside.split('/').filter(|part| *part != "mod").count()
}

/// Every place that makes a grant or vouches for a script where it may not.
fn misused_tokens(path: &str, text: &str) -> Vec<String> {
    let rules: [(&str, &[&str]); 2] = [
        ("for_planned_host", &["src/apply/", "src/model/grant.rs"]),
        ("trusted", &["src/facts/", "src/transport/mod.rs"]),
    ];
    let tokens = tokens(text);
    let mut found = Vec::new();
    for (name, places) in rules {
        if places.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        let uses = tokens.windows(2).filter(|pair| pair[0].text == "::" && pair[1].text == name);
        found.extend(uses.map(|pair| format!("{path}:{}: `{name}` may not be used here", pair[1].line)));
    }
    found
}

/// Macros and marks of unfinished work.
fn left_undone(path: &str, text: &str) -> Vec<String> {
    let macros = ["todo", "unimplemented", "dbg"];
    let tokens = tokens(text);
    let mut found: Vec<_> = tokens
        .windows(2)
        .filter(|pair| pair[1].text == "!" && macros.contains(&pair[0].text.as_str()))
        .map(|pair| format!("{path}:{}: {}!", pair[0].line, pair[0].text))
        .collect();
    for (number, line) in text.lines().enumerate() {
        for mark in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")] {
            if line.contains(mark) {
                found.push(format!("{path}:{}: {mark}", number + 1));
            }
        }
    }
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The files tests/*.rs.
fn suites() -> Vec<PathBuf> {
    let files = std::fs::read_dir(root().join("tests")).unwrap().flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// Every Rust file under a folder of the repository: its path from the root, and its text.
fn sources(place: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(place)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(), text));
            }
        }
    }
    found.sort();
    found
}
