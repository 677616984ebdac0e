//! Building listings: items and every reason why there may be more.

use super::frames::{Section, split_once, text};
use super::{Gap, Listing};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// More items than this are not kept.
const MAX_ITEMS: usize = 200_000;
/// More gaps than this say nothing new.
const MAX_GAPS: usize = 20;
/// Characters of a host's words that are kept in a reason.
const MAX_REASON: usize = 300;

/// As whom was asked: what would mend a refusal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    /// Whether the host said that it was root who asked.
    pub is_root: bool,
}

/// A listing in the making.
#[derive(Debug)]
pub(super) struct Builder<T> {
    items: Vec<T>,
    gaps: Vec<Gap>,
    asker: Asker,
}

impl<T> Builder<T> {
    /// An empty listing; what makes `section` doubtful is its first gap.
    pub fn new(section: &Section<'_>, asker: Asker) -> Self {
        let mut builder = Self::of_defect(section, asker);
        section.marks("gap").for_each(|gap| {
            // The first word says whose gap it is.
            let reason = gap.rest.splitn(2, |byte| *byte == b' ').nth(1).map(text);
            builder.gap(reason.unwrap_or_else(|| "the host could not tell".to_owned()));
        });
        builder
    }

    /// An empty listing, without the gaps that the section's marks tell of.
    pub fn of_defect(section: &Section<'_>, asker: Asker) -> Self {
        let mut builder = Self { items: Vec::new(), gaps: Vec::new(), asker };
        section.defect.iter().for_each(|defect| builder.gap(defect.clone()));
        builder
    }

    /// An empty listing in which nothing is missing yet.
    pub fn empty(asker: Asker) -> Self {
        Self { items: Vec::new(), gaps: Vec::new(), asker }
    }

    /// Adds an item.
    pub fn push(&mut self, item: T) {
        if self.items.len() < MAX_ITEMS {
            self.items.push(item);
        } else {
            self.gap(format!("there are more than {MAX_ITEMS}"));
        }
    }

    /// Adds a reason, once.
    pub fn gap(&mut self, reason: impl Into<String>) {
        let reason = shorten(reason.into());
        if self.gaps.iter().any(|gap| gap.reason == reason) {
            return;
        }
        match self.gaps.len() {
            MAX_GAPS.. => {}
            _ => self.gaps.push(gap(reason, self.asker)),
        }
    }

    /// Whether there is an item.
    pub fn has(&self, is: impl Fn(&T) -> bool) -> bool {
        self.items.iter().any(is)
    }

    /// Whether nothing is missing so far.
    pub fn is_complete(&self) -> bool {
        self.gaps.is_empty()
    }

    /// The items so far.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// The listing, in the order of `key`, without repetitions.
    pub fn finish<K: Ord>(mut self, key: impl Fn(&T) -> K) -> Listing<T>
    where
        T: PartialEq,
    {
        self.items.sort_by_key(key);
        self.items.dedup();
        Listing { items: self.items, gaps: self.gaps }
    }
}

/// A gap with what would mend it.
pub(super) fn gap(reason: String, asker: Asker) -> Gap {
    let refused = ["Permission denied", "Operation not permitted", "not root"];
    let mendable = !asker.is_root && refused.iter().any(|word| reason.contains(word));
    Gap { reason, remedy: mendable.then(|| "--become".to_owned()) }
}

fn shorten(reason: String) -> String {
    match reason.char_indices().nth(MAX_REASON) {
        Some((at, _)) => format!("{}…", reason.get(..at).unwrap_or_default()),
        None => reason,
    }
}

/// The reasons which prove that nothing is there.
const ABSENT: [&[u8]; 2] = [b"No such file or directory", b"Not a directory"];

/// What `stat` or `ls` said of the paths that they could not look at: path → reason.
#[derive(Debug, Default)]
pub(super) struct Refusals<'a> {
    reasons: HashMap<Cow<'a, [u8]>, &'a [u8]>,
}

impl<'a> Refusals<'a> {
    /// Reads the messages of every look in a section.
    pub fn of(section: &Section<'a>) -> Self {
        let runs = section.runs("stat").chain(section.runs("ls"));
        Self { reasons: runs.flat_map(|run| run.errors).filter_map(refusal).collect() }
    }

    /// The path that is refused or absent, with the reason.
    pub fn each(&self) -> impl Iterator<Item = (&[u8], &'a [u8])> {
        self.reasons.iter().map(|(path, reason)| (path.as_ref(), *reason))
    }

    /// Why it is not proved that nothing is at `path`; none: it is.
    pub fn doubt(&self, path: &[u8]) -> Option<String> {
        match self.reasons.get(path) {
            Some(reason) if is_absent(reason) => None,
            Some(reason) => Some(format!("`{}` cannot be looked at: {}", shown(path), text(reason))),
            None => Some(format!("the host did not say whether `{}` is there", shown(path))),
        }
    }
}

/// Whether this reason proves that nothing is there.
pub(super) fn is_absent(reason: &[u8]) -> bool {
    ABSENT.contains(&reason)
}

/// A path as it is told, without what asked for the directory itself.
fn shown(path: &[u8]) -> String {
    text(path.strip_suffix(b"/.").unwrap_or(path))
}

/// ``stat: cannot statx 'PATH': REASON``, ``stat: can't stat 'PATH': REASON``,
/// ``ls: PATH: REASON``.
fn refusal(line: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let colon = line.windows(2).rposition(|two| two == b": ")?;
    let (before, reason) = (line.get(..colon)?, line.get(colon + 2..)?);
    let path = match before.split_last() {
        // The quote of `can't` is another.
        Some((b'\'', quoted)) => {
            let open = quoted.windows(2).position(|two| matches!(two, b" '" | b" `"))?;
            unquote(quoted.get(open + 2..)?)
        }
        Some((b'"', quoted)) => {
            let open = quoted.windows(2).position(|two| two == b" \"")?;
            Cow::Borrowed(quoted.get(open + 2..)?)
        }
        _ => Cow::Borrowed(before.get(before.iter().position(|byte| *byte == b'/')?..)?),
    };
    path.starts_with(b"/").then_some((path, reason))
}

/// GNU programs write a quote within quotes as a shell would have it.
fn unquote(path: &[u8]) -> Cow<'_, [u8]> {
    const QUOTE: &[u8] = b"'\\''";
    if !path.windows(QUOTE.len()).any(|window| window == QUOTE) {
        return Cow::Borrowed(path);
    }
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = split_once(rest, QUOTE) {
        out.extend_from_slice(before);
        out.push(b'\'');
        rest = after;
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// Adds a gap for every look of the section that did not work, and for every path that the answer
/// depends on and that is not provably absent.
pub(super) fn check_needs<T>(builder: &mut Builder<T>, section: &Section<'_>) {
    let needed: HashSet<&[u8]> =
        section.marks("need").filter_map(|need| need.rest.splitn(2, |byte| *byte == b' ').nth(1)).collect();
    if needed.is_empty() {
        return;
    }
    look_failures(section).into_iter().for_each(|reason| builder.gap(reason));
    let refusals = Refusals::of(section);
    let mut doubts: Vec<String> = needed.into_iter().filter_map(|path| refusals.doubt(path)).collect();
    doubts.sort();
    doubts.into_iter().for_each(|doubt| builder.gap(doubt));
}

/// Why a batch of looks is worth nothing: it did not even find `/`, or was cut off.
pub(super) fn look_failures(section: &Section<'_>) -> Vec<String> {
    let runs = section.runs("stat").chain(section.runs("ls"));
    runs.filter_map(|run| {
        // The status 1 says only that something was not there.
        let ended = matches!(run.status, Some(0 | 1));
        let found_root = run.output.lines().any(|line| line.ends_with(b":/") || line.ends_with(b" /"));
        let error = run.errors.first().map(|line| text(line));
        match (ended && found_root, error) {
            (true, _) => None,
            (false, Some(error)) => Some(format!("paths cannot be looked at: {error}")),
            (false, None) => Some("paths cannot be looked at".to_owned()),
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_messages_of_every_stat_and_ls() {
        let lines: [&[u8]; 6] = [
            b"stat: cannot statx '/a b': No such file or directory",
            b"stat: cannot stat `/a b': No such file or directory",
            b"stat: can't stat '/a b': No such file or directory",
            b"ls: cannot access '/a b': No such file or directory",
            b"ls: cannot access /a b: No such file or directory",
            b"ls: /a b: No such file or directory",
        ];
        for line in lines {
            let read = refusal(line);
            let expected = (Cow::Borrowed(&b"/a b"[..]), &b"No such file or directory"[..]);
            assert_eq!(read, Some(expected), "{}", text(line));
        }
        let path = |line| refusal(line).map(|(path, _)| text(&path));
        assert_eq!(path(b"ls: cannot access '/a'\\''$b': X").as_deref(), Some("/a'$b"));
        assert_eq!(path(b"ls: cannot access \"/a'b\": X").as_deref(), Some("/a'b"));
        assert_eq!(refusal(b"sh: stat: not found"), None);
    }

    #[test]
    fn a_refusal_tells_an_ordinary_user_what_would_mend_it() {
        let reason = || "ls: cannot open directory '/x': Permission denied".to_owned();
        assert_eq!(gap(reason(), Asker { is_root: false }).remedy.as_deref(), Some("--become"));
        assert_eq!(gap(reason(), Asker { is_root: true }).remedy, None);
    }
}
