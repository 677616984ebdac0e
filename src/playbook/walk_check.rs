//! Nodes → rules and checks.

use super::keys::{CHECKS, FOREIGN_CHECKS, JOINS, PACKAGE_STATES, PATH_KINDS, find};
use super::pattern::Pattern;
use super::rule::{Check, PackageState, PathKind, Rule};
use super::walk::{Fields, Walker};
use crate::model::yaml::{Node, Value};
use crate::model::{Place, Platform};

impl Walker {
    /// A rule: `any`, `all` or `not`, or a check.
    pub fn rule(&mut self, node: &Node, context: &str) -> Option<Rule> {
        let (key, argument) = self.single(node, context)?;
        match key.as_str() {
            Some("any") => self.rules(argument, context).map(flat_any),
            Some("all") => self.rules(argument, context).map(Rule::All),
            Some("not") => self.rule(argument, context).map(|rule| Rule::Not(Box::new(rule))),
            Some(word) if find(CHECKS, word).is_some() => self.check(word, key, argument),
            _ => {
                let words: Vec<&str> = JOINS
                    .iter()
                    .map(|(word, _)| *word)
                    .chain(CHECKS.iter().map(|check| check.name))
                    .collect();
                self.unknown(key, "check", context, &words);
                None
            }
        }
    }

    /// The one pair of a map that must have one.
    fn single<'a>(&mut self, node: &'a Node, context: &str) -> Option<(&'a Node, &'a Node)> {
        match &node.value {
            Value::Map(pairs) => match pairs.as_slice() {
                [(key, value)] => return Some((key, value)),
                [] => self.error(
                    &node.place,
                    format!("a rule of {context} is empty"),
                    "expected one check",
                    "write a check such as `package: NAME`",
                ),
                [_, (second, _), ..] => self.error(
                    &second.place,
                    format!("a rule of {context} has more than one key"),
                    "expected one key a rule",
                    "begin each check with `- ` below `any:` or `all:`",
                ),
            },
            Value::List(_) => self.error(
                &node.place,
                format!("a rule of {context} is a list"),
                "it does not say whether any or all must be true",
                "put the list below `any:` or `all:`",
            ),
            _ => {
                let mut mismatch = node.mismatch("a rule", "write a check such as `package: NAME`");
                mismatch.message.push_str(&format!(" in {context}"));
                self.problems.push(mismatch);
            }
        }
        None
    }

    fn rules(&mut self, node: &Node, context: &str) -> Option<Vec<Rule>> {
        let entries = self.take(node.list())?;
        if entries.is_empty() {
            self.error(
                &node.place,
                format!("a rule of {context} joins nothing"),
                "at least one check is expected",
                "add a check, or remove the rule",
            );
        }
        Some(entries.iter().filter_map(|entry| self.rule(entry, context)).collect())
    }

    /// A check: its short form (the main argument, or a list of such) or a map of all its arguments.
    fn check(&mut self, word: &str, key: &Node, argument: &Node) -> Option<Rule> {
        let construct = find(CHECKS, word)?;
        let context = format!("check `{word}`");
        let short;
        let argument = if matches!(argument.value, Value::Map(_)) {
            argument
        } else if let Some(main) = construct.main {
            short = wrap(main, key, argument);
            &short
        } else {
            let required: Vec<&str> =
                construct.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
            let help = format!(
                "write `{word}: {{ {} }}`",
                required.iter().map(|k| format!("{k}: …")).collect::<Vec<_>>().join(", ")
            );
            self.problems.push(argument.mismatch("a map", &help));
            return None;
        };
        let fields = self.fields(argument, construct, &context, &key.place, &[])?;
        let before = self.problems.len();
        if let Some((_, platform)) = FOREIGN_CHECKS.iter().find(|(foreign, _)| *foreign == word) {
            self.foreign("check", word, platform, key);
        }
        let checks = self.checks_of(word, &fields, &context);
        if checks.is_empty() && self.problems.len() == before {
            return None;
        }
        let mut rules: Vec<Rule> = checks.into_iter().map(Rule::Check).collect();
        if rules.len() == 1 { rules.pop() } else { Some(Rule::Any(rules)) }
    }

    fn checks_of(&mut self, word: &str, fields: &Fields<'_>, context: &str) -> Vec<Check> {
        match word {
            "package" => self.package(fields, context),
            "service" => {
                let running = fields.get("running").and_then(|node| self.take(node.boolean()));
                self.each(fields, "name", |name| Check::Service { name: service_name(&name), running })
            }
            "process" => self.process(fields),
            "path" => self.path_check(fields, context),
            "file_contains" => {
                let path = fields.get("path").and_then(|node| self.path(node));
                let pattern = fields.get("pattern").and_then(|node| self.regex(node));
                path.zip(pattern)
                    .map(|(path, pattern)| Check::FileContains { path, pattern })
                    .into_iter()
                    .collect()
            }
            "kernel_module" => {
                self.each(fields, "name", |name| Check::KernelModule { name: module_name(name) })
            }
            "certificate" => {
                let subject = fields.get("subject").and_then(|node| self.regex(node));
                subject.map(|subject| Check::Certificate { subject }).into_iter().collect()
            }
            "user" => self.each(fields, "name", |name| Check::User { name }),
            "group" => self.each(fields, "name", |name| Check::Group { name }),
            "port" => self.port(fields, context).into_iter().collect(),
            "scheduled_task" => self.scheduled_task(fields),
            "os" => self.os(fields),
            "program" => self.program(fields),
            "registry" => self.registry(fields),
            "driver" => self.driver(fields),
            "receipt" => {
                let version = fields.get("version").and_then(|node| self.range(node));
                self.each(fields, "id", |id| Check::Receipt { id, version: version.clone() })
            }
            "system_extension" => {
                let team = fields.get("team").and_then(|node| self.text(node));
                self.each(fields, "id", |id| Check::SystemExtension { id, team: team.clone() })
            }
            "app" => {
                let version = fields.get("version").and_then(|node| self.range(node));
                self.each(fields, "id", |id| Check::App { id, version: version.clone() })
            }
            _ => Vec::new(),
        }
    }

    /// One check for each name that a key has, one or a list.
    pub(super) fn each(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        make: impl Fn(Pattern) -> Check,
    ) -> Vec<Check> {
        let names = fields.get(key).map(|node| self.many(node, Walker::glob)).unwrap_or_default();
        names.into_iter().map(make).collect()
    }

    fn package(&mut self, fields: &Fields<'_>, context: &str) -> Vec<Check> {
        let version = fields.get("version").and_then(|node| self.range(node));
        let state = fields.get("state").and_then(|node| self.word(node, PACKAGE_STATES, context));
        let state = state.and_then(|word| match word {
            "installed" => Some(PackageState::Installed),
            "config-files" => Some(PackageState::ConfigFiles),
            "broken" => Some(PackageState::Broken),
            _ => None,
        });
        if let Some(node) = fields.get("name") {
            for name in node.as_list().unwrap_or(std::slice::from_ref(node)) {
                self.package_name(name);
            }
        }
        self.each(fields, "name", |name| Check::Package { name, version: version.clone(), state })
    }

    /// Packages are listed without architecture: a name with one would never match.
    fn package_name(&mut self, node: &Node) {
        if let Some((name, _)) = node.as_str().and_then(|name| name.split_once(':')) {
            self.error(
                &node.place,
                format!("the package name `{}` has an architecture", node.as_str().unwrap_or_default()),
                "expected a name alone",
                format!("write `{name}`: it stands for every architecture"),
            );
        }
    }

    fn process(&mut self, fields: &Fields<'_>) -> Vec<Check> {
        let exe = fields.get("exe").and_then(|node| self.path(node));
        if let Some(node) = fields.get("name") {
            for name in node.as_list().unwrap_or(std::slice::from_ref(node)) {
                self.short_process_name(name.as_str().unwrap_or_default(), &name.place);
            }
            return self.each(fields, "name", |name| Check::Process { name: Some(name), exe: exe.clone() });
        }
        exe.map(|exe| Check::Process { name: None, exe: Some(exe) }).into_iter().collect()
    }

    /// A longer name would never match: the kernel cuts it, and the answer would be a false "no".
    fn short_process_name(&mut self, name: &str, place: &Place) {
        let linux_only = self.platforms == [Platform::Linux];
        if linux_only && name.len() > 15 && !Pattern::new(name).is_glob() {
            self.error(
                place,
                format!("the process name `{name}` is longer than Linux keeps"),
                "at most 15 characters are expected",
                "use `exe:` with the executable's path",
            );
        }
    }

    fn path_check(&mut self, fields: &Fields<'_>, context: &str) -> Vec<Check> {
        let kind = fields.get("kind").and_then(|node| self.word(node, PATH_KINDS, context));
        let kind = kind.and_then(|word| match word {
            "file" => Some(PathKind::File),
            "directory" => Some(PathKind::Directory),
            "link" => Some(PathKind::Link),
            "other" => Some(PathKind::Other),
            _ => None,
        });
        let owner = fields.get("owner").and_then(|node| self.text(node));
        let paths = fields.get("path").map(|node| self.many(node, Walker::path)).unwrap_or_default();
        paths.into_iter().map(|path| Check::Path { path, kind, owner: owner.clone() }).collect()
    }

    fn port(&mut self, fields: &Fields<'_>, context: &str) -> Option<Check> {
        let port = fields.get("port").and_then(|node| self.take(node.integer(1, 65_535)));
        let protocol = fields.get("protocol").map(|node| self.word(node, &["tcp", "udp"], context));
        let protocol = protocol.unwrap_or(Some("tcp"))?.to_owned();
        Some(Check::Port { port: u16::try_from(port?).ok()?, protocol })
    }

    fn scheduled_task(&mut self, fields: &Fields<'_>) -> Vec<Check> {
        let command = fields.get("command").and_then(|node| self.regex(node));
        if fields.get("name").is_some() {
            let command = &command;
            return self.each(fields, "name", |name| Check::ScheduledTask {
                name: Some(name),
                command: command.clone(),
            });
        }
        command
            .map(|command| Check::ScheduledTask { name: None, command: Some(command) })
            .into_iter()
            .collect()
    }

    fn os(&mut self, fields: &Fields<'_>) -> Vec<Check> {
        let version = fields.get("version").and_then(|node| self.range(node));
        if fields.get("id").is_some() {
            return self.each(fields, "id", |id| Check::Os { id: Some(id), version: version.clone() });
        }
        version.map(|version| Check::Os { id: None, version: Some(version) }).into_iter().collect()
    }

    /// What only one platform has stands in a product of that platform. `what` is `check` or `step`.
    pub(super) fn foreign(&mut self, what: &str, word: &str, platform: &str, key: &Node) {
        let known = Platform::parse(platform).is_some_and(|platform| self.platforms.contains(&platform));
        if !known && !self.platforms.is_empty() {
            self.error(
                &key.place,
                format!("{what} `{word}` is for {platform}, but the product is not"),
                if what == "check" {
                    "no host of the product could answer it"
                } else {
                    "no host of the product can do it"
                },
                format!("add `{platform}` to the product's `platforms`, or remove the {what}"),
            );
        }
    }
}

/// `any` within `any` says nothing more: a list of names adds no level.
fn flat_any(rules: Vec<Rule>) -> Rule {
    let flatten = |rule| match rule {
        Rule::Any(inner) => inner,
        other => vec![other],
    };
    Rule::Any(rules.into_iter().flat_map(flatten).collect())
}

/// Services are listed without `.service`.
fn service_name(name: &Pattern) -> Pattern {
    let text = name.as_str();
    Pattern::new(text.strip_suffix(".service").filter(|short| !short.is_empty()).unwrap_or(text))
}

/// The kernel lists modules with `_` for `-`. In `[a-z]` the `-` is a range and stays.
fn module_name(name: Pattern) -> Pattern {
    if name.as_str().contains('[') { name } else { Pattern::new(name.as_str().replace('-', "_")) }
}

/// `kesl` as `{ name: kesl }`.
pub(super) fn wrap(main: &str, key: &Node, argument: &Node) -> Node {
    let name =
        Node { place: key.place.clone(), value: Value::Scalar { text: main.to_owned(), quoted: false } };
    Node { place: argument.place.clone(), value: Value::Map(vec![(name, argument.clone())]) }
}

/// The join words and check words, for telling a rule from a map of arguments.
pub(super) fn is_rule_word(word: &str) -> bool {
    JOINS.iter().any(|(join, _)| *join == word) || find(CHECKS, word).is_some()
}
