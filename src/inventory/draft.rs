//! The inventory while it is being read: what each source said, value by value, with its place.
//!
//! All sources write into one `Draft`, in their order, so that a later source's value replaces an
//! earlier one of the same host or group. `resolve` turns it into an `Inventory`.

use super::values::{Wrong, check_group_name, check_host_name};
use super::{BecomeMethod, ConnectionKind, PasswordSource, range};
use crate::model::{Diagnostic, Diagnostics, Place, Platform, Severity};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The most hosts that are taken, over all sources.
pub(super) const MAX_HOSTS: usize = 200_000;
/// The most groups that are taken, over all sources.
pub(super) const MAX_GROUPS: usize = 20_000;
/// The most messages that are kept: a file that is no inventory at all has one for each line.
const MAX_MESSAGES: usize = 1_000;

/// What a setting is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Address,
    Port,
    User,
    Connection,
    Platform,
    Key,
    Password,
    Become,
    BecomeMethod,
    BecomeUser,
    BecomePassword,
    Priority,
}

impl Field {
    /// The word for it in messages.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Port => "port",
            Self::User => "user",
            Self::Connection => "connection",
            Self::Platform => "platform",
            Self::Key => "key",
            Self::Password => "password",
            Self::Become => "become",
            Self::BecomeMethod => "become method",
            Self::BecomeUser => "become user",
            Self::BecomePassword => "become password",
            Self::Priority => "group priority",
        }
    }
}

/// A checked value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Address(String),
    Port(u16),
    User(String),
    Connection(ConnectionKind),
    Platform(Platform),
    Key(String),
    Password(PasswordSource),
    Become(bool),
    BecomeMethod(BecomeMethod),
    /// Always `root`: another one is `Refused`.
    BecomeRoot,
    BecomePassword(PasswordSource),
    Priority(i64),
    /// Well written, but nothing that can be obeyed. An error only where it is the value that
    /// counts: another layer or an option may replace it.
    Refused(Field, Wrong),
}

impl Value {
    pub(super) fn field(&self) -> Field {
        match self {
            Self::Address(_) => Field::Address,
            Self::Port(_) => Field::Port,
            Self::User(_) => Field::User,
            Self::Connection(_) => Field::Connection,
            Self::Platform(_) => Field::Platform,
            Self::Key(_) => Field::Key,
            Self::Password(_) => Field::Password,
            Self::Become(_) => Field::Become,
            Self::BecomeMethod(_) => Field::BecomeMethod,
            Self::BecomeRoot => Field::BecomeUser,
            Self::BecomePassword(_) => Field::BecomePassword,
            Self::Priority(_) => Field::Priority,
            Self::Refused(field, _) => *field,
        }
    }

    /// For messages; none for what must not or cannot be shown.
    fn shown(&self) -> Option<String> {
        match self {
            Self::Address(text) | Self::User(text) | Self::Key(text) => Some(text.clone()),
            Self::Port(port) => Some(port.to_string()),
            Self::Connection(kind) => Some(kind.word().to_owned()),
            Self::Platform(platform) => Some(platform.word().to_owned()),
            Self::Become(flag) => Some(flag.to_string()),
            Self::BecomeMethod(method) => Some(method.word().to_owned()),
            Self::Priority(number) => Some(number.to_string()),
            Self::BecomeRoot => Some("root".to_owned()),
            Self::Password(_) | Self::BecomePassword(_) | Self::Refused(..) => None,
        }
    }
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Setting {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// The settings of one host or of one group; each field at most once.
pub(super) type Settings = Vec<Setting>;

/// Puts a setting in; the one it replaces is returned.
fn put(settings: &mut Settings, new: Setting) -> Option<Setting> {
    let field = new.value.field();
    match settings.iter_mut().find(|old| old.value.field() == field) {
        Some(old) => Some(std::mem::replace(old, new)),
        None => {
            settings.push(new);
            None
        }
    }
}

/// A host as far as it is known.
#[derive(Debug)]
pub(super) struct HostDraft {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) settings: Settings,
    /// The groups that name it directly.
    pub(super) groups: BTreeSet<Arc<str>>,
}

/// A group as far as it is known.
#[derive(Debug, Default)]
pub(super) struct GroupDraft {
    /// Where it was defined; none: so far it was only referred to.
    pub(super) defined: Option<Place>,
    /// Where values were given to it.
    pub(super) vars: Option<Place>,
    /// Groups in it, with where that was said.
    pub(super) children: Vec<(Arc<str>, Place)>,
    /// What inventories say of it.
    pub(super) settings: Settings,
    /// What `group_vars` files say of it; all of these come after all inventories' values.
    pub(super) file_settings: Settings,
}

/// A reference to a host that must be defined elsewhere.
#[derive(Debug)]
pub(super) struct HostReference {
    pub(super) name: String,
    pub(super) group: Arc<str>,
    pub(super) place: Place,
}

/// Whose value a setting is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    Host(usize),
    Group(Arc<str>),
    /// A group, from a `group_vars` file.
    GroupFile(Arc<str>),
}

/// All that was read so far.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) hosts: Vec<HostDraft>,
    index: HashMap<String, usize>,
    pub(super) groups: BTreeMap<Arc<str>, GroupDraft>,
    pub(super) references: Vec<HostReference>,
    /// Errors and warnings so far.
    pub(super) out: Diagnostics,
    /// Where passwords stand in the file being read, with their text where it is known: they are
    /// blanked before the file is shown.
    pub(super) secrets: Vec<(Place, String)>,
    said: BTreeSet<(Arc<str>, String)>,
    dropped: bool,
}

impl Draft {
    /// Takes an error or a warning.
    pub(super) fn say(&mut self, diagnostic: Diagnostic) {
        if self.out.list.len() < MAX_MESSAGES {
            self.out.list.push(diagnostic);
        } else if !self.dropped {
            self.dropped = true;
            let message = format!("more than {MAX_MESSAGES} messages; the rest is not shown");
            let last = Diagnostic { message, label: String::new(), ..diagnostic };
            self.out.list.push(last.with_help("mend the first ones; is this an inventory at all?"));
        } else if diagnostic.severity == Severity::Error
            && let Some(last) = self.out.list.last_mut()
        {
            // An error is never lost among warnings.
            last.severity = Severity::Error;
        }
    }

    /// Does the same to several hosts of one line: what is wrong with a value is said for the first.
    pub(super) fn for_hosts(&mut self, ids: &[usize], mut act: impl FnMut(&mut Self, usize)) {
        let Some((first, rest)) = ids.split_first() else { return };
        let before = self.out.list.len();
        act(self, *first);
        let wrong = self.out.list.iter().skip(before).any(|d| d.severity == Severity::Error);
        for &id in rest {
            let said = self.out.list.len();
            act(self, id);
            if wrong && self.out.list.len() > said {
                let added = self.out.list.split_off(said);
                self.out.list.extend(added.into_iter().filter(|d| d.severity == Severity::Warning));
            }
        }
    }

    /// An error from a check of a value.
    pub(super) fn wrong(&mut self, place: &Place, wrong: &Wrong) {
        self.say(wrong.at(place));
    }

    /// Says something once for each file and subject.
    pub(super) fn say_once(&mut self, subject: &str, diagnostic: Diagnostic) {
        let file = diagnostic.place.as_ref().map_or_else(|| Arc::from(""), |place| place.file.clone());
        if self.said.insert((file, subject.to_owned())) {
            self.say(diagnostic);
        }
    }

    /// The index of a host that is known already.
    pub(super) fn find_host(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// The host of this name, made if it is new; none if the name is not valid or there are too
    /// many hosts, which was then said.
    pub(super) fn host(&mut self, name: &str, place: &Place) -> Option<usize> {
        if let Some(id) = self.find_host(name) {
            return Some(id);
        }
        if let Err(wrong) = check_host_name(name) {
            self.wrong(place, &wrong);
            return None;
        }
        if self.hosts.len() >= MAX_HOSTS {
            self.say_once("too many hosts", too_many_hosts(place));
            return None;
        }
        let id = self.hosts.len();
        self.index.insert(name.to_owned(), id);
        self.hosts.push(HostDraft {
            name: name.to_owned(),
            place: place.clone(),
            settings: Settings::new(),
            groups: BTreeSet::new(),
        });
        Some(id)
    }

    /// The hosts that `web[01:50].example:2222` or `[2001:db8::1]:22` names, made if they are new,
    /// with the port set where one is given. `exact`: offsets in `text` are columns of the file.
    pub(super) fn hosts_of(&mut self, text: &str, place: &Place, exact: bool) -> Vec<usize> {
        let spec = match range::host_spec(text, MAX_HOSTS) {
            Ok(spec) => spec,
            Err(error) => {
                self.wrong(&within(place, exact, error.offset, error.length), &error.wrong);
                return Vec::new();
            }
        };
        let mut ids = Vec::with_capacity(spec.names.len());
        for name in &spec.names {
            let before = self.out.list.len();
            match self.host(name, place) {
                Some(id) => ids.push(id),
                // One message for a range is enough.
                None if self.out.list.len() > before => break,
                None => {}
            }
        }
        if let Some(port) = spec.port {
            let place = within(place, exact, port.offset, port.length);
            for &id in &ids {
                self.set(&Owner::Host(id), Value::Port(port.value), &place);
            }
        }
        ids
    }

    /// The group of this name, for reference or change; none if the name is not valid, which was
    /// then said.
    pub(super) fn group(&mut self, name: &str, place: &Place) -> Option<Arc<str>> {
        if let Some((known, _)) = self.groups.get_key_value(name) {
            return Some(known.clone());
        }
        if let Err(wrong) = check_group_name(name) {
            self.wrong(place, &wrong);
            return None;
        }
        if self.groups.len() >= MAX_GROUPS {
            let error = Diagnostic::error(place, format!("more than {MAX_GROUPS} groups"))
                .with_help("split the inventory into several and run uproot on each");
            self.say_once("too many groups", error);
            return None;
        }
        let name: Arc<str> = name.into();
        self.groups.insert(name.clone(), GroupDraft::default());
        Some(name)
    }

    /// As `group`, and the group counts as defined here.
    pub(super) fn define_group(&mut self, name: &str, place: &Place) -> Option<Arc<str>> {
        let name = self.group(name, place)?;
        if let Some(group) = self.groups.get_mut(&name) {
            group.defined.get_or_insert_with(|| place.clone());
        }
        Some(name)
    }

    /// Puts a host into a group. Every host is in `all` without being put there.
    pub(super) fn join(&mut self, group: &Arc<str>, host: usize) {
        if &**group == "all" || &**group == "ungrouped" {
            return;
        }
        if let Some(host) = self.hosts.get_mut(host) {
            host.groups.insert(group.clone());
        }
    }

    /// Puts a group into a group.
    pub(super) fn nest(&mut self, parent: &Arc<str>, child: &Arc<str>, place: &Place) {
        if let Some(group) = self.groups.get_mut(parent)
            && !group.children.iter().any(|(known, _)| known == child)
        {
            group.children.push((child.clone(), place.clone()));
        }
    }

    /// Gives a host or a group a value. A different one from the same file is replaced with a warning.
    pub(super) fn set(&mut self, owner: &Owner, value: Value, place: &Place) {
        if let Value::Password(PasswordSource::Inline(secret))
        | Value::BecomePassword(PasswordSource::Inline(secret)) = &value
        {
            self.secrets.push((place.clone(), secret.clone()));
            let word = value.field().word();
            self.say_once(word, inline_password(place, word));
        }
        let setting = Setting { value, place: place.clone() };
        let replaced = match owner {
            Owner::Host(id) => self.hosts.get_mut(*id).and_then(|h| put(&mut h.settings, setting.clone())),
            Owner::Group(name) => self.groups.get_mut(name).and_then(|g| {
                g.vars.get_or_insert_with(|| place.clone());
                put(&mut g.settings, setting.clone())
            }),
            Owner::GroupFile(name) => {
                self.groups.get_mut(name).and_then(|g| put(&mut g.file_settings, setting.clone()))
            }
        };
        if let Some(old) = replaced
            && old.place.file == setting.place.file
            && old.value != setting.value
        {
            let warning = self.replaced(owner, &old, &setting);
            self.say(warning);
        }
    }

    fn replaced(&self, owner: &Owner, old: &Setting, new: &Setting) -> Diagnostic {
        let whose = self.owner_words(owner);
        let word = new.value.field().word();
        let values = match (old.value.shown(), new.value.shown()) {
            (Some(old), Some(new)) => format!(": `{old}`, then `{new}`"),
            _ => String::new(),
        };
        Diagnostic::warning(&new.place, format!("{whose} is given two different values for {word}{values}"))
            .with_label(format!("the first is at {}", old.place))
            .with_help("the later one is used; delete one of the two")
    }

    /// ``host `web01` `` or ``group `web` ``.
    pub(super) fn owner_words(&self, owner: &Owner) -> String {
        match owner {
            Owner::Host(id) => format!("host `{}`", self.hosts.get(*id).map_or("", |h| h.name.as_str())),
            Owner::Group(name) | Owner::GroupFile(name) => format!("group `{name}`"),
        }
    }
}

fn too_many_hosts(place: &Place) -> Diagnostic {
    Diagnostic::error(place, format!("more than {MAX_HOSTS} hosts"))
        .with_label("the first one too many")
        .with_help("split the inventory into several and run uproot on each")
}

fn inline_password(place: &Place, word: &str) -> Diagnostic {
    let option = if word == "password" { "--ask-pass" } else { "--ask-become-pass" };
    Diagnostic::warning(place, format!("the {word} itself stands in this file, for everyone who can read it"))
        .with_label("never shown by uproot")
        .with_help(format!(
            "use `{option}`, or in uproot's own format a reference such as `{}: {{ env: NAME }}`",
            word.replace(' ', "_")
        ))
}

/// A part of a place, where the text at the place stands verbatim in the file.
pub(super) fn within(place: &Place, exact: bool, offset: usize, length: usize) -> Place {
    if !exact {
        return place.clone();
    }
    let offset = u32::try_from(offset).unwrap_or(0);
    Place {
        column: place.column.saturating_add(offset),
        length: u32::try_from(length).unwrap_or(1).max(1),
        ..place.clone()
    }
}
