use super::*;
use crate::playbook::RebootPolicy;

#[test]
fn the_file_comes_back_as_it_was_written_and_is_nobody_elses() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.plan");
    let plan = plan_one(&playbook(), kesl_facts("web01"));
    let written = write(&path, &plan, false).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (again, bytes, digest) = read(&path).unwrap();
    assert_eq!(again, plan);
    assert_eq!(bytes, to_bytes(&plan));
    assert_eq!(written, digest);
    assert_eq!(digest, super::digest(&bytes));
    assert_eq!(super::digest(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

    assert!(matches!(write(&path, &plan, false), Err(PlanError::Exists { .. })));
    write(&path, &plan, true).unwrap();
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing else is left in the directory");
    assert!(matches!(write(&directory.path().join("no/x"), &plan, false), Err(PlanError::Io { .. })));
}

#[test]
fn an_edited_file_is_refused_wherever_it_was_edited() {
    let plan = plan_one(&playbook(), kesl_facts("web01"));
    let text = String::from_utf8(to_bytes(&plan)).unwrap();
    assert!(read_text(&text).is_ok());
    let edits = [
        ("\"uproot_plan\": 1,", "\"uproot_plan\": 1,\n \"surprise\": 1,"),
        ("\"check\":", "\"surprise\": 1, \"check\":"),
        ("\"machine_id\":", "\"surprise\": 1, \"machine_id\":"),
        ("\"timeout\": 300", "\"timeout\": 300.0"),
        ("\"settle\": 120", "\"settle\":  120"),
    ];
    for (from, to) in edits {
        assert!(text.contains(from), "{from}");
        let error = read_text(&text.replacen(from, to, 1)).unwrap_err();
        assert!(matches!(error, PlanError::NotAPlan { .. }), "{to}: {error}");
        assert!(error.to_string().contains("line"), "{error}");
    }
    for garbage in ["", "{", "[]", "{\"uproot_plan\": 0}", "{\"uproot_plan\": 1}", "not json"] {
        assert!(matches!(read_text(garbage), Err(PlanError::NotAPlan { .. })), "{garbage}");
    }
    let newer = read_text("{\"uproot_plan\": 2, \"anything\": []}").unwrap_err();
    assert!(newer.to_string().contains("made by a newer uproot"), "{newer}");
}

/// What reading says of a plan that was changed and written again.
fn defects_after(change: Change) -> String {
    let mut plan = plan_for(&playbook(), &[kesl_facts("a"), clean_facts("b")]).unwrap();
    change(&mut plan);
    match read_text(&String::from_utf8(to_bytes(&plan)).unwrap()) {
        Err(PlanError::Invalid { defects, .. }) => defects.join("; "),
        other => panic!("{other:?}"),
    }
}

/// Gives a host a reboot, whatever the policy is.
fn with_reboot(plan: &mut Plan, host: usize) {
    let playbook = Playbook {
        policy: Policy { reboot: RebootPolicy::IfNeeded, require_protection: None },
        ..playbook()
    };
    plan.hosts[host].reboot = plan_one(&playbook, kesl_facts("a")).hosts.remove(0).reboot;
}

#[test]
fn a_window_that_is_none_is_no_plan() {
    let mut plan = plan_one(&playbook(), kesl_facts("web01"));
    plan.waves[0].window = Some("Mon 22:00-05:00 UTC".parse().unwrap());
    let text = String::from_utf8(to_bytes(&plan)).unwrap();
    assert_eq!(read_text(&text).unwrap(), plan);
    let error = read_text(&text.replace("Mon 22:00-05:00", "Mon 22:00-25:00")).unwrap_err();
    assert!(error.to_string().contains("`25:00` is not a time"), "{error}");
}

#[test]
fn a_plan_that_contradicts_itself_is_refused() {
    let cases: [(&str, Change); 21] = [
        ("host `a` is in 0 waves", |plan| plan.waves[0].hosts.clear()),
        ("host `a` is in 2 waves", |plan| plan.waves[1].hosts.push("a".into())),
        ("which the plan does not have", |plan| plan.waves[1].hosts.push("x".into())),
        ("wave `first` is there twice", |plan| plan.waves[1].name = "first".into()),
        ("host `a` is there twice", |plan| plan.hosts[1].name = "a".into()),
        ("product `kesl` is there twice", |plan| plan.products[0].id = "kesl".into()),
        ("it has no script", |plan| plan.hosts[0].steps[0].script.clear()),
        ("it has a script", |plan| plan.hosts[0].steps[0].already_so = true),
        ("step `kesl/1` is there twice", |plan| plan.hosts[0].steps[1].id = "kesl/1".into()),
        ("it is not a number of product", |plan| plan.hosts[0].steps[1].id = "other/1".into()),
        ("is no kind of step", |plan| plan.hosts[0].steps[0].kind = "format_disk".into()),
        ("of a product that is not planned", |plan| plan.hosts[0].gone_after.clear()),
        ("and was not found", |plan| plan.hosts[1].gone_after.push("kesl".into())),
        ("no time", |plan| plan.hosts[0].steps[0].timeout = 0),
        ("uses the secret `x`", |plan| plan.hosts[0].steps[0].stdin = Some("x".into())),
        ("uses the secret `y`", |plan| plan.hosts[0].connection.password = Some("y".into())),
        ("its machine is not known", |plan| plan.hosts[0].identity = Default::default()),
        ("which the plan's policy forbids", |plan| plan.hosts[0].steps[0].kind = "reboot".into()),
        ("its reboot: it reboots, which the plan's policy forbids", |plan| with_reboot(plan, 0)),
        ("host `b`: its reboot: nothing goes before it", |plan| with_reboot(plan, 1)),
        ("its reboot: it is another step", |plan| {
            plan.reboot = RebootPolicy::IfNeeded;
            plan.hosts[0].reboot = Some(plan.hosts[0].steps[0].clone());
        }),
    ];
    for (expected, change) in cases {
        let defects = defects_after(change);
        assert!(defects.contains(expected), "{expected}: {defects}");
    }
}
