//! Host specifications: `web[01:50].example:2222`, `db-[a:f]`, `[1:10:2]`, `[2001:db8::1]:22`.
//!
//! How many names a specification stands for is computed before any of them is made.

use super::values::{Wrong, is_ipv6, port, quoted};

/// The longest specification that is taken, in characters.
const LONGEST: usize = 1_024;

/// Host names with the port given with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostSpec {
    pub(super) names: Vec<String>,
    pub(super) port: Option<SpecPort>,
}

/// A port within a specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SpecPort {
    pub(super) value: u16,
    /// Where it stands, in characters from the start.
    pub(super) offset: usize,
    pub(super) length: usize,
}

/// What is wrong with a specification, and where in it (in characters).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SpecError {
    pub(super) offset: usize,
    pub(super) length: usize,
    pub(super) wrong: Wrong,
}

impl SpecError {
    fn whole(text: &str, message: String, help: &str) -> Self {
        Self { offset: 0, length: text.chars().count(), wrong: Wrong::new(message, help) }
    }
}

/// Reads a specification; at most `most` names.
pub(super) fn host_spec(text: &str, most: usize) -> Result<HostSpec, SpecError> {
    if text.chars().count() > LONGEST {
        return Err(SpecError::whole(
            text,
            format!("host specification is longer than {LONGEST} characters"),
            "name hosts one by one, or by a range such as `web[01:50]`",
        ));
    }
    if is_ipv6(text) {
        return Ok(HostSpec { names: vec![text.to_owned()], port: None });
    }
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|t| t.split_once(']'))
        && is_ipv6(address)
    {
        let offset = address.chars().count() + 2;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(spec_port(port, offset + 1)?),
            None if rest.is_empty() => None,
            None => {
                return Err(SpecError {
                    offset,
                    length: rest.chars().count(),
                    wrong: Wrong::new(
                        format!("{} after an IPv6 address in brackets", quoted(rest)),
                        "only a port may follow, as in `[2001:db8::1]:22`",
                    ),
                });
            }
        };
        return Ok(HostSpec { names: vec![address.to_owned()], port });
    }
    let (pattern, port) = split_port(text)?;
    Ok(HostSpec { names: expand(pattern, most)?, port })
}

fn spec_port(text: &str, offset: usize) -> Result<SpecPort, SpecError> {
    let length = text.chars().count();
    match port(text) {
        Ok(value) => Ok(SpecPort { value, offset, length }),
        Err(wrong) => Err(SpecError { offset, length, wrong }),
    }
}

/// Splits at the one colon that stands outside brackets.
fn split_port(text: &str) -> Result<(&str, Option<SpecPort>), SpecError> {
    let mut depth = 0_usize;
    let mut colons = Vec::new();
    for (index, (byte, c)) in text.char_indices().enumerate() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => colons.push((index, byte)),
            _ => {}
        }
    }
    match colons.as_slice() {
        [] => Ok((text, None)),
        [(index, byte)] => {
            let (name, rest) = text.split_at(*byte);
            Ok((name, Some(spec_port(rest.trim_start_matches(':'), index + 1)?)))
        }
        _ => Err(SpecError::whole(
            text,
            format!("{} has more than one colon and is not an IPv6 address", quoted(text)),
            "write `host:port`, and an IPv6 address with a port as `[2001:db8::1]:22`",
        )),
    }
}

/// A piece of a pattern.
enum Piece<'a> {
    Text(&'a str),
    Numbers { first: u64, step: u64, count: u64, width: usize },
    Letters { first: u8, step: u64, count: u64 },
}

impl Piece<'_> {
    fn count(&self) -> u64 {
        match self {
            Self::Text(_) => 1,
            Self::Numbers { count, .. } | Self::Letters { count, .. } => *count,
        }
    }

    fn push_nth(&self, n: u64, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Numbers { first, step, width, .. } => {
                out.push_str(&format!("{:0width$}", first + n * step, width = *width));
            }
            Self::Letters { first, step, .. } => {
                out.push(char::from(u8::try_from(u64::from(*first) + n * step).unwrap_or(*first)));
            }
        }
    }
}

/// All names that a pattern stands for, in order, the last range running fastest.
pub(super) fn expand(pattern: &str, most: usize) -> Result<Vec<String>, SpecError> {
    let pieces = pieces(pattern)?;
    let total = pieces.iter().try_fold(1_u64, |total, piece| total.checked_mul(piece.count()));
    let total = total.filter(|total| *total <= most as u64).ok_or_else(|| {
        SpecError::whole(
            pattern,
            format!("{} stands for more than {most} hosts", quoted(pattern)),
            "is the range meant to be that long?",
        )
    })?;
    let mut names = Vec::with_capacity(usize::try_from(total).unwrap_or(most));
    for index in 0..total {
        let mut name = String::with_capacity(pattern.len());
        let mut block = total;
        let mut rest = index;
        for piece in &pieces {
            block /= piece.count();
            piece.push_nth(rest / block, &mut name);
            rest %= block;
        }
        names.push(name);
    }
    Ok(names)
}

fn pieces(pattern: &str) -> Result<Vec<Piece<'_>>, SpecError> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    let mut offset = 0;
    while let Some((text, after)) = rest.split_once('[') {
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        offset += text.chars().count();
        let Some((inner, next)) = after.split_once(']') else {
            return Err(SpecError {
                offset,
                length: after.chars().count() + 1,
                wrong: Wrong::new("range without an end", "close it: `web[01:50]`"),
            });
        };
        let length = inner.chars().count() + 2;
        pieces.push(range(inner).map_err(|wrong| SpecError { offset, length, wrong })?);
        offset += length;
        rest = next;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

const RANGE_HELP: &str =
    "a range is `[first:last]` or `[first:last:step]`, of numbers (`[01:50]`) or letters (`[a:f]`)";

fn range(inner: &str) -> Result<Piece<'static>, Wrong> {
    let parts: Vec<&str> = inner.split(':').collect();
    let (first, last, step) = match parts.as_slice() {
        [first, last] => (*first, *last, "1"),
        [first, last, step] => (*first, *last, *step),
        _ => return Err(Wrong::new(format!("{} is not a range", quoted(&format!("[{inner}]"))), RANGE_HELP)),
    };
    let step = match step.parse::<u64>() {
        Ok(step) if step > 0 && digits(parts.get(2).copied().unwrap_or("1")) => step,
        _ => {
            return Err(Wrong::new(
                format!("{} is not a step", quoted(step)),
                "a step is a number from 1 up",
            ));
        }
    };
    match (single_letter(first), single_letter(last)) {
        (Some(a), Some(b)) => letters(a, b, step),
        _ => numbers(first, last, step),
    }
}

fn single_letter(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [letter] if letter.is_ascii_alphabetic() => Some(*letter),
        _ => None,
    }
}

fn letters(first: u8, last: u8, step: u64) -> Result<Piece<'static>, Wrong> {
    if first.is_ascii_lowercase() != last.is_ascii_lowercase() {
        return Err(Wrong::new("range from a small to a capital letter", "use two ranges, one of each"));
    }
    let span = last.checked_sub(first).ok_or_else(backwards)?;
    Ok(Piece::Letters { first, step, count: u64::from(span) / step + 1 })
}

fn numbers(first: &str, last: &str, step: u64) -> Result<Piece<'static>, Wrong> {
    // As in Ansible, `[:9]` begins at 0.
    let first = if first.is_empty() { "0" } else { first };
    let number = |text: &str| match text.parse::<u64>() {
        Ok(number) if digits(text) && text.len() <= 18 => Ok(number),
        _ => Err(Wrong::new(format!("{} is not the end of a range", quoted(text)), RANGE_HELP)),
    };
    let (from, to) = (number(first)?, number(last)?);
    let padded = first.starts_with('0') && first.len() > 1;
    if padded && first.len() != last.len() {
        return Err(Wrong::new(
            format!("range from {} to {}: not the same number of digits", quoted(first), quoted(last)),
            "with leading zeros both ends need the same width, as in `[08:12]`",
        ));
    }
    let span = to.checked_sub(from).ok_or_else(backwards)?;
    Ok(Piece::Numbers {
        first: from,
        step,
        count: span / step + 1,
        width: if padded { first.len() } else { 1 },
    })
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn backwards() -> Wrong {
    Wrong::new("range that runs backwards", "put the smaller end first")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(text: &str) -> Vec<String> {
        host_spec(text, 100).unwrap().names
    }

    #[test]
    fn expands_numbers_letters_steps_and_several_ranges() {
        assert_eq!(
            names("web[08:11].example"),
            ["web08.example", "web09.example", "web10.example", "web11.example"]
        );
        assert_eq!(names("db-[a:c]"), ["db-a", "db-b", "db-c"]);
        assert_eq!(names("n[1:10:4]"), ["n1", "n5", "n9"]);
        assert_eq!(names("r[1:2]s[a:b]"), ["r1sa", "r1sb", "r2sa", "r2sb"]);
        assert_eq!(names("n[:2]"), ["n0", "n1", "n2"]);
        assert_eq!(names("n[9:10]"), ["n9", "n10"]);
    }

    #[test]
    fn reads_ports_and_ipv6() {
        let port = |text: &str| host_spec(text, 100).unwrap().port.map(|p| (p.value, p.offset));
        assert_eq!(port("web01:2222"), Some((2222, 6)));
        assert_eq!(port("web[1:3]:2222"), Some((2222, 9)));
        assert_eq!(port("[2001:db8::1]:22"), Some((22, 14)));
        assert_eq!(names("[2001:db8::1]:22"), ["2001:db8::1"]);
        assert_eq!(names("2001:db8::1"), ["2001:db8::1"]);
        assert_eq!(names("[fe80::1%eth0]"), ["fe80::1%eth0"]);
    }

    #[test]
    fn refuses_what_it_cannot_mean() {
        for bad in [
            "w[5:1]",
            "w[a:F]",
            "w[01:100]",
            "w[1:5:0]",
            "w[1]",
            "w[1:2",
            "w[x:9]",
            "a:b",
            "a:1:2",
            "[::1]x",
            "w[1:+5]",
        ] {
            assert!(host_spec(bad, 100).is_err(), "{bad}");
        }
    }

    #[test]
    fn counts_before_it_allocates() {
        for huge in ["n[0:999999999999999999]", "a[0:99999][0:99999][0:99999][0:99999]", "n[1:101]"] {
            assert!(host_spec(huge, 100).unwrap_err().wrong.message.contains("more than 100"), "{huge}");
        }
    }

    proptest! {
        #[test]
        fn number_of_names_and_padding(first in 0_u64..500, span in 0_u64..400, step in 1_u64..9, pad in 3_usize..6) {
            let last = first + span;
            let text = format!("w{}[{first:0pad$}:{last:0pad$}:{step}]-x", "");
            let names = host_spec(&text, 1000).unwrap().names;
            prop_assert_eq!(names.len() as u64, span / step + 1);
            for (n, name) in names.iter().enumerate() {
                let digits = name.strip_prefix('w').unwrap().strip_suffix("-x").unwrap();
                // 100 and above with a width of three have no leading zero, and no padding to keep.
                if format!("{first:0pad$}").starts_with('0') {
                    prop_assert_eq!(digits.len(), pad);
                }
                prop_assert_eq!(digits.parse::<u64>().unwrap(), first + n as u64 * step);
            }
        }

        #[test]
        fn never_panics(text in ".{0,60}", dense in "[\\[\\]:0-9a-f.%-]{0,40}") {
            for text in [text, dense] {
                if let Ok(spec) = host_spec(&text, 50) {
                    prop_assert!(spec.names.len() <= 50);
                }
            }
        }
    }
}
