//! The registry keys that a playbook asks for.

use super::answers::{Answers, Section};
use super::ask::{Ask, View, Want, chain};
use super::registry::{Output, Standing, long, read, standing};
use crate::facts::listing::{Asker, Builder};
use crate::facts::{Listing, RegistryKey};
use crate::model::Truth;
use crate::playbook::Pattern;
use std::collections::{BTreeMap, BTreeSet};

/// What stands for every loaded user's hive.
const HIVES: &str = r"HKU\*\";

/// A key as it is asked: where, and what of it is a glob.
struct Asked<'k> {
    /// Below every hive instead of from the root on.
    in_hives: bool,
    /// The key, or with a glob the one above.
    key: &'k str,
    /// The last component where it is a glob.
    glob: Option<&'k str>,
}

fn asked(key: &str) -> Result<Asked<'_>, String> {
    if !key.bytes().all(|byte| byte == b' ' || (byte.is_ascii_graphic() && !b"\"%".contains(&byte))) {
        return Err(format!("`{key}` has characters that cannot be sent to `cmd.exe`"));
    }
    let in_hives = key.get(..HIVES.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(HIVES));
    let rest = if in_hives { key.get(HIVES.len()..).unwrap_or_default() } else { key };
    let (above, last) = rest.rsplit_once('\\').unwrap_or(("", rest));
    let is_glob = |part: &str| Pattern::new(part).is_glob();
    let (key_asked, glob) = if is_glob(last) { (above, Some(last)) } else { (rest, None) };
    if key_asked.is_empty() || key_asked.split('\\').any(is_glob) {
        return Err(format!(
            "`{key}` has a wildcard that cannot be asked: only the last component may have one"
        ));
    }
    Ok(Asked { in_hives, key: key_asked, glob })
}

/// Adds the questions that a key needs.
pub(super) fn asks(key: &str, values: &BTreeSet<String>, asks: &mut BTreeSet<Ask>) {
    let Ok(asked) = asked(key) else { return };
    // Values of many keys are searched for; those of one are printed with it.
    let searched = values.iter().filter(|value| asked.glob.is_some() && is_plain(value));
    if asked.in_hives {
        asks.insert(Ask::here("HKU"));
        asks.insert(Ask::here(super::ask::PROFILES));
        let parts: Vec<&str> = asked.key.split('\\').collect();
        for count in 1..=parts.len() {
            let below = parts.iter().take(count).copied().collect::<Vec<_>>().join("\\");
            asks.insert(Ask::Hive { below, want: Want::Here });
        }
        asks.extend(
            searched.map(|value| Ask::Hive { below: asked.key.to_owned(), want: Want::Deep(value.clone()) }),
        );
    } else {
        asks.extend(chain(asked.key).map(|key| Ask::here(&key)));
        asks.extend(searched.map(|value| Ask::deep(asked.key, value)));
    }
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ' || (byte.is_ascii_graphic() && !b"\"%".contains(&byte)))
}

/// Reads the answers for every asked key.
pub(super) fn parse(
    answers: &Answers<'_>,
    asked_keys: &BTreeMap<String, BTreeSet<String>>,
    hives: &super::programs::Hives,
) -> BTreeMap<String, Listing<RegistryKey>> {
    asked_keys.iter().map(|(key, values)| (key.clone(), one(answers, key, values, hives))).collect()
}

fn one(
    answers: &Answers<'_>,
    key: &str,
    values: &BTreeSet<String>,
    hives: &super::programs::Hives,
) -> Listing<RegistryKey> {
    let mut builder = Builder::empty(Asker { is_root: true });
    match asked(key) {
        Err(reason) => builder.gap(reason),
        Ok(asked) if asked.in_hives => {
            hives.gaps.iter().for_each(|gap| builder.gap(gap.clone()));
            for hive in &hives.loaded {
                in_hive(answers, &asked, values, hive, &mut builder);
            }
        }
        Ok(asked) => {
            let fetch = |key: &str| answers.one(&Ask::here(key));
            let search = |value: &str| answers.search(&Ask::deep(asked.key, value));
            let place = Place { path: asked.key, top: 2, fetch: &fetch, search: &search };
            place.look(answers, asked.glob, values, &mut builder);
        }
    }
    builder.finish(|key| key.key.clone())
}

fn in_hive(
    answers: &Answers<'_>,
    asked: &Asked<'_>,
    values: &BTreeSet<String>,
    hive: &str,
    builder: &mut Builder<RegistryKey>,
) {
    let path = format!("{hive}\\{}", asked.key);
    let prefix = hive.len() + 1;
    let of_hive = |want: Want, below: &str| {
        let ask = Ask::Hive { below: below.to_owned(), want };
        answers.of_hive(&ask, hive)
    };
    let fetch = |key: &str| of_hive(Want::Here, key.get(prefix..).unwrap_or_default());
    let search = |value: &str| -> Result<Output, String> {
        let section = of_hive(Want::Deep(value.to_owned()), asked.key)?;
        let output = read(&section.lines, answers.code_page);
        // The code says only whether there was one.
        section.status.map(|_| output).ok_or_else(|| "`reg query` was cut off".to_owned())
    };
    let place = Place { path: &path, top: 3, fetch: &fetch, search: &search };
    place.look(answers, asked.glob, values, builder);
}

/// Where a key is looked for, and by which answers.
struct Place<'p, 's> {
    path: &'p str,
    top: usize,
    fetch: &'p dyn Fn(&str) -> Result<&'s Section<'s>, String>,
    search: &'p dyn Fn(&str) -> Result<Output, String>,
}

impl Place<'_, '_> {
    fn look(
        &self,
        answers: &Answers<'_>,
        glob: Option<&str>,
        values: &BTreeSet<String>,
        builder: &mut Builder<RegistryKey>,
    ) {
        match standing(self.path, self.top, answers.code_page, self.fetch) {
            Standing::Absent => return,
            Standing::Unknown(reason) => return builder.gap(reason),
            Standing::There => {}
        }
        let here = (self.fetch)(self.path).map(|section| read(&section.lines, answers.code_page));
        let Ok(here) = here else { return };
        match glob {
            None => {
                let own = here.key(self.path);
                let kept = own.into_iter().flat_map(|key| &key.values);
                let kept = kept.filter(|found| values.iter().any(|value| same(value, &found.name))).cloned();
                builder.push(RegistryKey { key: long(self.path), values: kept.collect() });
            }
            Some(glob) => self.below(&here, glob, values, builder),
        }
    }

    fn below(
        &self,
        here: &Output,
        glob: &str,
        values: &BTreeSet<String>,
        builder: &mut Builder<RegistryKey>,
    ) {
        let pattern = Pattern::new(glob).lower_case();
        let matcher = pattern.matcher();
        let found: Vec<(&str, Output)> = values
            .iter()
            .filter_map(|value| match (self.search)(value) {
                Ok(output) => Some((value.as_str(), output)),
                Err(reason) => {
                    builder.gap(reason);
                    None
                }
            })
            .collect();
        for key in here.below(self.path) {
            match pattern.windows_matches(&matcher, &key.name().to_lowercase()) {
                Truth::False => {}
                Truth::Unknown => {
                    builder.gap(format!("a key in `{}` has characters that could not be read", self.path));
                }
                Truth::True => {
                    let values = found
                        .iter()
                        .filter_map(|(value, output)| Some(output.key(&key.path)?.value(value)?.clone()));
                    builder.push(RegistryKey { key: long(&key.path), values: values.collect() });
                }
            }
        }
    }
}

/// Names of values are compared without regard to case; a lost character makes none the same.
fn same(asked: &str, found: &str) -> bool {
    asked.to_lowercase() == found.to_lowercase()
}

impl Answers<'_> {
    /// What a hive answered to a question that is put to each.
    pub(super) fn of_hive(&self, ask: &Ask, hive: &str) -> Result<&Section<'_>, String> {
        let wanted = hive.to_lowercase();
        let mut of =
            self.all(ask).iter().filter(|section| self.code_page.text(section.rest).to_lowercase() == wanted);
        match (of.next(), of.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(format!("the hive `{hive}` was not asked: {}", self.end)),
            (Some(_), Some(_)) => Err("the host answered this twice".to_owned()),
        }
    }
}

/// The question about the machine's key in one of its views.
pub(super) fn in_view(key: &str, view: View, want: Want) -> Ask {
    Ask::Registry { key: key.to_owned(), view, want }
}
