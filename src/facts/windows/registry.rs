//! What `reg query` prints, and what follows from it: whether a key is there, is provably not there, or
//! cannot be told.
//!
//! ```text
//! HKEY_LOCAL_MACHINE\SOFTWARE\Vendor
//!     Name    REG_SZ    data
//!
//! HKEY_LOCAL_MACHINE\SOFTWARE\Vendor\Subkey
//! ```
//!
//! With `/s` a last line in the host's language tells how many matched. Its messages are in the host's
//! language too, and a key that is not there has the same code as one that may not be read: so a key
//! counts as absent only where the one above it was listed, and does not have it.

use super::answers::{Answers, Section};
use super::ask::Ask;
use super::text::{CodePage, lossy};
use crate::facts::RegistryValue;
use crate::model::Truth;
use crate::playbook::pattern::Matcher;
use crate::playbook::{Pattern, fold_path};

/// A key with what was printed of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// From `HKEY_…` on.
    pub path: String,
    pub values: Vec<RegistryValue>,
}

impl Key {
    /// The data of a value.
    pub fn value(&self, name: &str) -> Option<&RegistryValue> {
        self.values.iter().find(|value| value.name.eq_ignore_ascii_case(name))
    }

    /// Its last component.
    pub fn name(&self) -> &str {
        self.path.rsplit('\\').next().unwrap_or_default()
    }
}

/// The output of one `reg query`.
#[derive(Debug, Clone, Default)]
pub(super) struct Output {
    pub keys: Vec<Key>,
    /// How many matches the last line tells.
    pub told: Option<usize>,
}

impl Output {
    /// Whether the search of a value came to its end: it said so, or told as many as it printed. A key
    /// below that may not be read changes its code, and has nothing to do with the keys that count.
    pub fn is_whole(&self, section: &Section<'_>) -> bool {
        let found = self.keys.iter().map(|key| key.values.len()).sum::<usize>();
        match self.told {
            Some(told) => told == found && section.status.is_some(),
            None => section.is_good(),
        }
    }

    /// The keys right below `key`.
    pub fn below<'s>(&'s self, key: &str) -> impl Iterator<Item = &'s Key> {
        let above = format!("{}/", fold_path(&long(key)));
        self.keys.iter().filter(move |key| {
            fold_path(&key.path)
                .strip_prefix(&above)
                .is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
        })
    }

    /// What was printed of `key` itself.
    pub fn key(&self, key: &str) -> Option<&Key> {
        let wanted = fold_path(&long(key));
        self.keys.iter().find(|key| fold_path(&key.path) == wanted)
    }
}

/// Reads what `reg query` printed.
pub(super) fn read(lines: &[&[u8]], code_page: CodePage) -> Output {
    let mut output = Output::default();
    let last = lines.iter().rposition(|line| !line.trim_ascii().is_empty());
    for (number, line) in lines.iter().enumerate() {
        if line.starts_with(b"HKEY_") {
            output.keys.push(Key { path: code_page.text(line), values: Vec::new() });
            continue;
        }
        let Some(key) = output.keys.last_mut() else {
            output.told = told(line).filter(|_| Some(number) == last).or(output.told);
            continue;
        };
        if let Some(value) = value(line, code_page) {
            key.values.push(value);
        } else if Some(number) == last && told(line).is_some() {
            output.told = told(line);
        } else if let Some(value) = key.values.last_mut().filter(|_| !line.trim_ascii().is_empty()) {
            // The data themselves have a line break.
            value.data.push('\n');
            value.data.push_str(&code_page.text(line));
        }
    }
    output
}

/// `    NAME    REG_TYPE    DATA`.
fn value(line: &[u8], code_page: CodePage) -> Option<RegistryValue> {
    let line = code_page.verbatim(line.strip_prefix(b"    ")?);
    let (name, rest) = line.split_once("    REG_")?;
    let (kind, data) = rest.split_once("    ").unwrap_or((rest.trim_end(), ""));
    // `\??\` is how the kernel writes a full path: no character was lost there.
    let data = data.strip_prefix(r"\??\").unwrap_or(data);
    Some(RegistryValue { name: lossy(name), kind: format!("REG_{kind}"), data: lossy(data) })
}

/// `End of search: 12 match(es) found.`: the only number on the line, which is not indented.
fn told(line: &[u8]) -> Option<usize> {
    if line.starts_with(b" ") {
        return None;
    }
    let mut numbers = line.split(|byte| !byte.is_ascii_digit()).filter(|run| !run.is_empty());
    let one = crate::facts::frames::number(numbers.next()?)?;
    numbers.next().is_none().then_some(one)
}

/// `HKEY_LOCAL_MACHINE\…` for `HKLM\…`.
pub(super) fn long(key: &str) -> String {
    let (hive, rest) = key.split_once('\\').unwrap_or((key, ""));
    let hive = match hive.to_ascii_uppercase().as_str() {
        "HKLM" => "HKEY_LOCAL_MACHINE".to_owned(),
        "HKU" => "HKEY_USERS".to_owned(),
        _ => hive.to_owned(),
    };
    if rest.is_empty() { hive } else { format!("{hive}\\{rest}") }
}

/// Whether a key is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    There,
    Absent,
    Unknown(String),
}

impl Answers<'_> {
    /// The output of a question about the registry.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn registry(&self, ask: &Ask) -> Result<Output, String> {
        Ok(read(&self.one(ask)?.lines, self.code_page))
    }

    /// The output of a search for a value, if it came to its end.
    ///
    /// # Errors
    /// Why it did not.
    pub(super) fn search(&self, ask: &Ask) -> Result<Output, String> {
        let section = self.one(ask)?;
        let output = read(&section.lines, self.code_page);
        if output.is_whole(section) {
            return Ok(output);
        }
        Err(section
            .failure("reg query")
            .unwrap_or_else(|| "`reg query` tells another number of matches than it shows".to_owned()))
    }

    /// Whether a key of the machine is there, by what it and those above it answered; all of them have
    /// been asked.
    pub(super) fn standing(&self, key: &str) -> Standing {
        standing(key, 2, self.code_page, &|key| self.one(&Ask::here(key)))
    }
}

/// What `reg query KEY` printed.
pub(super) type Fetch<'f, 's> = dyn Fn(&str) -> Result<&'s Section<'s>, String> + 'f;

/// Whether a key is there. The key of so many components as `top` is there on every host, so that
/// `reg query` must show something of it.
pub(super) fn standing(key: &str, top: usize, code_page: CodePage, fetch: &Fetch<'_, '_>) -> Standing {
    let section = match fetch(key) {
        Ok(section) => section,
        Err(reason) => return Standing::Unknown(reason),
    };
    let own = read(&section.lines, code_page);
    let shows = own.key(key).is_some() || own.below(key).next().is_some();
    let failure = section.failure("reg query");
    let Some((above, name)) = key.rsplit_once('\\').filter(|_| key.split('\\').count() > top) else {
        return match failure {
            None if shows => Standing::There,
            failure => {
                Standing::Unknown(failure.unwrap_or_else(|| format!("`reg query` shows nothing of `{key}`")))
            }
        };
    };
    if failure.is_none() && shows {
        return Standing::There;
    }
    match standing(above, top, code_page, fetch) {
        Standing::There => {}
        other => return other,
    }
    let listed = fetch(above).map(|section| read(&section.lines, code_page)).unwrap_or_default();
    // Names of keys may have what are wildcards elsewhere.
    let wanted = Matcher::Exact(name.to_lowercase());
    let pattern = Pattern::new(name.to_lowercase());
    let mut lossy = false;
    for listed in listed.below(above).map(Key::name) {
        match pattern.windows_matches(&wanted, &listed.to_lowercase()) {
            // An empty key shows nothing.
            Truth::True => {
                return failure.map_or(Standing::There, |failure| {
                    Standing::Unknown(format!("`{key}` cannot be read: {failure}"))
                });
            }
            Truth::Unknown => lossy = true,
            Truth::False => {}
        }
    }
    match (lossy, section.status) {
        (true, _) => Standing::Unknown(format!("a key in `{above}` has characters that could not be read")),
        // It answered for the key, and the one above does not have it: one of the two is wrong.
        (false, Some(0)) => Standing::Unknown(format!("`reg query` contradicts itself about `{key}`")),
        (false, None) => Standing::Unknown("`reg query` was cut off".to_owned()),
        // The code of a key that is not there; a program that is missing has another.
        (false, Some(1)) => Standing::Absent,
        (false, Some(_)) => Standing::Unknown(failure.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(text: &str) -> Output {
        let lines: Vec<&[u8]> = text.split('\n').map(str::as_bytes).collect();
        read(&lines, CodePage::of_number(65001))
    }

    #[test]
    fn reads_keys_values_and_the_count() {
        // The form that https://learn.microsoft.com/en-us/windows-server/administration/windows-commands/reg-query
        // documents, and what its last line says in German.
        for last in ["End of search: 2 match(es) found.", "Ende der Suche: 2 Übereinstimmung(en) gefunden."]
        {
            let read = output(&format!(
                "\nHKEY_LOCAL_MACHINE\\SOFTWARE\\A\\B\n    DisplayName    REG_SZ    Kaspersky  Endpoint\n\nHKEY_LOCAL_MACHINE\\SOFTWARE\\A\\C\n    DisplayName    REG_SZ    two\nlines\n\n{last}\n"
            ));
            assert_eq!(read.told, Some(2));
            assert_eq!(read.keys[0].values[0].data, "Kaspersky  Endpoint");
            assert_eq!(read.keys[1].values[0].data, "two\nlines");
            assert_eq!(read.below(r"HKLM\software\a").map(Key::name).collect::<Vec<_>>(), ["B", "C"]);
        }
    }

    #[test]
    fn a_value_may_be_empty_and_a_name_may_have_blanks() {
        let read =
            output("HKEY_USERS\\S\\K\n    (Default)    REG_SZ    \n    two words    REG_DWORD    0x1\n");
        assert_eq!(read.keys[0].values[0].data, "");
        assert_eq!(read.keys[0].value("TWO WORDS").map(|value| value.data.as_str()), Some("0x1"));
    }
}
