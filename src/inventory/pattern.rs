//! Patterns: which hosts of an inventory a word such as `all:!canary:&linux` selects.
//!
//! Terms are separated by `:` or `,`. All plain terms are joined (none: all hosts), then each
//! `&term` keeps only its hosts, then each `!term` removes its hosts, whatever their order. A term
//! is the name of a host or group; a glob over both (`web*`); `~regex`, matched from the start of
//! the name; `name:port`, for a host with that port; `[2001:db8::1]`; a range of names
//! (`web[01:10]`); or positions in a group, from 0 (`web[0]`, `web[0:2]`, `web[-1]`, `web[1:]`).

use super::values::{Wrong, is_ipv6, quoted};
use super::{Inventory, range};
use crate::model::diagnostic::nearest;
use crate::model::{Diagnostic, Diagnostics, Place};
use std::collections::{BTreeSet, HashMap};

/// The name of the pseudo-file that places in a pattern are of.
pub const PATTERN_FILE: &str = "pattern";
/// The longest pattern that is taken, in bytes.
const LONGEST: usize = 1 << 20;
/// The most bytes of a file of patterns.
const LARGEST_FILE: u64 = 16 << 20;
/// Among how many names the nearest one is looked for.
const SEARCHED: usize = 20_000;

/// The names of the hosts that a pattern selects, in the order of the inventory; none, when every
/// group it names is empty.
///
/// # Errors
/// The first term that is not valid or matches nothing, with its column in the pseudo-file
/// `PATTERN_FILE`, which has the pattern as its only line.
pub fn select(inventory: &Inventory, pattern: &str) -> Result<Vec<String>, Diagnostic> {
    let place = Place { file: PATTERN_FILE.into(), line: 1, column: 1, length: 1 };
    let terms = split(pattern, &place)?;
    Selector::new(inventory).select(&terms)
}

/// As `select`, for `--limit`: a term `@FILE` stands for the patterns in a file, one a line, empty
/// lines and `#` comments left out.
///
/// # Errors
/// The first term that is not valid or matches nothing, or a file that cannot be read, with the text
/// to show it in.
pub fn select_limit(inventory: &Inventory, limit: &str) -> Result<Vec<String>, Diagnostics> {
    let mut failure = Diagnostics::default();
    failure.sources.add(PATTERN_FILE, limit);
    let place = Place { file: PATTERN_FILE.into(), line: 1, column: 1, length: 1 };
    let read = split_limit(limit, &place, &mut failure);
    read.and_then(|terms| Selector::new(inventory).select(&terms)).map_err(|error| {
        failure.list.push(error);
        failure
    })
}

fn split_limit(limit: &str, place: &Place, failure: &mut Diagnostics) -> Result<Vec<Term>, Diagnostic> {
    let mut terms = Vec::new();
    let mut offset = 0;
    for piece in limit.split(',') {
        let here = at(place, offset, piece.chars().count());
        offset += piece.chars().count() + 1;
        let Some(path) = piece.trim().strip_prefix('@') else {
            // Commas within brackets belong to a term: such a limit is split as a whole.
            if !limit.contains('@') {
                return split(limit, place);
            }
            terms.extend(split(piece, &here)?);
            continue;
        };
        let text = read_patterns(path).map_err(|error| {
            Diagnostic::error(&here, format!("file {} cannot be read: {error}", quoted(path)))
                .with_help("`@` is followed by the path of a file with one pattern a line")
        })?;
        failure.sources.add(path, &text);
        for (index, line) in text.lines().enumerate() {
            let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
            if !line.trim().is_empty() && !line.trim_start().starts_with('#') {
                terms.extend(split(line, &Place { file: path.into(), line: number, column: 1, length: 1 })?);
            }
        }
    }
    Ok(terms)
}

fn read_patterns(path: &str) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(path)?.take(LARGEST_FILE + 1).read_to_string(&mut text)?;
    if read as u64 > LARGEST_FILE {
        return Err(std::io::Error::other("the file is too large"));
    }
    Ok(text)
}

fn at(place: &Place, offset: usize, length: usize) -> Place {
    super::draft::within(place, true, offset, length)
}

/// What a term does to the selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Join,
    Keep,
    Remove,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) sign: Sign,
    pub(super) text: String,
    /// For `name:port`.
    pub(super) port: Option<u16>,
    pub(super) place: Place,
}

/// Splits at `:` and `,` outside brackets; `place` is that of the pattern's first character.
pub(super) fn split(pattern: &str, place: &Place) -> Result<Vec<Term>, Diagnostic> {
    if pattern.len() > LONGEST {
        return Err(Diagnostic::error(place, "pattern longer than 1 MiB")
            .with_help("put it into groups of the inventory"));
    }
    let mut terms: Vec<Term> = Vec::new();
    for (offset, separator, raw) in raw_terms(pattern, place)? {
        let lead = raw.chars().take_while(|c| c.is_whitespace()).count();
        let text = raw.trim();
        let here = at(place, offset + lead, text.chars().count());
        if text.is_empty() {
            continue;
        }
        // `web01:2222`: digits after a colon are a port, unless something has that name.
        if separator == ':'
            && let Ok(port) = super::values::port(text)
            && let Some(last) =
                terms.last_mut().filter(|last| last.port.is_none() && !last.text.starts_with('~'))
        {
            last.port = Some(port);
            last.place.length = (here.column + here.length).saturating_sub(last.place.column);
            continue;
        }
        let (sign, name) = match text.split_at_checked(1) {
            Some(("!", name)) => (Sign::Remove, name.trim_start()),
            Some(("&", name)) => (Sign::Keep, name.trim_start()),
            _ => (Sign::Join, text),
        };
        if name.is_empty() {
            let help =
                "put a name directly after it, as in `all:!canary`; in a shell, quote the whole pattern";
            return Err(Diagnostic::error(&here, format!("`{text}` without a name")).with_help(help));
        }
        terms.push(Term { sign, text: name.to_owned(), port: None, place: here });
    }
    if terms.is_empty() {
        let error = Diagnostic::error(place, "empty pattern");
        return Err(error.with_help("name hosts or groups, or `all`"));
    }
    Ok(terms)
}

/// The terms as written: offset in characters, the separator before, the text.
fn raw_terms<'a>(pattern: &'a str, place: &Place) -> Result<Vec<(usize, char, &'a str)>, Diagnostic> {
    let mut raw = Vec::new();
    let (mut start_byte, mut start, mut separator) = (0, 0, ',');
    let mut open: Vec<(char, usize)> = Vec::new();
    let mut escaped = false;
    for (index, (byte, c)) in pattern.char_indices().enumerate() {
        let current = pattern.get(start_byte..byte).unwrap_or_default();
        let regex = current.trim_start().trim_start_matches(['!', '&']).trim_start().starts_with('~');
        if std::mem::take(&mut escaped) {
            continue;
        }
        match c {
            '\\' if regex => escaped = true,
            // Within a class only its end counts.
            ']' if open.last().is_some_and(|(c, _)| *c == '[') => drop(open.pop()),
            _ if open.last().is_some_and(|(c, _)| *c == '[') => {}
            '[' => open.push((c, index)),
            '{' | '(' if regex || c == '{' => open.push((c, index)),
            '}' if open.last().is_some_and(|(c, _)| *c == '{') => drop(open.pop()),
            ')' if open.last().is_some_and(|(c, _)| *c == '(') => drop(open.pop()),
            // A bare IPv6 address is one term.
            ':' if open.is_empty() && in_ipv6(pattern, start_byte) => {}
            ':' | ',' if open.is_empty() => {
                raw.push((start, separator, current));
                (start_byte, start, separator) = (byte + c.len_utf8(), index + 1, c);
            }
            _ => {}
        }
    }
    if let Some((bracket, offset)) = open.first() {
        return Err(Diagnostic::error(&at(place, *offset, 1), format!("`{bracket}` is not closed"))
            .with_help("close it; an IPv6 address is written `[2001:db8::1]`"));
    }
    raw.push((start, separator, pattern.get(start_byte..).unwrap_or_default()));
    Ok(raw)
}

/// Whether what stands from here to the next comma is an IPv6 address.
fn in_ipv6(pattern: &str, start: usize) -> bool {
    // No address is longer; a long pattern of colons must not be looked through for each of them.
    let piece: String =
        pattern.get(start..).unwrap_or_default().chars().take_while(|c| *c != ',').take(128).collect();
    is_ipv6(piece.trim().trim_start_matches(['!', '&']))
}

/// Whether a range's first end has leading zeros, as no position has.
fn is_padded(range: &str) -> bool {
    range.starts_with('0') && range.split_once(':').is_some_and(|(first, _)| first.len() > 1)
}

/// The regular expression of a term, matched from the start of a name.
pub(super) fn regex(text: &str) -> Result<regex::Regex, Wrong> {
    let regex = regex::RegexBuilder::new(&format!("^(?:{text})")).size_limit(1 << 20).build();
    regex.map_err(|error| {
        let line =
            error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        Wrong::new(
            format!("{} is not a regular expression: {line}", quoted(text)),
            "mend it, or use a glob such as `web*`",
        )
    })
}

/// The glob of a term.
pub(super) fn glob(text: &str) -> Result<globset::GlobMatcher, Wrong> {
    let glob = globset::Glob::new(text).map_err(|error| {
        Wrong::new(
            format!("{} is not a glob: {}", quoted(text), error.kind()),
            "`*`, `?`, `[abc]` and `{a,b}` are known",
        )
    })?;
    Ok(glob.compile_matcher())
}

/// Hosts by their index in the inventory.
type Selected = BTreeSet<usize>;

struct Selector<'a> {
    inventory: &'a Inventory,
    index: HashMap<&'a str, usize>,
}

impl<'a> Selector<'a> {
    fn new(inventory: &'a Inventory) -> Self {
        let index = inventory.hosts.iter().enumerate().map(|(id, host)| (host.name.as_str(), id)).collect();
        Self { inventory, index }
    }

    fn select(&self, terms: &[Term]) -> Result<Vec<String>, Diagnostic> {
        let mut matched = Vec::with_capacity(terms.len());
        for term in terms {
            matched.push((term.sign, self.term(term)?));
        }
        let of = |sign: Sign| matched.iter().filter(move |(s, _)| *s == sign).map(|(_, hosts)| hosts);
        let mut selected: Selected = if of(Sign::Join).next().is_some() {
            of(Sign::Join).flatten().copied().collect()
        } else {
            (0..self.inventory.hosts.len()).collect()
        };
        for kept in of(Sign::Keep) {
            selected.retain(|host| kept.contains(host));
        }
        for removed in of(Sign::Remove) {
            selected.retain(|host| !removed.contains(host));
        }
        Ok(selected
            .iter()
            .filter_map(|id| self.inventory.hosts.get(*id))
            .map(|host| host.name.clone())
            .collect())
    }

    fn term(&self, term: &Term) -> Result<Selected, Diagnostic> {
        let fail = |wrong: Wrong| wrong.at(&term.place);
        let found = self.names(&term.text).map_err(fail)?;
        let Some(mut hosts) = found else { return Err(self.nothing(term)) };
        if let Some(port) = term.port {
            hosts.retain(|id| self.inventory.hosts.get(*id).is_some_and(|host| host.port.value == port));
            if hosts.is_empty() {
                return Err(fail(Wrong::new(
                    format!("no host {} with port `{port}`", quoted(&term.text)),
                    "a number after a colon is a port; `inventory list` shows each host's",
                )));
            }
        }
        Ok(hosts)
    }

    /// The hosts that a term without its sign names; none if nothing has such a name.
    fn names(&self, text: &str) -> Result<Option<Selected>, Wrong> {
        if let Some(regex) = text.strip_prefix('~') {
            return self.regex(regex);
        }
        if let Some(exact) = self.exact(text) {
            return Ok(Some(exact));
        }
        if let Some(address) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'))
            && is_ipv6(address)
        {
            return Ok(self.exact(address));
        }
        if let Some((group, positions)) = text.strip_suffix(']').and_then(|t| t.rsplit_once('['))
            && self.inventory.groups.contains_key(group)
            && !is_padded(positions)
        {
            // `web[1:9]` may mean positions in group `web`, or hosts `web1` to `web9`.
            if self.names_of_hosts(text) {
                return Err(Wrong::new(
                    format!("{} may mean hosts of such names, or positions in group `{group}`", quoted(text)),
                    "name the hosts one by one or by a regular expression: `~web[1-9]$`",
                ));
            }
            return self.positions(group, positions).map(Some);
        }
        if text.contains('[') && text.contains(':') {
            return self.range(text).map(Some);
        }
        if text.contains(['*', '?', '[', '{']) {
            return self.glob(text);
        }
        Ok(None)
    }

    /// The host and the hosts of the group of exactly this name.
    fn exact(&self, name: &str) -> Option<Selected> {
        let host = self.index.get(name).copied();
        let group = self.inventory.groups.get(name);
        if name == "all" && group.is_none() {
            return Some((0..self.inventory.hosts.len()).collect());
        }
        if host.is_none() && group.is_none() {
            return None;
        }
        let members = group.into_iter().flatten().filter_map(|name| self.index.get(name.as_str()).copied());
        Some(members.chain(host).collect())
    }

    fn matching(&self, matches: impl Fn(&str) -> bool) -> Option<Selected> {
        let hosts =
            self.inventory.hosts.iter().enumerate().filter(|(_, host)| matches(&host.name)).map(|(id, _)| id);
        let mut selected: Selected = hosts.collect();
        let mut any = !selected.is_empty();
        for (_, members) in self.inventory.groups.iter().filter(|(name, _)| matches(name)) {
            any = true;
            selected.extend(members.iter().filter_map(|name| self.index.get(name.as_str())));
        }
        any.then_some(selected)
    }

    fn regex(&self, text: &str) -> Result<Option<Selected>, Wrong> {
        let regex = regex(text)?;
        Ok(self.matching(|name| regex.is_match(name)))
    }

    fn glob(&self, text: &str) -> Result<Option<Selected>, Wrong> {
        let matcher = glob(text)?;
        Ok(self.matching(|name| matcher.is_match(name)))
    }

    /// Whether a range or a glob would match any host.
    fn names_of_hosts(&self, text: &str) -> bool {
        match range::expand(text, super::draft::MAX_HOSTS) {
            Ok(names) => names.iter().any(|name| self.index.contains_key(name.as_str())),
            Err(_) => matches!(self.glob(text), Ok(Some(_))),
        }
    }

    /// `web[01:10]`: every name must be there.
    fn range(&self, text: &str) -> Result<Selected, Wrong> {
        let names = range::expand(text, super::draft::MAX_HOSTS).map_err(|error| error.wrong)?;
        let mut selected = Selected::new();
        for name in names {
            match self.exact(&name) {
                Some(hosts) => selected.extend(hosts),
                None => {
                    let message = format!("no host {} of the range {}", quoted(&name), quoted(text));
                    return Err(Wrong::new(message, "shorten the range, or use a glob"));
                }
            }
        }
        Ok(selected)
    }

    /// Positions in a group, in the order of the inventory, both ends included.
    fn positions(&self, group: &str, text: &str) -> Result<Selected, Wrong> {
        let members: Vec<usize> = self.exact(group).unwrap_or_default().into_iter().collect();
        let help = "positions count from 0: `web[0]`, `web[0:2]`, `web[1:]`, `web[-1]` for the last";
        let wrong = || {
            Wrong::new(format!("{} is not a position in group `{group}`", quoted(&format!("[{text}]"))), help)
        };
        let position = |text: &str| -> Result<usize, Wrong> {
            let number = text.parse::<i64>().map_err(|_| wrong())?;
            let back = usize::try_from(number.unsigned_abs()).map_err(|_| wrong())?;
            let index = if number < 0 { members.len().checked_sub(back) } else { Some(back) };
            index.filter(|index| *index < members.len()).ok_or_else(|| {
                Wrong::new(
                    format!("group `{group}` has {} hosts, none at {}", members.len(), quoted(text)),
                    help,
                )
            })
        };
        let (first, last) = match text.split_once(':') {
            None => {
                let one = position(text)?;
                (one, one)
            }
            Some((first, last)) => (
                if first.is_empty() { 0 } else { position(first)? },
                if last.is_empty() { members.len().saturating_sub(1) } else { position(last)? },
            ),
        };
        Ok(members.into_iter().skip(first).take((last + 1).saturating_sub(first)).collect())
    }

    fn nothing(&self, term: &Term) -> Diagnostic {
        let hosts = self.inventory.hosts.iter().take(SEARCHED).map(|host| host.name.as_str());
        let groups = self.inventory.groups.keys().map(String::as_str);
        let help = match nearest(&term.text, groups.chain(hosts)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`uproot inventory list` shows the hosts and their groups".to_owned(),
        };
        Diagnostic::error(&term.place, format!("{} matches no host and no group", quoted(&term.text)))
            .with_label("nothing has this name")
            .with_help(help)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Overrides;
    use proptest::prelude::*;

    fn inventory() -> Inventory {
        let list = "web01:22,web02:2222,db-a,db-b,2001:db8::1,[2001:db8::2]:22,";
        let mut inventory = crate::inventory::read(&[list.into()], &Overrides::default()).unwrap().inventory;
        for (group, members) in
            [("web", vec!["web01", "web02"]), ("canary", vec!["web01", "db-a"]), ("empty", vec![])]
        {
            inventory.groups.insert(group.into(), members.into_iter().map(str::to_owned).collect());
        }
        inventory
    }

    fn names(pattern: &str) -> String {
        select(&inventory(), pattern)
            .map_or_else(|e| format!("{}: {}", e.place.unwrap(), e.message), |n| n.join(" "))
    }

    #[test]
    fn unions_intersections_and_exclusions_in_any_order() {
        assert_eq!(names("db-b:web"), "web01 web02 db-b");
        assert_eq!(names("!canary:all:&web"), "web02");
        assert_eq!(names("!web,!db-*"), "2001:db8::1 2001:db8::2");
        assert_eq!(names("&canary"), "web01 db-a");
        assert_eq!(names("empty"), "");
    }

    #[test]
    fn globs_regexes_ranges_and_positions() {
        assert_eq!(names("w*2"), "web02");
        assert_eq!(names("can*"), "web01 db-a");
        assert_eq!(names("~(web|db)[-0-9]*[1b]$"), "web01 db-b");
        assert_eq!(names("~web0{1,2}[12]:db-a"), "web01 web02 db-a");
        assert_eq!(names("web[01:02]"), "web01 web02");
        assert_eq!(names("db-[ab]"), "db-a db-b");
        assert_eq!(names("web[0]"), "web01");
        assert_eq!(names("db[a:b]"), "pattern:1:1: no host `dba` of the range `db[a:b]`");
        assert_eq!(names("web[-1]"), "web02");
        assert_eq!(names("all[1:2]"), "web02 db-a");
        assert_eq!(names("all[4:]"), "2001:db8::1 2001:db8::2");
    }

    #[test]
    fn ports_and_ipv6_do_not_break() {
        assert_eq!(names("web02:2222"), "web02");
        assert_eq!(names("web01:2222"), "pattern:1:1: no host `web01` with port `2222`");
        assert_eq!(names("2001:db8::1,db-a"), "db-a 2001:db8::1");
        assert_eq!(names("[2001:db8::2]:22:db-a"), "db-a 2001:db8::2");
        assert_eq!(names("all:![2001:db8::1]:&~2"), "2001:db8::2");
    }

    #[test]
    fn what_matches_nothing_is_an_error_at_its_column() {
        assert_eq!(names("web:canry"), "pattern:1:5: `canry` matches no host and no group");
        assert_eq!(
            select(&inventory(), "web:canry").unwrap_err().help.as_deref(),
            Some("did you mean `canary`?")
        );
        assert_eq!(names("all:!x*"), "pattern:1:5: `x*` matches no host and no group");
        assert_eq!(names(" , "), "pattern:1:1: empty pattern");
        assert_eq!(names("all:!"), "pattern:1:5: `!` without a name");
        assert_eq!(names("web[01"), "pattern:1:4: `[` is not closed");
        assert_eq!(names("web[01:03]"), "pattern:1:1: no host `web03` of the range `web[01:03]`");
        assert_eq!(names("web[1:3]"), "pattern:1:1: group `web` has 2 hosts, none at `3`");
        assert_eq!(names("db-[a:c]"), "pattern:1:1: no host `db-c` of the range `db-[a:c]`");
    }

    #[test]
    fn positions_that_could_be_names_are_refused() {
        let mut inventory = inventory();
        inventory.groups.insert("web0".into(), BTreeSet::from(["db-a".to_owned()]));
        for ambiguous in ["web0[1]", "web0[0:1]"] {
            let error = select(&inventory, ambiguous).unwrap_err();
            assert!(error.message.contains("or positions in group `web0`"), "{}", error.message);
        }
        assert_eq!(select(&inventory, "web0[0]").unwrap(), ["db-a"]);
    }

    #[test]
    fn a_file_of_patterns() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("retry");
        std::fs::write(&path, "# failed\nweb01\n\ndb-*\n!db-b\n").unwrap();
        let limit = |text: String| select_limit(&inventory(), &text).map_err(|e| e.render());
        assert_eq!(limit(format!("@{}", path.display())).unwrap(), ["web01", "db-a"]);
        assert_eq!(limit(format!("@{},web02", path.display())).unwrap(), ["web01", "web02", "db-a"]);
        std::fs::write(&path, "web01\nwbe02\n").unwrap();
        let error = limit(format!("@{}", path.display())).unwrap_err();
        assert!(error.contains("retry:2:1") && error.contains("2 | wbe02"), "{error}");
        assert!(limit("@/nonexistent".into()).unwrap_err().contains("cannot be read"));
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,60}", dense in "[\\[\\]:,!&~*?{}()@a-c0-2\\\\-]{0,40}") {
            let inventory = inventory();
            for text in [text, dense] {
                let chosen = select(&inventory, &text);
                if let Err(error) = chosen {
                    prop_assert!(error.place.is_some() && error.help.is_some());
                }
            }
        }
    }
}
