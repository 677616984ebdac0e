//! What holds for every history of looks.

use crate::Place;
use crate::runs::Run;
use proptest::prelude::*;
use std::collections::BTreeSet;
use uproot::directive::{Clock, built_in};
use uproot::model::ProductState;
use uproot::report::{Campaign, ChangeKind, Comparison, HostStatus, Report};

/// What one run tells of one host: nothing (not reached), or two products.
type Seen = Option<(ProductState, ProductState)>;

fn state() -> impl Strategy<Value = ProductState> {
    prop_oneof![
        Just(ProductState::Present),
        Just(ProductState::Residue),
        Just(ProductState::Unknown),
        Just(ProductState::Absent),
    ]
}

fn seen() -> impl Strategy<Value = Seen> {
    prop_oneof![1 => Just(None), 4 => (state(), state()).prop_map(Some)]
}

/// Runs over three hosts, each at its own day.
fn histories() -> impl Strategy<Value = Vec<[Seen; 3]>> {
    prop::collection::vec([seen(), seen(), seen()], 1..6)
}

const HOSTS: [&str; 3] = ["a", "b", "c"];

fn reports(place: &Place, history: &[[Seen; 3]]) -> Vec<Report> {
    let run = |(index, hosts): (usize, &[Seen; 3])| {
        let number = index as u32 + 1;
        let mut run = Run::new(number, "verify", &format!("2024-03-{number:02}T10:00:00Z"), &HOSTS);
        for (host, seen) in HOSTS.iter().zip(hosts) {
            match seen {
                Some((kesl, agent)) => run.look(host, &[("kesl", *kesl), ("klnagent", *agent)]),
                None => run.unreachable(host),
            };
        }
        run.report(&place.runs())
    };
    history.iter().enumerate().map(run).collect()
}

fn campaign(reports: &[Report], zone: &str) -> Campaign {
    let directive = built_in("bod-17-01").unwrap();
    let clock = Clock::new(&directive, Some("2024-01-30".parse().unwrap()), Some(zone)).unwrap();
    let utc = (jiff::tz::TimeZone::UTC, "UTC");
    Campaign::of(reports, Some(&clock), utc, "2024-09-01T00:00:00Z".parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_host_is_in_one_count_and_nothing_is_free_that_was_not_told_so(history in histories()) {
        let place = Place::new();
        let reports = reports(&place, &history);
        let campaign = campaign(&reports, "UTC");
        for point in &campaign.progress {
            let counts = point.counts;
            let sum = counts.remaining + counts.unknown + counts.exempt + counts.removed + counts.free;
            prop_assert_eq!((sum, counts.hosts), (3, 3));
            prop_assert!(counts.removed + counts.remaining >= counts.removed && counts.removed <= counts.found);
        }
        for (index, host) in HOSTS.iter().enumerate() {
            let told = campaign.hosts.iter().find(|told| told.host == *host).unwrap();
            let looks: Vec<(ProductState, ProductState)> =
                history.iter().filter_map(|run| run[index]).collect();
            let last = |pick: fn(&(ProductState, ProductState)) -> ProductState| {
                looks.iter().map(pick).rfind(|state| *state != ProductState::Unknown)
            };
            let last = [last(|look| look.0), last(|look| look.1)];
            let there = |state: &Option<ProductState>| {
                matches!(state, Some(ProductState::Present | ProductState::Residue))
            };
            let is_free = matches!(told.status, HostStatus::Removed | HostStatus::Free);
            prop_assert_eq!(told.status == HostStatus::Remaining, last.iter().any(there));
            prop_assert!(!is_free || last.iter().all(|state| *state == Some(ProductState::Absent)));
            prop_assert_eq!(told.done.is_some(), told.status == HostStatus::Removed);
            prop_assert_eq!(told.free_since.is_some(), is_free);
            prop_assert_eq!(told.last_look.is_some(), !looks.is_empty());
            let reached_last = history.last().unwrap()[index].is_some();
            prop_assert!(reached_last || looks.is_empty() || told.lost_sight.is_some());
        }
    }

    #[test]
    fn the_order_in_which_runs_are_given_does_not_matter(history in histories()) {
        let place = Place::new();
        let mut reports = reports(&place, &history);
        let told = campaign(&reports, "Australia/Sydney");
        reports.reverse();
        reports.extend_from_within(..1);
        prop_assert_eq!(campaign(&reports, "Australia/Sydney"), told);
    }

    #[test]
    fn a_run_that_reached_nobody_makes_nothing_better(history in histories()) {
        let place = Place::new();
        let reports = reports(&place, &history);
        let mut more = history.clone();
        more.push([None, None, None]);
        let with = campaign(&self::reports(&place, &more), "UTC");
        let without = campaign(&reports, "UTC");
        prop_assert_eq!(
            (with.counts.remaining, with.counts.unknown, with.counts.removed, with.counts.free),
            (without.counts.remaining, without.counts.unknown, without.counts.removed, without.counts.free)
        );
        prop_assert!(with.counts.lost >= without.counts.lost);
        prop_assert!(!with.is_nil_return());
        let was = |campaign: &Campaign| campaign.exit_code().code();
        prop_assert!(was(&with) != 0 && (was(&without) != 1 || was(&with) == 1));
    }

    #[test]
    fn what_is_not_told_is_never_gone_and_each_product_has_one_word(history in histories()) {
        let place = Place::new();
        let mut reports = reports(&place, &history);
        let last = reports.pop().unwrap();
        let comparison = Comparison::of(&last, &reports).unwrap();
        prop_assert!(comparison.changes.is_sorted_by_key(|change| change.kind));
        let mut named = BTreeSet::new();
        for change in &comparison.changes {
            prop_assert!(named.insert((change.host.clone(), change.product.clone())));
            let there = matches!(change.after, Some(ProductState::Present | ProductState::Residue));
            match change.kind {
                ChangeKind::CameBack | ChangeKind::New | ChangeKind::StillThere => prop_assert!(there),
                ChangeKind::LostSight => prop_assert_eq!(change.after, None),
                ChangeKind::Gone => prop_assert_eq!(change.after, Some(ProductState::Absent)),
            }
        }
        // Nothing that is there is without its word.
        for (index, host) in HOSTS.iter().enumerate() {
            let Some((kesl, agent)) = history.last().unwrap()[index] else { continue };
            for (product, state) in [("kesl", kesl), ("klnagent", agent)] {
                let there = matches!(state, ProductState::Present | ProductState::Residue);
                let key = ((*host).to_owned(), Some(product.to_owned()));
                prop_assert!(!there || named.contains(&key));
            }
        }
    }
}
