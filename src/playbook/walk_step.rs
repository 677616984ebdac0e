//! Nodes → steps.

use super::danger::{is_too_general, path_refusal};
use super::keys::{Construct, ENCODINGS, SECRET_USE, find};
use super::keys_steps::{STEP_COMMON, STEPS};
use super::pattern::Pattern;
use super::rule::Rule;
use super::step::{Action, Step, may_hold_secret};
use super::walk::{Fields, LONGEST, Walker};
use super::walk_check::{is_rule_word, wrap};
use crate::model::yaml::{Node, Value};
use crate::model::{Platform, SecretEncoding, SecretUse};
use std::collections::BTreeMap;
use std::time::Duration;

/// What every step may have.
#[derive(Default)]
struct Common {
    when: Option<Rule>,
    effect: Option<Rule>,
    timeout: Option<Duration>,
    opt_in: Option<String>,
}

impl Walker {
    /// The steps of one entry: a list of names in it makes one step for each.
    pub fn steps(&mut self, node: &Node, context: &str) -> Vec<Step> {
        let Some(pairs) = self.step_map(node, context) else { return Vec::new() };
        let mut common = Common::default();
        let mut action: Option<(&Node, &Node, &'static Construct)> = None;
        for (key, value) in pairs {
            let word = key.as_str().unwrap_or_default();
            if STEP_COMMON.iter().any(|common| common.name == word) {
                self.common(&mut common, word, key, value);
            } else if let Some(construct) = find(STEPS, word) {
                if action.is_some() {
                    self.error(
                        &key.place,
                        format!("a step of {context} does two things"),
                        "one action a step is expected",
                        format!("begin `{word}` on a line of its own with `- `"),
                    );
                } else {
                    action = Some((key, value, construct));
                }
            } else if word == "upload" {
                self.error(
                    &key.place,
                    format!("`upload` is no step of {context}"),
                    "a file is laid down for the one command that needs it, and goes with it",
                    "write it in that step: `run: { command: …, upload: { source: …, sha256: … } }`",
                );
                return Vec::new();
            } else {
                let words: Vec<&str> = STEPS
                    .iter()
                    .map(|step| step.name)
                    .chain(STEP_COMMON.iter().map(|key| key.name))
                    .collect();
                self.unknown(key, "step", context, &words);
                return Vec::new();
            }
        }
        let Some((key, value, construct)) = action else {
            self.error(
                &node.place,
                format!("a step of {context} does nothing"),
                "one action is expected",
                "add an action such as `remove_package: NAME`",
            );
            return Vec::new();
        };
        self.step(key, value, construct, common)
    }

    fn step_map<'a>(&mut self, node: &'a Node, context: &str) -> Option<&'a [(Node, Node)]> {
        if let Some(pairs) = node.as_map() {
            return Some(pairs);
        }
        let help = match node.as_str() {
            Some(word) if find(STEPS, word).is_some() => format!("write `- {word}: …`"),
            _ => "write `- remove_package: NAME` or another step".to_owned(),
        };
        let mut mismatch = node.mismatch("a step", &help);
        mismatch.message.push_str(&format!(" in {context}"));
        self.problems.push(mismatch);
        None
    }

    fn common(&mut self, common: &mut Common, word: &str, key: &Node, value: &Node) {
        let context = format!("`{word}`");
        let twice = match word {
            "when" => {
                let rule = self.rule(value, &context);
                replace(&mut common.when, rule)
            }
            "effect" => {
                let rule = self.rule(value, &context);
                replace(&mut common.effect, rule)
            }
            "opt_in" => {
                let word = self.id(value);
                replace(&mut common.opt_in, word)
            }
            _ => {
                let length = self.duration(value, Duration::from_secs(1), LONGEST);
                replace(&mut common.timeout, length)
            }
        };
        if twice {
            self.error(
                &key.place,
                format!("`{word}` is given twice for this step"),
                "beside the action and inside it",
                "keep one of the two",
            );
        }
    }

    fn step(
        &mut self,
        key: &Node,
        value: &Node,
        construct: &'static Construct,
        mut common: Common,
    ) -> Vec<Step> {
        let word = construct.name;
        let context = format!("step `{word}`");
        let short;
        let value = if is_long_form(value, construct) {
            value
        } else if let Some(main) = construct.main {
            short = wrap(main, key, value);
            &short
        } else {
            self.problems.push(value.mismatch("a map", &format!("write `{word}: {{ … }}` with its keys")));
            return Vec::new();
        };
        let Some(fields) = self.fields(value, construct, &context, &key.place, STEP_COMMON) else {
            return Vec::new();
        };
        for (inner, value) in value.as_map().unwrap_or_default() {
            if let Some(common_key) = STEP_COMMON.iter().find(|common| Some(common.name) == inner.as_str()) {
                self.common(&mut common, common_key.name, inner, value);
            }
        }
        let platform = match word {
            "uninstall_program" | "delete_registry" => Some(Platform::Windows),
            "kill_process" if fields.get("name").is_some() => Some(Platform::Windows),
            "forget_receipt" => Some(Platform::Macos),
            "remove_package" => Some(Platform::Linux),
            _ => None,
        };
        if let Some(platform) = platform {
            self.foreign("step", word, platform.word(), key);
        }
        let actions = self.actions(word, &fields, &context);
        let Common { when, effect, timeout, opt_in } = common;
        let place = &key.place;
        if opt_in.is_some() && matches!(word, "require" | "wait_for") {
            self.error(
                place,
                format!("`{word}` has an `opt_in`"),
                "without the word nothing would be asked",
                "write `waived_by` in a `require`: it is asked unless the word is given",
            );
        }
        actions
            .into_iter()
            .map(|action| Step {
                action,
                when: when.clone(),
                effect: effect.clone(),
                timeout,
                opt_in: opt_in.clone(),
                place: place.clone(),
            })
            .collect()
    }

    fn actions(&mut self, word: &str, fields: &Fields<'_>, context: &str) -> Vec<Action> {
        match word {
            "stop_service" => self.for_names(fields, "service", |name| Action::StopService { name }),
            "delete_service" => self.for_names(fields, "service", |name| Action::DeleteService { name }),
            "remove_user" => self.for_names(fields, "user", |name| Action::RemoveUser { name }),
            "remove_group" => self.for_names(fields, "group", |name| Action::RemoveGroup { name }),
            "remove_package" => self.remove_package(fields).into_iter().collect(),
            "kill_process" if fields.get("name").is_some() => self.kill_image(fields),
            "kill_process" => self.for_paths(fields, "exe", |exe| Action::KillProcess { exe }),
            "remove_path" => self.for_paths(fields, "path", |path| Action::RemovePath { path }),
            "remove_certificate" => {
                let subject = fields.get("subject").and_then(|node| self.regex(node));
                subject.map(|subject| Action::RemoveCertificate { subject }).into_iter().collect()
            }
            "remove_scheduled_task" => {
                let read = if self.for_windows() { Walker::task_glob } else { Walker::meant_glob };
                let names = fields.get("name").map(|node| self.many(node, read)).unwrap_or_default();
                names.into_iter().map(|name| Action::RemoveScheduledTask { name }).collect()
            }
            "uninstall_program" => vec![self.uninstall_program(fields)],
            "delete_registry" => self.delete_registry(fields),
            "forget_receipt" => {
                let ids =
                    fields.get("id").map(|node| self.many(node, Walker::meant_glob)).unwrap_or_default();
                ids.into_iter().map(|id| Action::ForgetReceipt { id }).collect()
            }
            "run" => self.run(fields).into_iter().collect(),
            "manual" => {
                let text = fields.get("instructions").and_then(|node| self.text(node));
                text.map(|instructions| Action::Manual { instructions }).into_iter().collect()
            }
            "wait_for" => {
                let rule = fields.get("rule").and_then(|node| self.rule(node, context));
                rule.map(|rule| Action::WaitFor { rule }).into_iter().collect()
            }
            "require" => {
                let message = fields.get("message").and_then(|node| self.text(node));
                let rule = fields.get("rule").and_then(|node| self.rule(node, context));
                let waived_by = fields.get("waived_by").and_then(|node| self.id(node));
                rule.map(|rule| Action::Require { rule, message, waived_by }).into_iter().collect()
            }
            "reboot" => {
                vec![Action::Reboot { reason: fields.get("reason").and_then(|node| self.text(node)) }]
            }
            _ => Vec::new(),
        }
    }

    /// One action for each literal name of a service, user or group.
    fn for_names(&mut self, fields: &Fields<'_>, what: &str, make: impl Fn(String) -> Action) -> Vec<Action> {
        let read = |walker: &mut Self, node: &Node| {
            let name = walker.text(node)?;
            let known = |c: char| c.is_ascii_alphanumeric() || "._-@:\\$".contains(c);
            if !name.chars().all(known) || name.starts_with('-') {
                walker.error(
                    &node.place,
                    format!("`{name}` cannot be the name of a {what}"),
                    "expected letters, digits, `.`, `_`, `-`, `@`",
                    "write the whole name; this step takes no wildcards",
                );
                return None;
            }
            if what == "service" {
                // Hosts list services without `.service`.
                let short = name.strip_suffix(".service").filter(|short| !short.is_empty());
                return Some(short.unwrap_or(&name).to_owned());
            }
            if matches!(name.as_str(), "root" | "wheel" | "sudo" | "nobody") {
                walker.error(
                    &node.place,
                    format!("the {what} `{name}` belongs to the system"),
                    "it is never removed",
                    "remove this step",
                );
                return None;
            }
            Some(name)
        };
        let names = fields.get("name").map(|node| self.many(node, read)).unwrap_or_default();
        names.into_iter().map(make).collect()
    }

    /// A glob that says enough to be meant.
    fn meant_glob(&mut self, node: &Node) -> Option<Pattern> {
        let pattern = self.glob(node)?;
        if is_too_general(&pattern) {
            self.error(
                &node.place,
                format!("`{pattern}` could match almost anything"),
                "at least three letters or digits are expected",
                "name what the product installs",
            );
            return None;
        }
        if pattern.as_str().starts_with('-')
            || pattern.as_str().contains(|c: char| c.is_whitespace() || c == '/' || c == ':')
        {
            self.error(
                &node.place,
                format!("`{pattern}` cannot be a name"),
                "expected a name without spaces, `/` or `:`, not beginning with `-`",
                "write the name as the system lists it",
            );
            return None;
        }
        Some(pattern)
    }

    /// A glob over the tasks of Windows, whose names are paths with `\` and may have blanks.
    fn task_glob(&mut self, node: &Node) -> Option<Pattern> {
        let pattern = self.glob(node)?;
        let text = pattern.as_str();
        let (wrong, help) = if is_too_general(&pattern) {
            ("could match almost anything", "name what the product installs")
        } else if text.starts_with('-') || text.contains(|c: char| c.is_control() || "/:\"%".contains(c)) {
            (
                "cannot be the name of a task",
                r"write it as the system lists it: `\Folder\Name`, or the name alone",
            )
        } else if text.to_ascii_lowercase().starts_with(r"\microsoft\") {
            ("is of Windows itself", "name the product's own task")
        } else {
            return Some(pattern);
        };
        self.error(&node.place, format!("`{pattern}` {wrong}"), "no task is removed by this name", help);
        None
    }

    fn remove_package(&mut self, fields: &Fields<'_>) -> Option<Action> {
        let names = fields.get("names").map(|node| self.many(node, Walker::meant_glob))?;
        let purge = fields.get("purge").and_then(|node| self.take(node.boolean())).unwrap_or(false);
        (!names.is_empty()).then_some(Action::RemovePackage { names, purge })
    }

    /// One action for each path, none of them one that must not be touched.
    fn for_paths(&mut self, fields: &Fields<'_>, key: &str, make: impl Fn(Pattern) -> Action) -> Vec<Action> {
        let kill = key == "exe";
        let read = |walker: &mut Self, node: &Node| {
            let path = walker.path(node)?;
            // A tree of executables is named by `**`; what must not be killed is then judged by its top.
            let judged = if kill { Pattern::new(path.as_str().replace("**", "*")) } else { path.clone() };
            let refused = path_refusal(&judged).filter(|_| !kill || path.is_glob());
            let Some((reason, help)) = refused else { return Some(path) };
            let label = if kill { "no process is killed by this path" } else { "this path is never removed" };
            walker.error(&node.place, reason, label, help);
            None
        };
        let paths = fields.get(key).map(|node| self.many(node, read)).unwrap_or_default();
        paths.into_iter().map(make).collect()
    }

    fn run(&mut self, fields: &Fields<'_>) -> Option<Action> {
        let accept = self.codes(fields, "accept");
        let reboot_codes = self.codes(fields, "reboot_codes");
        let retry_on = self.codes(fields, "retry_on");
        let blocked_if = fields.get("blocked_if").and_then(|node| self.regex(node));
        let env = self.secrets_of(fields, "env", "an environment variable");
        let stdin = fields.get("stdin").and_then(|node| self.secret_use(node));
        let uploads = self.uploads(fields);
        let node = fields.get("command")?;
        let command = self.text(node)?;
        if command.contains("UPROOT_FILES") && fields.get("upload").is_none() {
            self.error(
                &node.place,
                "this command names `UPROOT_FILES`, and the step has no `upload`",
                "the variable would be empty",
                "say which files it needs: `upload: { source: …, sha256: … }`",
            );
        }
        Some(Action::Run { command, accept, reboot_codes, retry_on, blocked_if, env, stdin, uploads })
    }

    fn uninstall_program(&mut self, fields: &Fields<'_>) -> Action {
        let name = fields.get("name").and_then(|node| self.program_glob(node));
        let publisher = fields.get("publisher").and_then(|node| self.program_glob(node));
        let properties = fields.get("properties").map(|node| self.properties(node)).unwrap_or_default();
        let secrets = self.secrets_of(fields, "secrets", "an MSI property");
        if let Some(name) = properties.keys().find(|name| secrets.contains_key(*name)) {
            let node = fields.get("secrets").or_else(|| fields.get("properties"));
            if let Some(node) = node {
                self.error(
                    &node.place,
                    format!("property `{name}` is given twice"),
                    "in `properties` and in `secrets`",
                    "keep one of the two",
                );
            }
        }
        Action::UninstallProgram {
            name,
            publisher,
            product_code: fields.get("product_code").and_then(|node| self.product_code(node)),
            properties,
            secrets,
            arguments: fields.get("arguments").and_then(|node| self.batch_word(node)),
            accept: self.codes(fields, "accept"),
            reboot_codes: self.codes(fields, "reboot_codes"),
            blocked_if: fields.get("blocked_if").and_then(|node| self.regex(node)),
        }
    }

    fn codes(&mut self, fields: &Fields<'_>, key: &str) -> Vec<i32> {
        let read = |walker: &mut Self, node: &Node| {
            let code = walker.take(node.integer(i64::from(i32::MIN), i64::from(i32::MAX)))?;
            i32::try_from(code).ok()
        };
        fields.get(key).map(|node| self.many(node, read)).unwrap_or_default()
    }

    /// What secrets are passed on as: a name of one's own, and the secret, in a form or as it is.
    fn secrets_of(&mut self, fields: &Fields<'_>, key: &str, what: &str) -> BTreeMap<String, SecretUse> {
        let Some(node) = fields.get(key) else { return BTreeMap::new() };
        let pairs = self.named(node, what);
        for (name, _, value) in &pairs {
            if !may_hold_secret(name) {
                self.error(
                    &value.place,
                    format!("`{name}` cannot be {what} of a secret"),
                    "it is set otherwise",
                    "give it another name",
                );
            }
        }
        pairs
            .into_iter()
            .filter_map(|(name, _, value)| Some((name.to_owned(), self.secret_in_form(value)?)))
            .collect()
    }

    fn secret_in_form(&mut self, node: &Node) -> Option<SecretUse> {
        if !matches!(node.value, Value::Map(_)) {
            return self.secret_use(node).map(SecretUse::from);
        }
        let fields = self.fields(node, &SECRET_USE, "the secret of a step", &node.place, &[])?;
        let encoding = fields.get("encoding").and_then(|node| self.word(node, ENCODINGS, "`encoding`"));
        let encoding = encoding.and_then(SecretEncoding::of_word).unwrap_or_default();
        let name = fields.get("secret").and_then(|node| self.secret_use(node))?;
        Some(SecretUse { name, encoding })
    }

    /// The name of a secret; that it is declared is checked when the whole playbook is read.
    fn secret_use(&mut self, node: &Node) -> Option<String> {
        let name = self.text(node)?;
        self.secret_uses.push((name.clone(), node.place.clone()));
        Some(name)
    }
}

/// Whether the value is the map of all keys, not the main argument alone.
fn is_long_form(value: &Node, construct: &Construct) -> bool {
    let Value::Map(pairs) = &value.value else { return false };
    let takes_rule = construct.main == Some("rule");
    let is_rule = pairs.first().and_then(|(key, _)| key.as_str()).is_some_and(is_rule_word);
    !(takes_rule && is_rule)
}

/// Puts a value in; says whether there was one.
fn replace<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    let twice = slot.is_some() && value.is_some();
    if value.is_some() {
        *slot = value;
    }
    twice
}
