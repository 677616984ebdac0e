//! Validators that are not ours.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A JSON document of the repository.
pub(crate) fn document(path: &str) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(root().join(path)).unwrap()).unwrap()
}

fn complaints(validator: &jsonschema::Validator, text: &str) -> Vec<String> {
    let value: serde_json::Value = serde_json::from_str(text).unwrap();
    validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Checks a log against OASIS' own schema.
pub(crate) fn sarif(text: &str) {
    let mut schema = document("tests/schemas/sarif-schema-2.1.0.json");
    // Its pattern for languages has a bracket too many and is no regular expression; no log of ours has one.
    for place in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][place]["properties"]["language"];
        assert!(language.as_object_mut().unwrap().remove("pattern").is_some());
    }
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    assert_eq!(complaints(&validator, text), [""; 0]);
}

/// Our own schema; users may meet fields that a later uproot adds, tests may not.
fn closed() -> serde_json::Value {
    fn close(schema: &mut serde_json::Value) {
        match schema {
            serde_json::Value::Object(map) => {
                if map.contains_key("properties") {
                    map.insert("additionalProperties".into(), false.into());
                }
                map.values_mut().for_each(close);
            }
            serde_json::Value::Array(list) => list.iter_mut().for_each(close),
            _ => {}
        }
    }
    let mut schema = document("docs/report-schema.json");
    jsonschema::meta::validate(&schema).unwrap();
    close(&mut schema);
    schema
}

/// Checks a report against our schema.
pub(crate) fn json(text: &str) {
    assert_eq!(complaints(&jsonschema::validator_for(&closed()).unwrap(), text), [""; 0]);
}

/// Checks each line against our schema, and that the lines come in their order.
pub(crate) fn ndjson(text: &str) {
    let schema = closed();
    let line = serde_json::json!({ "$defs": schema["$defs"], "$ref": "#/$defs/line" });
    let validator = jsonschema::validator_for(&line).unwrap();
    let mut types = Vec::new();
    for line in text.lines() {
        assert_eq!(complaints(&validator, line), [""; 0], "{line}");
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        types.push(value["type"].as_str().unwrap().to_owned());
    }
    assert_eq!((types.first().unwrap().as_str(), types.last().unwrap().as_str()), ("run", "summary"));
    let inner = &types[1..types.len() - 1];
    let hosts = inner.iter().take_while(|kind| *kind == "host").count();
    assert!(inner[hosts..].iter().all(|kind| kind == "change"), "{types:?}");
}

/// Checks JUnit XML by xmllint against the schema of Jenkins' xUnit plugin, and that it is what GitLab
/// documents (https://docs.gitlab.com/ci/testing/unit_test_reports): it reads `testsuite`, `testcase` with
/// `name` and `classname`, `failure`, `error`, `system-out`; of two cases with one name and class it takes
/// the first only, and a file of 30 MB and more it refuses.
pub(crate) fn junit(text: &str) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let schema: PathBuf = root().join("tests/schemas/jenkins-junit-10.xsd");
    let output = Command::new("xmllint")
        .args(["--noout", "--nonet", "--huge", "--schema"])
        .args([schema.as_path(), file.path()])
        .output()
        .expect("xmllint of libxml2-utils");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let cases = regex::Regex::new("<testcase name=\"([^\"]+)\" classname=\"([^\"]+)\"").unwrap();
    let mut keys: Vec<(&str, &str)> = cases
        .captures_iter(text)
        .map(|found| found.extract())
        .map(|(_, [name, class])| (name, class))
        .collect();
    assert_eq!(keys.len(), text.matches("<testcase").count(), "a case without a name or a class");
    keys.sort_unstable();
    let count = keys.len();
    keys.dedup();
    assert_eq!(keys.len(), count, "two cases have one name");
    assert!(!text.contains("<skipped"));
}

/// Reads CSV by Python's own module; the rows by column.
pub(crate) fn csv(text: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let program = "import csv, io, json, sys\n\
                   text = sys.stdin.buffer.read().decode('utf-8')\n\
                   rows = list(csv.DictReader(io.StringIO(text, newline=''), strict=True))\n\
                   assert all(None not in row and None not in row.values() for row in rows)\n\
                   json.dump(rows, sys.stdout)\n";
    let mut child = Command::new("python3")
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let rows: Vec<std::collections::BTreeMap<String, String>> =
        serde_json::from_slice(&output.stdout).unwrap();
    for cell in rows.iter().flat_map(std::collections::BTreeMap::values) {
        assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '＝']), "a formula: {cell}");
        assert!(!cell.chars().any(char::is_control), "{cell:?}");
    }
    rows
}
