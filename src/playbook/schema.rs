//! The JSON Schema of the language (draft 2020-12), from the table of keys.
//!
//! It says all that the shape of a document can say. Only the parser refuses: references (products in
//! `after`, secrets, variables, includes), ids that stand twice, patterns and version ranges that
//! cannot be read, paths that must not be removed, names that say too little, times and percentages
//! out of bounds, checks of a platform that the product is not for, `file` without `pattern`,
//! `data` of a registry check without `value`,
//! `report_only` with `remove`, a `reboot` that the policy forbids, windows, `policy` and `waves` in an included file, the same key beside a step
//! and inside it.

use super::keys::{CHECKS, Construct, JOINS, Key, Kind, PLAYBOOK};
use super::keys_steps::{STEP_COMMON, STEPS};
use serde_json::{Map, Value, json};

/// The schema as a JSON document, for editors.
#[must_use]
pub fn schema() -> Value {
    let mut root = construct(&PLAYBOOK, &[]);
    let definitions = json!({ "rule": rule(), "step": step() });
    if let Value::Object(map) = &mut root {
        map.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        map.insert("title".to_owned(), json!("uproot playbook, version 1"));
        map.insert("$defs".to_owned(), definitions);
    }
    root
}

fn kind(kind_of: &Kind) -> Value {
    match kind_of {
        Kind::Text | Kind::Glob | Kind::Regex | Kind::Range => {
            json!({ "type": ["string", "number", "boolean"], "minLength": 1 })
        }
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Integer(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Duration => json!({ "anyOf": [
            pattern("([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?"),
            { "const": 0 },
        ], "examples": ["30s", "2m", "1h30m"] }),
        Kind::Id => {
            json!({ "anyOf": [pattern("[a-z0-9][a-z0-9-]{0,63}"), { "type": "number" }, { "type": "boolean" }] })
        }
        Kind::Path => json!({ "type": "string", "pattern": "^(/|[A-Za-z]:[\\\\/]|%)|\\$" }),
        Kind::Budget => json!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": 1_000_000 },
            percentage(),
        ] }),
        Kind::Share => json!({ "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": 1_000_000 },
            percentage(),
        ] }),
        Kind::RegistryKey => {
            json!({ "type": "string", "pattern": "^(HKLM|HKU|HKEY_LOCAL_MACHINE|HKEY_USERS)\\\\.|\\$" })
        }
        Kind::Word(words) => json!({ "anyOf": [{ "enum": words }, variable()] }),
        Kind::List(of, least) => json!({ "type": "array", "items": kind(of), "minItems": least }),
        Kind::Many(of) => {
            json!({ "anyOf": [kind(of), { "type": "array", "items": kind(of), "minItems": 1 }] })
        }
        Kind::Named(of) => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,63}$" },
            "additionalProperties": kind(of),
        }),
        Kind::Rule => json!({ "$ref": "#/$defs/rule" }),
        Kind::Step => json!({ "$ref": "#/$defs/step" }),
        Kind::Construct(of) => construct(of, &[]),
        Kind::Short(of) => argument(of, &[]),
    }
}

/// A string of this form; or one with a variable in it, whose value the schema cannot know.
fn pattern(form: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "pattern": format!("^({form})$|\\$") })
}

fn percentage() -> Value {
    pattern("[0-9]{1,3}(\\.[0-9]{1,2})?%")
}

fn variable() -> Value {
    json!({ "type": "string", "pattern": "\\$" })
}

fn properties<'a>(keys: impl Iterator<Item = &'a Key>) -> Map<String, Value> {
    keys.map(|key| {
        let mut value = kind(&key.kind);
        if let Value::Object(map) = &mut value {
            map.insert("description".to_owned(), json!(key.doc));
        }
        (key.name.to_owned(), value)
    })
    .collect()
}

/// A map with the construct's keys and those of `others`.
fn construct(of: &Construct, others: &[Key]) -> Value {
    let required: Vec<&str> = of.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut out = json!({
        "type": "object",
        "description": of.doc,
        "properties": properties(of.keys.iter().chain(others)),
        "required": required,
        "additionalProperties": false,
    });
    let each =
        |names: &[&str]| -> Vec<Value> { names.iter().map(|name| json!({ "required": [name] })).collect() };
    if let Value::Object(map) = &mut out {
        if !of.at_least_one.is_empty() {
            map.insert("anyOf".to_owned(), json!(each(of.at_least_one)));
        }
        if !of.exactly_one.is_empty() {
            map.insert("oneOf".to_owned(), json!(each(of.exactly_one)));
        }
    }
    out
}

/// The argument of a check or step: its main key's value, or a map of all keys.
fn argument(of: &Construct, others: &[Key]) -> Value {
    let long = construct(of, others);
    match of.main.and_then(|main| of.key(main)) {
        None => long,
        Some(main) => json!({ "anyOf": [kind(&main.kind), long], "description": of.doc }),
    }
}

fn rule() -> Value {
    let mut words = Map::new();
    for (word, doc) in JOINS {
        let rules = json!({ "type": "array", "items": { "$ref": "#/$defs/rule" }, "minItems": 1, "description": doc });
        let one = json!({ "$ref": "#/$defs/rule", "description": doc });
        words.insert(word.to_owned(), if word == "not" { one } else { rules });
    }
    words.extend(CHECKS.iter().map(|check| (check.name.to_owned(), argument(check, &[]))));
    json!({
        "type": "object",
        "properties": words,
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": false,
    })
}

fn step() -> Value {
    let mut words = properties(STEP_COMMON.iter());
    words.extend(STEPS.iter().map(|step| (step.name.to_owned(), argument(step, STEP_COMMON))));
    let one: Vec<Value> = STEPS.iter().map(|step| json!({ "required": [step.name] })).collect();
    json!({ "type": "object", "properties": words, "additionalProperties": false, "oneOf": one })
}
