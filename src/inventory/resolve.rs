//! From the draft to the inventory: groups are unfolded, layers of values are laid over each other
//! as Ansible lays them, options of the command line on top.
//!
//! Lowest first: `all` and then the other groups as inventories give them, a parent before its
//! child (then by `ansible_group_priority`, then by name); the same order again for `group_vars`;
//! the host's own values; its `host_vars`; options.

use super::draft::{Draft, Field, GroupDraft, HostDraft, Setting, Settings, Value};
use super::values::{Wrong, quoted};
use super::{BecomeMethod, ConnectionKind, Host, Inventory, Overrides, PasswordSource, Sourced};
use crate::model::diagnostic::nearest;
use crate::model::{Diagnostic, Place};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Groups inside each other.
const DEEPEST: usize = 64;
/// Memberships of hosts in groups, over all hosts.
const MOST_MEMBERSHIPS: usize = 4_000_000;
/// Among how many names the nearest one is looked for.
const SEARCHED: usize = 5_000;
/// For how many misspelt names the nearest one is looked for; each costs a pass over the others.
const HELPED: usize = 100;

/// Resolves the draft; what is wrong is said in it.
pub(super) fn resolve(draft: &mut Draft, overrides: &Overrides) -> Inventory {
    join_references(draft);
    check_groups(draft);
    let order = Order::of(draft);
    let mut inventory = Inventory::default();
    for name in draft.groups.keys() {
        inventory.groups.insert(name.to_string(), BTreeSet::new());
    }
    let mut refusals = Refusals::default();
    let mut memberships = 0;
    for host in &draft.hosts {
        let groups = order.groups_of(host);
        memberships += groups.len();
        if memberships > MOST_MEMBERSHIPS {
            let error =
                Diagnostic::error(&host.place, format!("more than {MOST_MEMBERSHIPS} memberships in groups"))
                    .with_help("split the inventory into several and run uproot on each");
            draft.out.list.push(error);
            break;
        }
        let layers = layers(draft, host, &groups, &order);
        for group in groups.iter().map(|group| &**group).chain(host.groups.is_empty().then_some("ungrouped"))
        {
            if let Some(members) = inventory.groups.get_mut(group) {
                members.insert(host.name.clone());
            }
        }
        let groups = groups.iter().filter(|g| &***g != "all").map(|g| g.to_string()).collect();
        inventory.hosts.push(build(host, groups, &layers, overrides, &mut refusals));
    }
    warn_of_shared_names(draft);
    for error in refusals.into_errors() {
        draft.say(error);
    }
    inventory
}

/// Hosts that groups name and that must be defined somewhere.
fn join_references(draft: &mut Draft) {
    let mut helped = 0;
    for reference in std::mem::take(&mut draft.references) {
        if let Some(id) = draft.find_host(&reference.name) {
            draft.join(&reference.group, id);
            continue;
        }
        helped += 1;
        let searched = if helped > HELPED { 0 } else { SEARCHED };
        let near = nearest(&reference.name, draft.hosts.iter().take(searched).map(|host| host.name.as_str()));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("define it under `hosts:`, as `{}: {{}}`", reference.name),
        };
        let message = format!(
            "group `{}` names host {}, which is not defined",
            reference.group,
            quoted(&reference.name)
        );
        draft.say(Diagnostic::error(&reference.place, message).with_help(help));
    }
}

/// Groups that are referred to and never defined, and groups that contain themselves.
fn check_groups(draft: &mut Draft) {
    let undefined: Vec<Arc<str>> = draft
        .groups
        .iter()
        .filter(|(_, group)| group.defined.is_none())
        .map(|(name, _)| name.clone())
        .collect();
    let mut errors = Vec::new();
    for (index, name) in undefined.iter().enumerate() {
        let defined =
            draft.groups.iter().filter(|(_, group)| group.defined.is_some()).map(|(name, _)| &**name);
        let near = nearest(name, defined.take(if index < HELPED { SEARCHED } else { 0 }));
        let help = near.map_or_else(
            || "define it, even if it is empty".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        let vars = draft.groups.get(name).and_then(|group| group.vars.clone());
        let children = draft.groups.values().flat_map(|group| &group.children);
        let places = children.filter(|(child, _)| child == name).map(|(_, place)| place.clone());
        for place in places.chain(vars) {
            let error = Diagnostic::error(&place, format!("group `{name}` is not defined"));
            errors.push(error.with_help(help.clone()));
        }
    }
    errors.extend(break_cycles(&mut draft.groups));
    for error in errors {
        draft.say(error);
    }
}

/// Removes every reference that closes a cycle, or goes too deep, and says so.
fn break_cycles(groups: &mut BTreeMap<Arc<str>, GroupDraft>) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    let mut done: BTreeSet<Arc<str>> = BTreeSet::new();
    let names: Vec<Arc<str>> = groups.keys().cloned().collect();
    for root in names {
        // Each entry: a group that is being looked at, and which of its children is next.
        let mut path: Vec<(Arc<str>, usize)> = vec![(root, 0)];
        while let Some((name, next)) = path.last_mut() {
            let (name, index) = (name.clone(), *next);
            *next += 1;
            let child = groups.get(&name).and_then(|group| group.children.get(index)).cloned();
            let Some((child, place)) = child else {
                done.insert(name);
                path.pop();
                continue;
            };
            let error = if &*child == "all" {
                Some(cycle_error(&place, &["all", &name, "all"]))
            } else if let Some(start) = path.iter().position(|(on_path, _)| *on_path == child) {
                let mut cycle: Vec<&str> = path.iter().skip(start).map(|(name, _)| &**name).collect();
                cycle.push(&child);
                Some(cycle_error(&place, &cycle))
            } else if path.len() >= DEEPEST {
                let error =
                    Diagnostic::error(&place, format!("groups more than {DEEPEST} deep inside each other"));
                Some(error.with_help("nest groups less deeply"))
            } else {
                None
            };
            match error {
                Some(error) => {
                    errors.push(error);
                    if let Some(group) = groups.get_mut(&name) {
                        group.children.remove(index);
                    }
                    if let Some((_, next)) = path.last_mut() {
                        *next = index;
                    }
                }
                None if done.contains(&child) => {}
                None => path.push((child, 0)),
            }
        }
    }
    errors
}

fn cycle_error(place: &Place, cycle: &[&str]) -> Diagnostic {
    Diagnostic::error(place, format!("group `{}` contains itself", cycle.first().unwrap_or(&"")))
        .with_label(cycle.join(" → "))
        .with_help("remove this child, or one of the others in the circle")
}

/// How groups lie over each other.
struct Order {
    /// A group's own name and all that contain it.
    above: HashMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// Where a group's values come: after those of a lower rank.
    rank: HashMap<Arc<str>, (usize, i64)>,
}

impl Order {
    fn of(draft: &Draft) -> Self {
        let mut parents: HashMap<Arc<str>, Vec<Arc<str>>> = HashMap::new();
        for (name, group) in &draft.groups {
            for (child, _) in &group.children {
                parents.entry(child.clone()).or_default().push(name.clone());
            }
        }
        let mut order = Self { above: HashMap::new(), rank: HashMap::new() };
        let mut depths = HashMap::new();
        for (name, group) in &draft.groups {
            order.climb(name, &parents, &mut depths);
            let mut priority =
                group.settings.iter().chain(&group.file_settings).filter_map(|s| match s.value {
                    Value::Priority(number) => Some(number),
                    _ => None,
                });
            // `all` is always the lowest.
            let depth = if &**name == "all" { 0 } else { depths.get(name).copied().unwrap_or(1) };
            order.rank.insert(name.clone(), (depth, priority.next_back().unwrap_or(1)));
        }
        order
    }

    /// Fills in the ancestors and the depth of a group. No cycles are left, and nesting is bounded.
    fn climb(
        &mut self,
        name: &Arc<str>,
        parents: &HashMap<Arc<str>, Vec<Arc<str>>>,
        depths: &mut HashMap<Arc<str>, usize>,
    ) {
        if self.above.contains_key(name) {
            return;
        }
        let mut above = BTreeSet::from([name.clone()]);
        let mut depth = 1;
        for parent in parents.get(name).into_iter().flatten() {
            self.climb(parent, parents, depths);
            above.extend(self.above.get(parent).into_iter().flatten().cloned());
            if &**parent != "all" {
                depth = depth.max(depths.get(parent).copied().unwrap_or(1) + 1);
            }
        }
        self.above.insert(name.clone(), above);
        depths.insert(name.clone(), depth);
    }

    /// All groups of a host, `all` among them.
    fn groups_of(&self, host: &HostDraft) -> BTreeSet<Arc<str>> {
        let mut groups: BTreeSet<Arc<str>> =
            host.groups.iter().filter_map(|group| self.above.get(group)).flatten().cloned().collect();
        groups.insert("all".into());
        groups
    }
}

/// The value that counts for each field, and the group it is from.
type Layers<'a> = BTreeMap<Field, (&'a Setting, Option<Arc<str>>)>;

fn layers<'a>(
    draft: &'a Draft,
    host: &'a HostDraft,
    groups: &BTreeSet<Arc<str>>,
    order: &Order,
) -> Layers<'a> {
    let mut sorted: Vec<Arc<str>> = groups.iter().cloned().collect();
    if host.groups.is_empty() {
        sorted.push("ungrouped".into());
    }
    sorted.sort_by(|a, b| order.rank.get(a).cmp(&order.rank.get(b)).then_with(|| a.cmp(b)));
    let mut layers = Layers::new();
    let mut lay = |settings: &'a Settings, group: Option<&Arc<str>>| {
        for setting in settings {
            layers.insert(setting.value.field(), (setting, group.cloned()));
        }
    };
    for pick in [|group: &'a GroupDraft| &group.settings, |group: &'a GroupDraft| &group.file_settings] {
        for name in &sorted {
            if let Some(group) = draft.groups.get(name) {
                lay(pick(group), Some(name));
            }
        }
    }
    lay(&host.settings, None);
    layers
}

/// Values that count for a host and cannot be obeyed, by place: one message, all its hosts.
#[derive(Default)]
struct Refusals {
    by_place: BTreeMap<(Place, String), (Wrong, Vec<String>, usize)>,
}

impl Refusals {
    fn add(&mut self, place: &Place, wrong: &Wrong, host: &str) {
        let key = (place.clone(), wrong.message.clone());
        let (_, hosts, count) = self.by_place.entry(key).or_insert_with(|| (wrong.clone(), Vec::new(), 0));
        *count += 1;
        if hosts.len() < 3 {
            hosts.push(format!("`{host}`"));
        }
    }

    fn into_errors(self) -> impl Iterator<Item = Diagnostic> {
        self.by_place.into_iter().map(|((place, _), (wrong, hosts, count))| {
            let more = if count > hosts.len() {
                format!(" and {} more", count - hosts.len())
            } else {
                String::new()
            };
            let word = if count == 1 { "host" } else { "hosts" };
            let label = format!("{word} {}{more}", hosts.join(", "));
            let message = format!("{} ({label})", wrong.message);
            Diagnostic::error(&place, message).with_label("this value counts").with_help(wrong.help)
        })
    }
}

/// Looks values up for one host.
struct Picker<'a, 'b> {
    host: &'a HostDraft,
    layers: &'a Layers<'a>,
    refusals: &'b mut Refusals,
}

impl Picker<'_, '_> {
    /// The value of a field, if there is one and it can be obeyed; if it cannot, that is noted.
    fn pick<T>(&mut self, field: Field, get: impl Fn(&Value) -> Option<T>) -> Option<Sourced<T>> {
        let (setting, group) = self.layers.get(&field)?;
        if let Value::Refused(_, wrong) = &setting.value {
            self.refusals.add(&setting.place, wrong, &self.host.name);
            return None;
        }
        let value = get(&setting.value)?;
        let origin = match group {
            Some(group) => format!("{} (group {group})", setting.place),
            None => setting.place.to_string(),
        };
        Some(Sourced { value, origin })
    }

    /// As `pick`, but nothing where an option replaces the value.
    fn pick_unless<T>(
        &mut self,
        replaced: bool,
        field: Field,
        get: impl Fn(&Value) -> Option<T>,
    ) -> Option<Sourced<T>> {
        if replaced { None } else { self.pick(field, get) }
    }

    fn is_refused(&self, field: Field) -> bool {
        matches!(self.layers.get(&field), Some((setting, _)) if matches!(setting.value, Value::Refused(..)))
    }
}

fn build(
    host: &HostDraft,
    groups: BTreeSet<String>,
    layers: &Layers<'_>,
    overrides: &Overrides,
    refusals: &mut Refusals,
) -> Host {
    let mut from = Picker { host, layers, refusals };
    let port = |v: &Value| if let Value::Port(port) = v { Some(*port) } else { None };
    let kind = |v: &Value| if let Value::Connection(kind) = v { Some(*kind) } else { None };
    let platform = |v: &Value| if let Value::Platform(platform) = v { Some(*platform) } else { None };
    let default = || "default".to_owned();
    let mut built = Host {
        name: host.name.clone(),
        address: from.pick(Field::Address, text).unwrap_or_else(|| Sourced {
            value: host.name.clone(),
            origin: format!("{} (its name)", host.place),
        }),
        port: from
            .pick_unless(overrides.port.is_some(), Field::Port, port)
            .unwrap_or_else(|| Sourced { value: 22, origin: default() }),
        user: from.pick_unless(overrides.user.is_some(), Field::User, text),
        connection: from
            .pick(Field::Connection, kind)
            .unwrap_or_else(|| Sourced { value: ConnectionKind::Ssh, origin: default() }),
        platform: from.pick(Field::Platform, platform),
        key: from.pick_unless(overrides.key.is_some(), Field::Key, text),
        password: from.pick_unless(overrides.ask_pass, Field::Password, secret),
        become_method: become_method(&mut from, overrides),
        become_password: None,
        groups,
        place: Some(host.place.clone()),
    };
    let becomes = built.become_method.is_some() || overrides.become_method.is_some();
    if becomes {
        // Another user than root is refused, whatever the method.
        from.pick(Field::BecomeUser, |_| Some(()));
    }
    // A password that cannot be read is no error where nothing is become.
    if becomes || !from.is_refused(Field::BecomePassword) {
        built.become_password = from.pick_unless(overrides.ask_become_pass, Field::BecomePassword, secret);
    }
    overrides.apply(&mut built);
    built
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Address(text) | Value::User(text) | Value::Key(text) => Some(text.clone()),
        _ => None,
    }
}

fn secret(value: &Value) -> Option<PasswordSource> {
    match value {
        Value::Password(source) | Value::BecomePassword(source) => Some(source.clone()),
        _ => None,
    }
}

fn become_method(from: &mut Picker<'_, '_>, overrides: &Overrides) -> Option<Sourced<BecomeMethod>> {
    let flag = |v: &Value| if let Value::Become(flag) = v { Some(*flag) } else { None };
    let method = |v: &Value| if let Value::BecomeMethod(method) = v { Some(*method) } else { None };
    let over = overrides.become_method.is_some();
    let wanted = from.pick_unless(over, Field::Become, flag).filter(|wanted| wanted.value)?;
    let named = from.pick(Field::BecomeMethod, method);
    Some(named.unwrap_or(Sourced { value: BecomeMethod::Sudo, origin: wanted.origin }))
}

/// A name that is a host's and a group's selects both in a pattern.
fn warn_of_shared_names(draft: &mut Draft) {
    let shared: Vec<(Arc<str>, Place)> = draft
        .groups
        .keys()
        .filter_map(|name| {
            let host = draft.hosts.get(draft.find_host(name)?)?;
            Some((name.clone(), host.place.clone()))
        })
        .collect();
    for (name, place) in shared {
        let warning = Diagnostic::warning(&place, format!("`{name}` is the name of a host and of a group"));
        draft.say(
            warning.with_label("a pattern with this name selects both").with_help("rename one of the two"),
        );
    }
}
