//! What changed on a host between the plan and now, for the products that the plan would remove.

use super::text::cut;
use crate::model::{Evidence, EvidenceRole, Finding, ProductState, Truth};
use std::collections::{BTreeMap, BTreeSet};

/// How many names of a difference are told.
const TOLD: usize = 3;

/// What differs between the findings of the plan and those of now, in words, for the given products
/// only; empty: nothing. Compared are the version, the answers of checks and what they matched;
/// never a check without `matched` (a process, a port, whether a service runs), so that a restarted
/// daemon is no difference. What was known and is unknown now differs: whatever permits a change
/// must be known.
#[must_use]
pub fn drift(planned: &[Finding], now: &[Finding], products: &[String]) -> Vec<String> {
    let products: BTreeSet<&str> = products.iter().map(String::as_str).collect();
    products.into_iter().flat_map(|product| of_product(product, planned, now)).collect()
}

fn of_product(product: &str, planned: &[Finding], now: &[Finding]) -> Vec<String> {
    let planned: Vec<&Finding> = planned.iter().filter(|finding| finding.product == product).collect();
    let now: Vec<&Finding> = now.iter().filter(|finding| finding.product == product).collect();
    match (planned.as_slice(), now.as_slice()) {
        ([planned], [now]) => of_finding(planned, now),
        ([], _) => vec![format!("`{product}`: the plan has no finding for it")],
        (_, []) => vec![format!("`{product}`: it was not looked for")],
        _ => vec![format!("`{product}`: more than one finding bears its name")],
    }
}

fn of_finding(planned: &Finding, now: &Finding) -> Vec<String> {
    let product = &planned.product;
    let mut differences = Vec::new();
    if now.result == ProductState::Unknown && planned.result != ProductState::Unknown {
        differences.push(format!("`{product}`: was {}, cannot be told now", planned.result.word()));
    }
    if planned.version != now.version {
        let word = |version: &Option<String>| {
            version.as_deref().map_or_else(|| "not known".to_owned(), |version| cut(version, 60).into_owned())
        };
        differences.push(format!(
            "`{product}`: version was {}, is {}",
            word(&planned.version),
            word(&now.version)
        ));
    }
    let (before, after) = (answers(planned), answers(now));
    let checks: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for check in checks {
        let (was, is) = (Answers::of(&before, check), Answers::of(&after, check));
        if was != is {
            differences.push(format!("`{product}`: {}", tell(check, &was, &is)));
        }
    }
    differences
}

type Key<'f> = (EvidenceRole, &'f str);

/// The answers of one check. One that stands twice in a rule has one answer twice.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Answers<'f> {
    truths: BTreeSet<Truth>,
    matched: BTreeSet<&'f str>,
    reason: Reason<'f>,
}

/// Why a check is unknown: told, not compared.
#[derive(Debug, Default, Clone, Copy)]
struct Reason<'f>(Option<&'f str>);

impl PartialEq for Reason<'_> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Reason<'_> {}

impl<'f> Answers<'f> {
    /// A check of which there is no evidence was answered with false.
    fn of(answers: &BTreeMap<Key<'f>, Self>, key: &Key<'f>) -> Self {
        answers
            .get(key)
            .cloned()
            .unwrap_or_else(|| Self { truths: BTreeSet::from([Truth::False]), ..Self::default() })
    }

    fn add(&mut self, evidence: &'f Evidence, matched: &'f [String]) {
        self.truths.insert(evidence.truth);
        self.matched.extend(matched.iter().map(String::as_str));
        self.reason = Reason(self.reason.0.or(evidence.reason.as_deref()));
    }

    fn words(&self) -> String {
        self.truths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
    }
}

fn answers(finding: &Finding) -> BTreeMap<Key<'_>, Answers<'_>> {
    let mut answers: BTreeMap<Key<'_>, Answers<'_>> = BTreeMap::new();
    for evidence in &finding.evidence {
        if let Some(matched) = &evidence.matched {
            answers.entry((evidence.role, evidence.check.as_str())).or_default().add(evidence, matched);
        }
    }
    answers
}

fn tell((role, check): &Key<'_>, was: &Answers<'_>, is: &Answers<'_>) -> String {
    let role = match role {
        EvidenceRole::Detect => "",
        EvidenceRole::Residue => " (residue)",
    };
    let mut text = format!("{check}{role}");
    if was.truths != is.truths {
        text += &format!(" was {}, is {}", was.words(), is.words());
        if let Some(reason) = is.reason.0.filter(|_| is.truths.contains(&Truth::Unknown)) {
            text += &format!(": {}", cut(reason, 200));
        }
    }
    for (word, names) in
        [("no longer there", &was.matched - &is.matched), ("new", &is.matched - &was.matched)]
    {
        if !names.is_empty() {
            text += &format!("; {word}: {}", list(&names));
        }
    }
    text
}

fn list(names: &BTreeSet<&str>) -> String {
    let mut text = names.iter().take(TOLD).map(|name| cut(name, 120)).collect::<Vec<_>>().join(", ");
    if names.len() > TOLD {
        text += &format!(" and {} more", names.len() - TOLD);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::{
        clean_host, complete, entry, gappy, package, package_check, process, service,
    };
    use crate::detect::{ProductRules, finding};
    use crate::facts::{Facts, Listing, PathEntry};
    use crate::model::Platform;
    use crate::playbook::{Check, PathKind, Pattern, Rule, VersionSource};

    fn host(change: impl FnOnce(&mut Facts)) -> Facts {
        let mut facts = clean_host();
        facts.packages.items.push(package("kesl", "12.1.0", "install ok installed"));
        facts.processes.items.push(process(812, "kesl", Some("/opt/kaspersky/kesl/kesl")));
        facts.services.items.push(service("kesl", Some("active")));
        facts.paths.insert("/opt/kaspersky/*".into(), paths(&["kesl"]));
        facts.paths.insert("/var/log/kesl".into(), paths(&["kesl.log"]));
        change(&mut facts);
        facts
    }

    fn paths(names: &[&str]) -> Listing<PathEntry> {
        let path = |name: &&str| entry(&format!("/opt/kaspersky/{name}"), PathKind::Directory, "root");
        complete(names.iter().map(path).collect())
    }

    fn look(facts: &Facts) -> Finding {
        let path =
            |path: &str| Rule::Check(Check::Path { path: Pattern::new(path), kind: None, owner: None });
        let service = |running| Rule::Check(Check::Service { name: Pattern::new("kesl"), running });
        let exe = Some(Pattern::new("/opt/kaspersky/**"));
        let detect = Rule::Any(vec![
            package_check("kesl"),
            service(None),
            service(Some(true)),
            Rule::Check(Check::Process { name: None, exe }),
            Rule::Check(Check::Port { port: 14000, protocol: "tcp".into() }),
        ]);
        let residue = Rule::Any(vec![path("/opt/kaspersky/*"), path("/var/log/kesl")]);
        let version = VersionSource::Package { name: Pattern::new("kesl") };
        let rules = ProductRules {
            id: "kesl",
            name: "Endpoint",
            class: crate::model::ProductClass::Product,
            platforms: &[Platform::Linux],
            detect: &detect,
            residue: Some(&residue),
            version: Some(&version),
        };
        finding(&rules, facts)
    }

    fn since(change: impl FnOnce(&mut Facts)) -> Vec<String> {
        drift(&[look(&host(|_| {}))], &[look(&host(change))], &["kesl".to_owned()])
    }

    #[test]
    fn what_changes_by_itself_is_no_drift() {
        let none: Vec<String> = vec![];
        assert_eq!(since(|_| {}), none);
        let restarted = |facts: &mut Facts| {
            facts.processes.items.pop();
            facts.processes.items.push(process(9999, "kesl", Some("/opt/kaspersky/kesl/kesl")));
        };
        assert_eq!(since(restarted), none);
        let stopped = |facts: &mut Facts| {
            facts.processes.items.pop();
            facts.services.items.pop();
            facts.services.items.push(service("kesl", Some("inactive")));
        };
        assert_eq!(since(stopped), none);
        let grown = |facts: &mut Facts| {
            facts.paths.values_mut().flat_map(|paths| &mut paths.items).for_each(|path| path.size += 1);
        };
        assert_eq!(since(grown), none);
        let installed_something_else = |facts: &mut Facts| {
            facts.packages.items.push(package("vim", "9", "install ok installed"));
        };
        assert_eq!(since(installed_something_else), none);
        let process_list_unread = |facts: &mut Facts| facts.processes = gappy(vec![]);
        assert_eq!(since(process_list_unread), none, "the product is as planned all the same");
    }

    #[test]
    fn an_upgraded_package_drifts() {
        let upgraded = |facts: &mut Facts| {
            facts.packages.items.pop();
            facts.packages.items.push(package("kesl", "12.2.0", "install ok installed"));
        };
        assert_eq!(
            since(upgraded),
            [
                "`kesl`: version was 12.1.0, is 12.2.0",
                "`kesl`: package `kesl`; no longer there: dpkg kesl 12.1.0 amd64 install ok installed; \
                 new: dpkg kesl 12.2.0 amd64 install ok installed",
            ]
        );
    }

    #[test]
    fn a_changed_status_drifts() {
        let half = |facts: &mut Facts| {
            facts.packages.items.pop();
            facts.packages.items.push(package("kesl", "12.1.0", "install ok half-configured"));
        };
        assert_eq!(since(half).len(), 1);
    }

    #[test]
    fn what_is_gone_or_new_drifts() {
        let removed = |facts: &mut Facts| {
            facts.packages.items.pop();
        };
        assert_eq!(
            since(removed),
            [
                "`kesl`: version was 12.1.0, is not known",
                "`kesl`: package `kesl` was true, is false; no longer there: dpkg kesl 12.1.0 amd64 install ok \
                 installed",
            ]
        );
        let more = |facts: &mut Facts| {
            facts.paths.insert("/opt/kaspersky/*".into(), paths(&["kesl", "ksc"]));
        };
        assert_eq!(
            since(more),
            ["`kesl`: path `/opt/kaspersky/*` (residue); new: /opt/kaspersky/ksc directory"]
        );
        let replaced = |facts: &mut Facts| {
            let file = entry("/opt/kaspersky/kesl", PathKind::File, "root");
            facts.paths.insert("/opt/kaspersky/*".into(), complete(vec![file]));
        };
        assert_eq!(since(replaced).len(), 1, "the type changed");
        let moved = |facts: &mut Facts| {
            facts.services.items.pop();
            let mut moved = service("kesl", Some("active"));
            moved.file = Some("/etc/systemd/system/kesl.service".into());
            facts.services.items.push(moved);
        };
        assert_eq!(since(moved).len(), 1, "the unit file is another");
        let all_gone = |facts: &mut Facts| *facts = Facts { paths: facts.paths.clone(), ..clean_host() };
        assert!(since(all_gone).len() >= 3);
    }

    #[test]
    fn what_was_known_must_be_known() {
        let unread = |facts: &mut Facts| facts.packages = gappy(vec![]);
        assert_eq!(
            since(unread),
            [
                "`kesl`: version was 12.1.0, is not known",
                "`kesl`: package `kesl` was true, is unknown: permission denied (mend: --become); no longer \
                 there: dpkg kesl 12.1.0 amd64 install ok installed",
            ]
        );
        let nothing_read = |facts: &mut Facts| {
            facts.packages = gappy(vec![]);
            facts.services = gappy(vec![]);
            facts.processes = gappy(vec![]);
        };
        assert_eq!(since(nothing_read)[0], "`kesl`: was present, cannot be told now");
        let unasked = |facts: &mut Facts| {
            facts.paths.clear();
        };
        assert_eq!(since(unasked).len(), 2);
    }

    #[test]
    fn a_product_known_only_by_its_process_must_stay_known() {
        let running = look(&host(|_| {}));
        let only_process = |result, truth| {
            let mut finding = Finding { result, version: None, ..running.clone() };
            finding.evidence.retain(|evidence| evidence.check.starts_with("process"));
            finding.evidence[0].truth = truth;
            finding
        };
        let was = only_process(ProductState::Present, Truth::True);
        let now = only_process(ProductState::Unknown, Truth::Unknown);
        assert_eq!(drift(&[was], &[now], &["kesl".to_owned()]), ["`kesl`: was present, cannot be told now"]);
    }

    #[test]
    fn only_the_products_asked_for_are_compared() {
        let was = look(&host(|_| {}));
        let now = look(&clean_host());
        assert_eq!(drift(std::slice::from_ref(&was), &[now], &[]), Vec::<String>::new());
    }

    #[test]
    fn a_missing_finding_drifts() {
        let found = [look(&host(|_| {}))];
        let kesl = ["kesl".to_owned()];
        assert_eq!(drift(&found, &[], &kesl), ["`kesl`: it was not looked for"]);
        assert_eq!(drift(&[], &found, &kesl), ["`kesl`: the plan has no finding for it"]);
        let twice = [found[0].clone(), found[0].clone()];
        assert_eq!(drift(&twice, &twice, &kesl), ["`kesl`: more than one finding bears its name"]);
    }
}
