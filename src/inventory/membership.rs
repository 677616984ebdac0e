//! Patterns asked of one host, by its name and groups, where there is no inventory to select from: a plan
//! and a journal keep no more of a host than these.
//!
//! The language is that of `select`, without what only an inventory can answer: ports, and positions in a
//! group. A term that nothing bears is no mistake here: it selects nobody.

use super::pattern::{Sign, Term, glob, regex, split};
use super::range;
use super::values::{Wrong, is_ipv6, quoted};
use crate::model::{Diagnostic, Place, Truth};
use std::collections::BTreeSet;

/// The most hosts that a range of names may stand for.
const MOST_NAMES: usize = 10_000;

/// A pattern such as `db:!db-test` or `all:&linux`, to be asked of single hosts.
#[derive(Debug, Clone)]
pub struct HostPattern(Vec<(Sign, Test)>);

/// What a term asks of a name.
#[derive(Debug, Clone)]
enum Test {
    All,
    Exactly(String),
    /// One of these names; the word before the brackets, which may have been meant as a group.
    Names(BTreeSet<String>, String),
    Regex(Box<regex::Regex>),
    Glob(Box<globset::GlobMatcher>),
}

impl HostPattern {
    /// Reads a pattern. `place` is where it stands.
    ///
    /// # Errors
    /// The first term that is not valid, or that needs an inventory.
    pub fn parse(pattern: &str, place: &Place) -> Result<Self, Diagnostic> {
        let here = |diagnostic: Diagnostic| Diagnostic { place: Some(place.clone()), ..diagnostic };
        let terms = split(pattern, place).map_err(here)?;
        let tests = terms.iter().map(|term| Ok((term.sign, test(term)?)));
        tests.collect::<Result<_, Wrong>>().map(Self).map_err(|wrong| wrong.at(place))
    }

    /// Whether it selects a host of this name in these groups. `groups`: none where nothing is known of
    /// them, so that whatever depends on them is unknown.
    #[must_use]
    pub fn selects(&self, host: &str, groups: Option<&[String]>) -> Truth {
        let of = |sign: Sign| {
            let tests = self.0.iter().filter(move |(s, _)| *s == sign);
            tests.map(|(_, test)| test.holds(host, groups))
        };
        let joined = of(Sign::Join).reduce(Truth::or).unwrap_or(Truth::True);
        let kept = of(Sign::Keep).fold(joined, Truth::and);
        of(Sign::Remove).fold(kept, |selected, removed| selected.and(!removed))
    }
}

fn test(term: &Term) -> Result<Test, Wrong> {
    let text = term.text.as_str();
    if term.port.is_some() {
        let message = format!("{} has a port, and only names and groups are asked for here", quoted(text));
        return Err(Wrong::new(message, "leave the port out; separate terms by `,` if a name is a number"));
    }
    if text == "all" {
        return Ok(Test::All);
    }
    if let Some(expression) = text.strip_prefix('~') {
        return regex(expression).map(|regex| Test::Regex(Box::new(regex)));
    }
    if let Some(address) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).filter(|t| is_ipv6(t)) {
        return Ok(Test::Exactly(address.to_owned()));
    }
    if let Some((group, inner)) = text.strip_suffix(']').and_then(|t| t.rsplit_once('[')) {
        if is_position(inner) {
            let message =
                format!("{} is a position in a group, which changes with the inventory", quoted(text));
            return Err(Wrong::new(message, format!("name the hosts, or the group: `{group}`")));
        }
        if inner.contains(':') {
            let names = range::expand(text, MOST_NAMES).map_err(|error| error.wrong)?;
            return Ok(Test::Names(names.into_iter().collect(), group.to_owned()));
        }
    }
    if text.contains('[') && text.contains(':') {
        let names = range::expand(text, MOST_NAMES).map_err(|error| error.wrong)?;
        return Ok(Test::Names(names.into_iter().collect(), String::new()));
    }
    if text.contains(['*', '?', '[', '{']) {
        return glob(text).map(|glob| Test::Glob(Box::new(glob)));
    }
    Ok(Test::Exactly(text.to_owned()))
}

/// `0`, `-1`, `1:`, `:3`: what can only be a position.
fn is_position(inner: &str) -> bool {
    let number = |text: &str| text.parse::<i64>().is_ok();
    match inner.split_once(':') {
        None => number(inner),
        Some((first, last)) => {
            (first.is_empty() && (last.is_empty() || number(last)))
                || (last.is_empty() && number(first))
                || first.starts_with('-')
                || last.starts_with('-')
        }
    }
}

impl Test {
    fn holds(&self, host: &str, groups: Option<&[String]>) -> Truth {
        if self.names(host) {
            return Truth::True;
        }
        let Some(groups) = groups else { return Truth::Unknown };
        if groups.is_empty() && self.names("ungrouped") || groups.iter().any(|group| self.names(group)) {
            return Truth::True;
        }
        match self {
            // `web[1:9]` may have meant positions in the group.
            Self::Names(_, group) if groups.contains(group) => Truth::Unknown,
            _ => Truth::False,
        }
    }

    fn names(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Exactly(wanted) => wanted == name,
            Self::Names(names, _) => names.contains(name),
            Self::Regex(regex) => regex.is_match(name),
            Self::Glob(glob) => glob.is_match(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Inventory, local, select};
    use proptest::prelude::*;

    fn place() -> Place {
        Place { file: "waivers.yml".into(), line: 3, column: 12, length: 4 }
    }

    fn selects(pattern: &str, host: &str, groups: Option<&[&str]>) -> Truth {
        let groups: Option<Vec<String>> =
            groups.map(|groups| groups.iter().map(|group| (*group).to_owned()).collect());
        HostPattern::parse(pattern, &place()).unwrap().selects(host, groups.as_deref())
    }

    #[test]
    fn a_host_is_selected_by_its_name_or_a_group() {
        use Truth::{False, True};
        for (pattern, wanted) in [
            ("db01", True),
            ("db", True),
            ("db02,db", True),
            ("all", True),
            ("db*", True),
            ("~d.0[1-3]$", True),
            ("db[01:03]", True),
            ("web", False),
            ("all:!db", False),
            ("all:&db", True),
            ("all:&web", False),
            ("!web", True),
            ("db[02:03]", True),
            ("ungrouped", False),
        ] {
            let found = selects(pattern, "db01", Some(&["db", "db0"]));
            let wanted = if pattern == "db[02:03]" { Truth::Unknown } else { wanted };
            assert_eq!(found, wanted, "{pattern}");
        }
        assert_eq!(selects("ungrouped", "x", Some(&[])), True);
        assert_eq!(selects("[2001:db8::1]", "2001:db8::1", Some(&[])), True);
    }

    #[test]
    fn what_depends_on_groups_that_are_not_known_is_unknown() {
        use Truth::{False, True, Unknown};
        assert_eq!(selects("db01", "db01", None), True);
        assert_eq!(selects("db", "db01", None), Unknown);
        assert_eq!(selects("all", "db01", None), True);
        assert_eq!(selects("all:!canary", "db01", None), Unknown, "it may be in the group");
        assert_eq!(selects("all:!db01", "db01", None), False);
        assert_eq!(selects("db01:&linux", "db01", None), Unknown);
    }

    #[test]
    fn what_needs_an_inventory_is_refused() {
        for (pattern, word) in [
            ("db01:22", "port"),
            ("web[0]", "position"),
            ("web[-1]", "position"),
            ("web[1:]", "position"),
            ("all:!", "without a name"),
            ("", "empty"),
            ("web[", "not closed"),
            ("~(", "not closed"),
            ("~[a", "not closed"),
            ("~a{99999}", "regular expression"),
            ("web[1:999999999]", "more than"),
        ] {
            let wrong = HostPattern::parse(pattern, &place()).expect_err(pattern);
            assert!(wrong.message.contains(word), "{pattern}: {}", wrong.message);
            assert_eq!(wrong.place, Some(place()), "{pattern}");
            assert!(wrong.help.is_some(), "{pattern}");
        }
    }

    fn inventory() -> Inventory {
        let one = local().hosts.remove(0);
        let hosts = [("web1", &["web", "canary"][..]), ("web2", &["web"]), ("db1", &["db"]), ("lone", &[])];
        let mut inventory = Inventory::default();
        for (name, groups) in hosts {
            let groups: BTreeSet<String> = groups.iter().map(|group| (*group).to_owned()).collect();
            let direct = groups.iter().cloned().chain(groups.is_empty().then(|| "ungrouped".to_owned()));
            for group in direct.chain(["all".to_owned()]) {
                inventory.groups.entry(group).or_default().insert(name.to_owned());
            }
            let host = crate::inventory::Host { name: name.to_owned(), groups, ..one.clone() };
            inventory.hosts.push(host);
        }
        inventory
    }

    proptest! {
        #[test]
        fn it_selects_as_an_inventory_does(
            terms in proptest::collection::vec(
                ("[!&]?", proptest::sample::select(vec![
                    "all", "web", "db", "canary", "ungrouped", "web1", "lone", "w*", "~.*1$", "{web2,db1}", "[wl]*",
                ])), 1..4)
        ) {
            let pattern: Vec<String> = terms.iter().map(|(sign, name)| format!("{sign}{name}")).collect();
            let pattern = pattern.join(":");
            let inventory = inventory();
            let selected = select(&inventory, &pattern).unwrap();
            let one = HostPattern::parse(&pattern, &place()).unwrap();
            for host in &inventory.hosts {
                let groups: Vec<String> = host.groups.iter().cloned().collect();
                let wanted = Truth::from(selected.contains(&host.name));
                prop_assert_eq!(one.selects(&host.name, Some(&groups)), wanted, "{} {}", pattern, host.name);
                let blind = one.selects(&host.name, None);
                prop_assert!(blind == Truth::Unknown || blind == wanted, "{} {}", pattern, host.name);
            }
        }
    }
}
