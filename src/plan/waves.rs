//! Which host is in which wave. A host in two waves belongs to the first.

use super::PlannedWave;
use super::shown::count;
use crate::model::{Diagnostic, Place};
use crate::playbook::{Budget, Wave, WaveHosts};
use std::collections::BTreeSet;

/// A host that is to be in a wave.
pub(super) struct Member<'a> {
    pub(super) name: &'a str,
    /// Whether steps are planned for it.
    pub(super) has_work: bool,
}

/// What an inventory pattern selects, or why it is wrong.
pub(super) type Select<'a> = dyn Fn(&str) -> Result<BTreeSet<String>, Diagnostic> + 'a;

/// The waves with their hosts; one without any host of this plan is left out. `members` are in
/// inventory order.
///
/// # Errors
/// Patterns that are wrong or select nothing in the whole inventory, and hosts that are in no wave.
pub(super) fn assign(
    waves: &[Wave],
    members: &[Member<'_>],
    select: &Select<'_>,
) -> Result<Vec<PlannedWave>, Vec<Diagnostic>> {
    if waves.is_empty() {
        return Ok(built_in(members));
    }
    let mut left: Vec<&str> = members.iter().map(|member| member.name).collect();
    let mut planned = Vec::new();
    let mut errors = Vec::new();
    for wave in waves {
        match take(wave, members.len(), &mut left, select) {
            Ok(hosts) if hosts.is_empty() => {}
            Ok(hosts) => planned.push(PlannedWave {
                name: wave.name.clone(),
                hosts,
                parallel: wave.parallel,
                max_failures: wave.max_failures,
                max_unreachable: wave.max_unreachable,
                soak: wave.soak.as_secs(),
                approve: wave.approve,
                window: wave.window.clone(),
            }),
            Err(error) => errors.push(error),
        }
    }
    // With a broken pattern nobody can say who is left over.
    if errors.is_empty() && !left.is_empty() {
        errors.push(left_over(waves, &left));
    }
    if errors.is_empty() { Ok(planned) } else { Err(errors) }
}

/// One host with something to do, then the rest.
fn built_in(members: &[Member<'_>]) -> Vec<PlannedWave> {
    let first = members.iter().find(|member| member.has_work).map(|member| member.name);
    let rest = members.iter().map(|member| member.name).filter(|name| Some(*name) != first);
    let waves = [("first", first.into_iter().collect::<Vec<_>>()), ("rest", rest.collect())];
    waves
        .into_iter()
        .filter(|(_, hosts)| !hosts.is_empty())
        .map(|(name, hosts)| PlannedWave {
            name: name.to_owned(),
            hosts: hosts.into_iter().map(str::to_owned).collect(),
            parallel: None,
            max_failures: Budget::Percent(500),
            max_unreachable: None,
            soak: 0,
            approve: false,
            window: None,
        })
        .collect()
}

/// Takes a wave's hosts out of those that are left.
fn take(
    wave: &Wave,
    members: usize,
    left: &mut Vec<&str>,
    select: &Select<'_>,
) -> Result<Vec<String>, Diagnostic> {
    let taken: Vec<&str> = match &wave.hosts {
        WaveHosts::Rest => left.clone(),
        WaveHosts::First(number) => left.iter().take(number.of(members).max(1)).copied().collect(),
        WaveHosts::Pattern(pattern) => {
            let shown = "`uproot inventory list` shows the groups and hosts";
            let selected = select(pattern).map_err(|wrong| {
                let message = format!("hosts `{pattern}` of wave `{}`: {}", wave.name, wrong.message);
                at(wave.place.as_ref(), message).with_help(wrong.help.unwrap_or_else(|| shown.to_owned()))
            })?;
            if selected.is_empty() {
                let message =
                    format!("hosts `{pattern}` of wave `{}` select no host of the inventory", wave.name);
                return Err(at(wave.place.as_ref(), message).with_help(shown));
            }
            left.iter().filter(|name| selected.contains(**name)).copied().collect()
        }
    };
    let gone: BTreeSet<&str> = taken.iter().copied().collect();
    left.retain(|name| !gone.contains(name));
    Ok(taken.into_iter().map(str::to_owned).collect())
}

fn at(place: Option<&Place>, message: String) -> Diagnostic {
    place.map_or_else(
        || Diagnostic { place: None, ..Diagnostic::file_error("", message.clone()) },
        |place| Diagnostic::error(place, message.clone()),
    )
}

fn left_over(waves: &[Wave], left: &[&str]) -> Diagnostic {
    let shown = left.iter().take(5).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = left.len().saturating_sub(5);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let verb = if left.len() == 1 { "is" } else { "are" };
    let message = format!("{} {verb} in no wave: {shown}{more}", count(left.len(), "host"));
    at(waves.last().and_then(|wave| wave.place.as_ref()), message).with_help(
        "let a last wave take all that is left, with `hosts: all`; or leave them out with `--limit`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(name: &str, hosts: WaveHosts) -> Wave {
        let place = Place { file: "p.yml".into(), line: 9, column: 5, length: 4 };
        Wave {
            name: name.to_owned(),
            hosts,
            parallel: None,
            max_failures: Budget::Count(0),
            max_unreachable: None,
            soak: std::time::Duration::ZERO,
            approve: false,
            window: None,
            place: Some(place),
        }
    }

    fn members() -> Vec<Member<'static>> {
        let member = |name, has_work| Member { name, has_work };
        vec![member("a", false), member("b", true), member("c", true), member("d", false)]
    }

    fn select(pattern: &str) -> Result<BTreeSet<String>, Diagnostic> {
        match pattern {
            "all" => Ok(["a", "b", "c", "d"].map(str::to_owned).into()),
            "canary" => Ok(["c", "a"].map(str::to_owned).into()),
            "elsewhere" => Ok(["x".to_owned()].into()),
            "empty" => Ok(BTreeSet::new()),
            _ => Err(Diagnostic::file_error("pattern", "there is no such group")),
        }
    }

    fn names(waves: &[PlannedWave]) -> Vec<(String, String)> {
        waves.iter().map(|wave| (wave.name.clone(), wave.hosts.join(" "))).collect()
    }

    fn pattern(text: &str) -> WaveHosts {
        WaveHosts::Pattern(text.to_owned())
    }

    #[test]
    fn without_waves_the_first_host_with_work_goes_alone() {
        let waves = assign(&[], &members(), &select).unwrap();
        assert_eq!(names(&waves), [("first".into(), "b".into()), ("rest".into(), "a c d".into())]);
        assert!(waves.iter().all(|wave| wave.max_failures == Budget::Percent(500)));
    }

    #[test]
    fn without_work_there_is_one_wave_and_without_hosts_none() {
        let idle = [Member { name: "a", has_work: false }];
        assert_eq!(names(&assign(&[], &idle, &select).unwrap()), [("rest".into(), "a".into())]);
        assert!(assign(&[], &[], &select).unwrap().is_empty());
    }

    #[test]
    fn a_host_in_two_waves_belongs_to_the_first() {
        let waves = [wave("canary", pattern("canary")), wave("all", pattern("all"))];
        let planned = assign(&waves, &members(), &select).unwrap();
        assert_eq!(names(&planned), [("canary".into(), "a c".into()), ("all".into(), "b d".into())]);
    }

    #[test]
    fn first_and_rest_take_in_inventory_order() {
        let waves = [wave("two", WaveHosts::First(Budget::Count(2))), wave("more", WaveHosts::Rest)];
        let planned = assign(&waves, &members(), &select).unwrap();
        assert_eq!(names(&planned), [("two".into(), "a b".into()), ("more".into(), "c d".into())]);
    }

    #[test]
    fn a_first_share_is_of_all_hosts_and_never_nobody() {
        for (percent, first) in [(5000, "a b"), (7400, "a b"), (100, "a"), (10_000, "a b c d")] {
            let waves =
                [wave("some", WaveHosts::First(Budget::Percent(percent))), wave("more", WaveHosts::Rest)];
            assert_eq!(names(&assign(&waves, &members(), &select).unwrap())[0].1, first, "{percent}");
        }
        // Of those left over there may be fewer.
        let waves = [wave("one", pattern("canary")), wave("two", WaveHosts::First(Budget::Percent(7500)))];
        assert_eq!(names(&assign(&waves, &members(), &select).unwrap())[1].1, "b d");
    }

    #[test]
    fn the_gates_of_a_wave_come_into_the_plan() {
        let gated = Wave {
            soak: std::time::Duration::from_secs(90),
            approve: true,
            window: Some("Mon 22:00-05:00 UTC".parse().unwrap()),
            ..wave("all", WaveHosts::Rest)
        };
        let planned = assign(std::slice::from_ref(&gated), &members(), &select).unwrap();
        assert_eq!((planned[0].soak, planned[0].approve, &planned[0].window), (90, true, &gated.window));
    }

    #[test]
    fn a_wave_whose_hosts_are_not_in_this_plan_is_left_out() {
        let waves = [wave("elsewhere", pattern("elsewhere")), wave("all", pattern("all"))];
        assert_eq!(names(&assign(&waves, &members(), &select).unwrap()), [("all".into(), "a b c d".into())]);
    }

    #[test]
    fn wrong_patterns_are_all_told_and_hosts_in_no_wave_are_named() {
        let waves = [wave("one", pattern("nope")), wave("two", pattern("empty"))];
        let errors = assign(&waves, &members(), &select).unwrap_err();
        assert_eq!(errors.len(), 2, "{errors:?}");
        let errors = assign(&[wave("canary", pattern("canary"))], &members(), &select).unwrap_err();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].message, "2 hosts are in no wave: `b`, `d`");
        assert!(errors[0].help.is_some());
        assert_eq!(errors[0].place.as_ref().map(|place| place.line), Some(9));
    }
}
