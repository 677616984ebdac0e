//! Campaigns over several runs, and comparisons with earlier ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

#[path = "campaign/compare.rs"]
mod compare;
#[path = "campaign/deadlines.rs"]
mod deadlines;
#[path = "campaign/doubt.rs"]
mod doubt;
#[path = "campaign/properties.rs"]
mod properties;
#[path = "campaign/runs.rs"]
mod runs;

use runs::{KESL, NONE, Run, id};
pub(crate) use runs::{campaign_of, four_runs};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A directory of runs, and the program on it.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn runs(&self) -> PathBuf {
        self.0.path().join("runs")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn uproot(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_uproot"))
            .args(arguments)
            .current_dir(self.0.path())
            .env("HOME", self.0.path())
            .env("UPROOT_RUNS", self.runs())
            .env_remove("XDG_STATE_HOME")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Standard output and the exit code.
    #[track_caller]
    pub(crate) fn says(&self, arguments: &[&str]) -> (String, i32) {
        let output = self.uproot(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        (text, output.status.code().unwrap())
    }

    /// Insists on exit 2 with words and a help line, and nothing on standard output.
    #[track_caller]
    pub(crate) fn refuses(&self, arguments: &[&str], words: &[&str]) {
        let output = self.uproot(arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}\n{told}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        for word in words {
            assert!(told.contains(word), "{arguments:?} does not say `{word}`:\n{told}");
        }
        let helps =
            ["help: ", "try '--help'", "`uproot runs list` shows"].iter().any(|help| told.contains(help));
        assert!(helps, "{arguments:?}\n{told}");
    }
}

/// A table without its line breaks, for texts that are wrapped.
pub(crate) fn one_line(table: &str) -> String {
    table.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The options of the four runs' clock.
fn clock<'a>(zone: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments =
        vec!["report", "--all", "--directive", "bod-17-01", "--since", "2024-01-30", "--time-zone", zone];
    arguments.extend(more);
    arguments
}

#[test]
fn the_table_of_four_runs() {
    let place = Place::new();
    four_runs(&place.runs());
    let (table, code) = place.says(&clock("America/New_York", &["--as-of", "2024-06-01"]));
    insta::assert_snapshot!("four_runs", table);
    assert_eq!(code, 1, "a product is there again");
    let (verbose, _) = place.says(&clock("America/New_York", &["--as-of", "2024-06-01", "-v"]));
    insta::assert_snapshot!("four_runs_with_all_details", verbose);
    assert!(verbose.lines().all(|line| line.chars().count() <= 80), "{verbose}");
}

#[test]
fn the_json_of_four_runs_is_what_its_schema_says() {
    let place = Place::new();
    four_runs(&place.runs());
    let (text, _) = place.says(&clock("America/New_York", &["--as-of", "2024-06-01", "--format", "json"]));
    insta::assert_snapshot!("four_runs_json", text);
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/campaign-schema.json");
    let mut schema: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    // Every field is described: what the schema does not know is refused here.
    fn close(node: &mut serde_json::Value) {
        if let Some(map) = node.as_object_mut() {
            if map.get("additionalProperties") == Some(&serde_json::Value::Bool(true)) {
                map.insert("additionalProperties".to_owned(), serde_json::Value::Bool(false));
            }
            map.values_mut().for_each(close);
        } else if let Some(list) = node.as_array_mut() {
            list.iter_mut().for_each(close);
        }
    }
    close(&mut schema);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let document = serde_json::from_str(&text).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let other = serde_json::json!({"uproot_campaign": 1});
    assert!(!validator.is_valid(&other));
}

#[test]
fn the_page_of_a_campaign_is_written_beside_its_other_forms() {
    let place = Place::new();
    four_runs(&place.runs());
    let more = ["--as-of", "2024-06-01", "-o", "c.html", "-o", "c.json", "-o", "c.md"];
    let output = place.uproot(&clock("America/New_York", &more));
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let page = std::fs::read_to_string(place.path("c.html")).unwrap();
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.path("c.json")).unwrap()).unwrap();
    assert!(
        page.starts_with("<!DOCTYPE html>")
            && page.contains("2 of 5 hosts still have a product or its residue.")
    );
    for deadline in json["deadlines"].as_array().unwrap() {
        assert!(page.contains(deadline["evidence"].as_str().unwrap()), "{deadline}");
    }
    // Every run was checked, and none is sealed.
    assert_eq!(page.matches("<span class=\"st good\">whole</span>").count(), 4);
    assert!(json["runs"].as_array().unwrap().iter().all(|run| run["journal"]["broken"] == false));
    assert!(page.contains("not sealed") && !page.contains("role=\"alert\""));

    // One run by a directive is a campaign of one.
    let one = id(1);
    let (page, _) = place.says(&[
        "report",
        &one,
        "--directive",
        "bod-17-01",
        "--since",
        "2024-01-30",
        "--format",
        "html",
    ]);
    assert!(
        page.contains("campaign of 1 run<")
            && page.contains("4 of 5 hosts still have a product or its residue.")
    );

    // A broken one is said first, in the page as in the title.
    let journal = place.runs().join(id(3)).join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replacen("\"status\":0", "\"status\":1", 1)).unwrap();
    let html = ["--as-of", "2024-06-01", "--format", "html"];
    let refused = place.uproot(&clock("UTC", &html));
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(3), 0));
    let (page, _) = place.says(&clock("UTC", &[&html[..], &["--even-if-broken"]].concat()));
    assert!(
        page.contains("<title>BROKEN JOURNAL: ")
            && page.contains("<body><div class=\"broken\" role=\"alert\"><strong>1 journal")
    );
    assert!(page.contains("nothing can be concluded from it"));
}

#[test]
fn one_instant_is_another_day_in_another_zone() {
    let place = Place::new();
    four_runs(&place.runs());
    // 2024-03-01 03:30 UTC is the evening of the leap day in New York: the identification is in time only there.
    for (zone, met, end) in [
        ("America/New_York", "met", "2024-03-01T05:00:00Z"),
        ("UTC", "met late", "2024-03-01T00:00:00Z"),
        ("Australia/Sydney", "met late", "2024-02-29T13:00:00Z"),
    ] {
        let (text, _) = place.says(&clock(zone, &["--as-of", "2024-06-01", "--format", "json"]));
        let campaign: serde_json::Value = serde_json::from_str(&text).unwrap();
        let deadlines = campaign["deadlines"].as_array().unwrap();
        let of = |id: &str| deadlines.iter().find(|deadline| deadline["id"] == id).unwrap();
        assert_eq!(of("identify")["day"], "2024-02-29", "{zone}");
        assert_eq!(of("identify")["end"], end, "{zone}");
        assert_eq!(of("identify")["state"], met, "{zone}");
        assert_eq!(of("identify")["by"]["run"], id(1), "{zone}");
        assert_eq!(of("plan")["day"], "2024-03-30");
        assert_eq!(of("plan")["state"], "met");
        assert_eq!(of("plan")["by"]["run"], id(2));
        assert_eq!(of("begin")["day"], "2024-04-29");
        assert_eq!(of("begin")["state"], "met");
        assert_eq!(of("begin")["by"]["run"], id(3));
        let status: Vec<_> = deadlines.iter().filter(|deadline| deadline["id"] == "status").collect();
        let days: Vec<_> = status.iter().map(|deadline| deadline["day"].as_str().unwrap()).collect();
        assert_eq!(days, ["2024-05-29", "2024-06-28"], "{zone}");
        assert_eq!((&status[0]["state"], &status[0]["by"]["run"]), (&"ready".into(), &id(4).into()));
        assert_eq!(status[1]["state"], "open");
        assert_eq!(status[1]["days_left"], 27, "{zone}");
        assert_eq!(status[0]["confirmed"], false);
    }
}

#[test]
fn runs_are_given_in_every_way_and_in_any_order() {
    let place = Place::new();
    four_runs(&place.runs());
    let all = place.says(&clock("UTC", &["--as-of", "2024-06-01"]));
    let dir = place.runs().join(id(4));
    let (one, two) = (id(1), id(2));
    let named = [
        "report",
        "last",
        &one,
        dir.to_str().unwrap(),
        &two,
        "runs/00000000-0000-7000-8000-000000000003",
        "--directive",
        "bod-17-01",
        "--since",
        "2024-01-30",
        "--time-zone",
        "UTC",
        "--as-of",
        "2024-06-01",
    ];
    assert_eq!(place.says(&named), all);
    // Without a directive there are no deadlines, and days end in UTC.
    let (table, _) = place.says(&["report", &one, &two]);
    assert!(table.contains("campaign of 2 runs") && table.contains("UTC") && !table.contains("deadlines"));
    // One run by a clock is a campaign of one.
    let (table, code) = place.says(&["report", &one, "--directive", "ndaa-1634"]);
    assert!(table.contains("campaign of 1 run,") && table.contains("MISSED"), "{table}");
    assert_eq!(code, 1);
    // One run without a clock is its report.
    assert!(place.says(&["report", &one]).0.starts_with("identify at 2024-03-01"));
}

#[test]
fn what_ended_after_the_day_is_left_out() {
    let place = Place::new();
    four_runs(&place.runs());
    let (table, _) = place.says(&clock("America/New_York", &["--as-of", "2024-03-20"]));
    assert!(table.contains("campaign of 2 runs"), "{table}");
    assert!(table.contains(&format!("run {} ended after", id(3))), "{table}");
    assert!(table.contains("2024-04-29  begin: open, 40 days left"), "{table}");
    let (table, _) = place.says(&clock("America/New_York", &["--as-of", "2024-04-29"]));
    assert!(table.contains("2024-04-29  begin: met"), "{table}");
}

#[test]
fn unfinished_and_stopped_runs_are_said_to_be() {
    let place = Place::new();
    Run::new(1, "identify", "2024-02-01T10:00:00Z", &["a", "b"]).look("a", NONE).write(&place.runs());
    let stop = uproot::model::Event::RunStopped {
        reason: "wave `rest` needs approval".to_owned(),
        exit: uproot::model::ExitCode::Stopped,
    };
    Run::new(2, "apply", "2024-02-02T10:00:00Z", &["a"]).add(None, stop).write(&place.runs());
    let (table, code) = place.says(&["report", "--all"]);
    let table = one_line(&table);
    assert!(table.contains(&format!("run {} is not finished", id(1))), "{table}");
    assert!(table.contains("was stopped: wave `rest` needs approval"), "{table}");
    assert_eq!(code, 3);
}

#[test]
fn wrong_input_is_told_with_its_remedy() {
    let place = Place::new();
    four_runs(&place.runs());
    let (one, two) = (id(1), id(2));
    let one = one.as_str();
    place.refuses(&["report"], &["<RUN>..."]);
    place.refuses(&["report", "nothing"], &["nothing"]);
    place.refuses(&["report", "--all", "--directive", "bod-17-1"], &["did you mean `bod-17-01`?"]);
    place.refuses(&["report", "--all", "--directive", "zzz"], &["no built-in directive `zzz`", "ndaa-1634"]);
    place.refuses(&["report", "--all", "--directive", "none.yml"], &["none.yml", "cannot be read"]);
    place.refuses(&["report", one, "--since", "2024-01-01"], &["there is no directive"]);
    place.refuses(&["report", one, "--directive", "bod-17-01", "--since", "30.1.2024"], &["2027-01-31"]);
    place.refuses(&["report", one, "--directive", "bod-17-01", "--since", "2023-02-29"], &["2023-02-29"]);
    place.refuses(&["report", one, "--time-zone", "Mars/Base"], &["no time zone `Mars/Base`"]);
    place.refuses(&["report", one, "--as-of", "2199-01-01"], &["still to come"]);
    place.refuses(&["report", one, "--as-of", "2024-01-01"], &["none of these runs had ended"]);
    place.refuses(&["report", one, &two, "--against", one], &["does not go with a campaign"]);
    std::fs::write(
        place.path("own.yml"),
        "directive: 1\nid: own\nname: Own\ndeadlines:\n- {id: a, what: b, goal: plan, after: 5 days}\n",
    )
    .unwrap();
    place.refuses(&["report", one, "--directive", "own.yml"], &["counts its days from a start", "--since"]);
    std::fs::write(
        place.path("bad.yml"),
        "directive: 1\nid: own\nname: Own\ndeadlines:\n- {id: a, what: b, goal: pln}\n",
    )
    .unwrap();
    place.refuses(
        &["report", one, "--directive", "bad.yml"],
        &["bad.yml:5:", "did you mean `plan`?", "a deadline has no day"],
    );
    std::fs::create_dir_all(place.path("empty")).unwrap();
    place.refuses(&["report", "--all", "--runs", "empty"], &["there is no run in `empty`"]);
    let (table, _) = place.says(&["report", one, "--directive", "own.yml", "--since", "2024-01-01"]);
    assert!(table.contains("directive own: Own, days counted from 2024-01-01"), "{table}");
}

#[test]
fn directives_are_listed_and_shown() {
    let place = Place::new();
    let (list, code) = place.says(&["directive", "list"]);
    assert_eq!(code, 0);
    for directive in uproot::directive::built_in_directives() {
        assert!(list.contains(&directive.id) && list.contains(&directive.name), "{list}");
    }
    let (shown, _) = place.says(&["directive", "show", "bod-17-01", "--since", "2024-01-30"]);
    insta::assert_snapshot!("directive_show", shown);
    let (shown, _) = place.says(&["directive", "show", "far-52-204-23"]);
    assert!(shown.contains("3 business days after the first sighting"), "{shown}");
    place.refuses(&["directive", "show", "bod-17-01", "--time-zone", "Nowhere"], &["no time zone"]);
}

#[test]
fn the_directives_of_the_guide_can_be_read() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/directives.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks: Vec<&str> = page
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("```")?.0))
        .filter(|block| block.starts_with("directive: 1"))
        .collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let directive = uproot::directive::parse("guide", block).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert!(directive.deadlines.len() >= 4);
    }
    for directive in uproot::directive::built_in_directives() {
        assert!(page.contains(&format!("`{}`", directive.id)), "{} is not in the guide", directive.id);
    }
}
