//! The JSON Schema and the parser agree: on whole documents, and on each of many small changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use rayon::prelude::*;
use serde_json::{Value as Json, json};
use std::path::Path;
use uproot::model::yaml::{Limits, Node, Value, parse as parse_yaml};
use uproot::playbook::{IncludeLoader, Included, parse, schema};

/// What an editor sees: YAML 1.2 values, as its core schema resolves them.
fn to_json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Scalar { text, quoted: false } if text == "true" || text == "false" => json!(text == "true"),
        Value::Scalar { text, quoted: false } if text.parse::<i64>().is_ok() => {
            json!(text.parse::<i64>().unwrap())
        }
        Value::Scalar { text, quoted: false } if text.parse::<f64>().is_ok_and(f64::is_finite) => {
            json!(text.parse::<f64>().unwrap())
        }
        Value::Scalar { text, .. } => json!(text),
        Value::List(entries) => entries.iter().map(to_json).collect(),
        Value::Map(pairs) => {
            Json::Object(pairs.iter().map(|(k, v)| (k.as_str().unwrap().to_owned(), to_json(v))).collect())
        }
    }
}

/// JSON is YAML: what the schema judged is given to the parser as it stands.
struct Anything;

impl IncludeLoader for Anything {
    fn identity(&self, name: &str) -> String {
        name.to_owned()
    }

    fn load(&self, _from: &str, include: &str) -> Result<Included, String> {
        let text = include_str!("playbooks/good/included/agent.yml").to_owned();
        Ok(Included { name: include.to_owned(), identity: include.to_owned(), text })
    }
}

/// The messages with which the parser refuses a document; none when it accepts.
fn refusals(document: &Json) -> Vec<String> {
    let text = serde_json::to_string_pretty(document).unwrap();
    match parse("a.yml", &text, &Anything) {
        Ok(_) => Vec::new(),
        Err(diagnostics) => diagnostics.list.iter().map(|d| d.message.clone()).collect(),
    }
}

/// What only the parser can refuse, by its words: references, repeated names, the inside of texts.
const PARSER_ONLY: &[&str] = &[
    "names an unknown product",
    "wait for each other",
    "is not declared",
    "unknown variable",
    "refers to a variable",
    "stands twice",
    "cannot be included",
    "is an absolute path",
    "includes itself",
    "not a valid pattern",
    "not a version range",
    "not a regular expression",
    "is not an absolute path",
    "has `.` or `..` in it",
    "has an empty component",
    "has a `/` inside",
    "has an architecture",
    "cannot be the name of a",
    "cannot be a name",
    "could match almost anything",
    "belongs to the system",
    "is not a SHA-256",
    "is not a window",
    "contradicts the policy",
    "but the product is not",
    "needs both `file` and `pattern`",
    "is report_only and has steps",
    "`data` stands without `value`",
    "is given twice for this step",
    "longer than Linux keeps",
    "is too long",
    "is too short",
    "also holds",
    "others use too",
    "home directory",
    "fewer than two components",
    "has `**` in it",
    "neither a number of hosts nor a percentage",
    "is not a length of time",
];

fn everything() -> Json {
    let text = include_str!("playbooks/good/everything.yml");
    to_json(&parse_yaml("everything.yml", text, &Limits::PLAYBOOK).unwrap())
}

#[test]
fn the_schema_is_one_that_editors_accept() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(jsonschema::meta::is_valid(&schema));
}

#[test]
fn both_accept_good_playbooks() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = vec![include_str!("playbooks/good/everything.yml").to_owned()];
    texts.push(include_str!("playbooks/good/minimal.yml").to_owned());
    texts.push(include_str!("playbooks/good/included/agent.yml").to_owned());
    texts.extend(uproot::playbook::catalogue_files().map(|(_, text)| text.to_owned()));
    assert!(directory.exists() && texts.len() >= 5);
    for text in texts {
        let document = to_json(&parse_yaml("good.yml", &text, &Limits::PLAYBOOK).unwrap());
        let wrong: Vec<String> =
            validator.iter_errors(&document).map(|e| format!("{} {e}", e.instance_path())).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
    assert_eq!(refusals(&everything()), Vec::<String>::new());
}

#[test]
fn both_refuse_broken_shapes() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/playbooks/bad");
    for name in [
        "06-not-a-map",
        "07-other-version",
        "08-unknown-keys",
        "09-missing-keys",
        "10-wrong-types",
        "11-unknown-check",
        "12-empty-any",
        "13-rule-with-two-keys",
        "18-durations",
        "21-unknown-steps",
        "23-secrets",
        "26-waves",
        "28-other-platform",
        "29-uploads",
        "30-ten-mistakes",
    ] {
        let text = std::fs::read_to_string(directory.join(format!("{name}.yml"))).unwrap();
        let document = to_json(&parse_yaml(name, &text, &Limits::PLAYBOOK).unwrap());
        assert!(!validator.is_valid(&document), "{name}");
    }
}

/// Every place in the document, as a JSON pointer.
fn places(value: &Json, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    match value {
        Json::Array(entries) => {
            entries.iter().enumerate().for_each(|(i, e)| places(e, &format!("{at}/{i}"), out))
        }
        Json::Object(map) => map.iter().for_each(|(key, value)| {
            places(value, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), out);
        }),
        _ => {}
    }
}

/// The document with one change, and what was changed.
fn changes(document: &Json) -> Vec<(String, Json)> {
    let replacements = [
        Json::Null,
        json!(true),
        json!(7),
        json!("word"),
        json!(""),
        json!([]),
        json!({}),
        json!([7, true]),
        json!({ "word": "word" }),
        json!({ "package": "suite" }),
        json!([{ "package": "suite" }]),
    ];
    let mut all = Vec::new();
    places(document, "", &mut all);
    let mut out = Vec::new();
    for place in all {
        for replacement in &replacements {
            let mut changed = document.clone();
            *changed.pointer_mut(&place).unwrap() = replacement.clone();
            out.push((format!("{place} := {replacement}"), changed));
        }
        let Some(Json::Object(map)) = document.pointer(&place) else { continue };
        for key in map.keys() {
            let mut changed = document.clone();
            changed.pointer_mut(&place).unwrap().as_object_mut().unwrap().remove(key);
            out.push((format!("{place} without {key}"), changed));
        }
        let mut changed = document.clone();
        changed.pointer_mut(&place).unwrap().as_object_mut().unwrap().insert("unheard-of".into(), json!(1));
        out.push((format!("{place} with an unknown key"), changed));
    }
    out
}

#[test]
fn both_agree_on_every_small_change() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let (mut accepted, mut refused, mut parser_only) = (0, 0, 0);
    let mut wrong = Vec::new();
    let judged: Vec<_> = changes(&everything())
        .into_par_iter()
        .map(|(change, document)| (change, validator.is_valid(&document), refusals(&document)))
        .collect();
    for (change, valid, messages) in judged {
        match (valid, messages.is_empty()) {
            (true, true) => accepted += 1,
            (false, false) => refused += 1,
            (true, false) if messages.iter().all(|m| PARSER_ONLY.iter().any(|words| m.contains(words))) => {
                parser_only += 1;
            }
            (true, false) => wrong.push(format!("{change}: only the parser refuses: {messages:?}")),
            (false, true) => wrong.push(format!("{change}: only the schema refuses")),
        }
    }
    assert!(wrong.is_empty(), "{} disagreements:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
    assert!(accepted > 500 && refused > 2_000 && parser_only > 50, "{accepted} {refused} {parser_only}");
}
