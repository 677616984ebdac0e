//! Lengths of time as people write them: `30s`, `2m`, `1h30m`, `1d`.

use std::time::Duration;

/// The units, longest first: letters and seconds.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Reads a length of time: whole numbers with the units `d`, `h`, `m`, `s`, each at most once and
/// in this order. A bare `0` is allowed, any other number needs a unit.
///
/// # Errors
/// Why it is none, in words.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut seconds: u64 = 0;
    let mut units = UNITS.iter();
    let mut digits = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        if digits.is_empty() {
            return Err(format!("a number is expected before `{c}`"));
        }
        let Some((_, length)) = units.find(|(letter, _)| *letter == c) else {
            return Err(if UNITS.iter().any(|(letter, _)| *letter == c) {
                format!("the unit `{c}` is out of order")
            } else {
                format!("`{c}` is no unit")
            });
        };
        let part = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(*length));
        seconds = part.and_then(|part| seconds.checked_add(part)).ok_or("the number is too large")?;
        digits.clear();
    }
    match digits.is_empty() {
        false => Err(format!("the unit after `{digits}` is missing")),
        true if text.is_empty() => Err("nothing is written".to_owned()),
        true => Ok(Duration::from_secs(seconds)),
    }
}

/// The shortest text that `parse_duration` reads as the same length; less than a second is dropped.
#[must_use]
pub fn show_duration(length: Duration) -> String {
    let mut rest = length.as_secs();
    let mut out = String::new();
    for (letter, seconds) in UNITS {
        if rest >= seconds {
            out.push_str(&format!("{}{letter}", rest / seconds));
            rest %= seconds;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        let seconds = |text| parse_duration(text).map(|d| d.as_secs());
        assert_eq!(seconds("30s"), Ok(30));
        assert_eq!(seconds("2m"), Ok(120));
        assert_eq!(seconds("1h30m"), Ok(5400));
        assert_eq!(seconds("1d1s"), Ok(86_401));
        assert_eq!(seconds("0"), Ok(0));
        for wrong in ["", "5", "m", "1m1h", "1m1m", "1.5h", "-1s", "10 s", "1ms", "99999999999999999999s"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn shows_what_it_reads(seconds in 0u64..10_000_000) {
            let length = Duration::from_secs(seconds);
            prop_assert_eq!(parse_duration(&show_duration(length)), Ok(length));
        }
    }
}
