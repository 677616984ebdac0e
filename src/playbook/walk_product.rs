//! Nodes → products, secrets, policy and waves.

use super::keys::{CLASSES, MANAGED_BY, PLATFORMS, POLICY, PRODUCT, REBOOT_POLICIES, SECRET, VERSION, WAVE};
use super::product::{
    Budget, ManagedBy, Policy, Product, RebootPolicy, SecretDeclaration, VersionSource, Wave, WaveHosts,
};
use super::rule::Rule;
use super::walk::{Fields, LONGEST, Walker};
use super::window::Window;
use crate::model::yaml::Node;
use crate::model::{Place, Platform, ProductClass, SecretSource};
use std::time::Duration;

/// How long is asked after the last step where the playbook does not say.
const SETTLE: Duration = Duration::from_secs(60);
/// `max_failures` where a wave does not say: 5 %.
const MAX_FAILURES: Budget = Budget::Percent(500);
/// Longest soak of a wave.
const LONGEST_SOAK: Duration = Duration::from_secs(30 * 86_400);

/// A product with the places that checks between products point at. It is kept also when something
/// in it is wrong, so that one mistake does not make others seem to be mistakes.
#[derive(Debug)]
pub(super) struct ReadProduct {
    pub product: Product,
    /// The place of each entry of `after`, in its order.
    pub after: Vec<Place>,
}

impl Walker {
    pub fn product(&mut self, node: &Node) -> Option<ReadProduct> {
        let id_node = node.get("id");
        let id = id_node.and_then(Node::as_str).unwrap_or_default().to_owned();
        let context = if id.is_empty() { "this product".to_owned() } else { format!("product `{id}`") };
        let place = id_node.map_or(&node.place, |id| &id.place).clone();
        let fields = self.fields(node, &PRODUCT, &context, &place, &[])?;
        if let Some(node) = fields.get("id") {
            self.id(node);
        }
        self.platforms = self.product_platforms(&fields, &context);
        let (after, after_places) = self.after(&fields);
        let product = Product {
            id,
            name: self.optional_text(&fields, "name").unwrap_or_default(),
            vendor: self.optional_text(&fields, "vendor"),
            class: self.class(&fields, &context),
            platforms: self.platforms.clone(),
            confirmed: fields.get("confirmed").and_then(|node| self.take(node.boolean())).unwrap_or(true),
            sources: self.sources(&fields),
            version: fields.get("version").and_then(|node| self.version(node, &context)),
            detect: self.rule_of(&fields, "detect", &context).unwrap_or(Rule::Any(Vec::new())),
            residue: self.rule_of(&fields, "residue", &context),
            remove: self.remove(&fields, &context),
            after,
            settle: fields
                .get("settle")
                .and_then(|n| self.duration(n, Duration::ZERO, LONGEST))
                .unwrap_or(SETTLE),
            opt_in: fields.get("opt_in").and_then(|node| self.id(node)),
            managed_by: fields.get("managed_by").and_then(|node| self.managed_by(node)),
            report_only: self.optional_text(&fields, "report_only"),
            place,
        };
        self.platforms.clear();
        if let (Some(remove), Some(_)) = (fields.place("remove"), fields.get("report_only")) {
            self.error(
                remove,
                format!("{context} is report_only and has steps"),
                "these steps would never run",
                "remove either `remove` or `report_only`",
            );
        }
        Some(ReadProduct { product, after: after_places })
    }

    fn managed_by(&mut self, node: &Node) -> Option<ManagedBy> {
        let fields = self.fields(node, &MANAGED_BY, "`managed_by`", &node.place, &[])?;
        let registry = fields.get("registry").and_then(|node| self.registry_key(node));
        let value = fields.get("value").and_then(|node| self.sendable_text(node));
        Some(ManagedBy { registry: registry?, value: value? })
    }

    fn optional_text(&mut self, fields: &Fields<'_>, key: &str) -> Option<String> {
        fields.get(key).and_then(|node| self.text(node))
    }

    fn class(&mut self, fields: &Fields<'_>, context: &str) -> ProductClass {
        let word = fields.get("class").and_then(|node| self.word(node, CLASSES, context));
        word.and_then(ProductClass::parse).unwrap_or_default()
    }

    fn rule_of(&mut self, fields: &Fields<'_>, key: &str, context: &str) -> Option<Rule> {
        fields.get(key).and_then(|node| self.rule(node, &format!("`{key}` of {context}")))
    }

    fn product_platforms(&mut self, fields: &Fields<'_>, context: &str) -> Vec<Platform> {
        let Some(node) = fields.get("platforms") else { return Vec::new() };
        let mut platforms = Vec::new();
        for entry in self.list(node, 1) {
            let Some(word) = self.word(entry, PLATFORMS, context) else { continue };
            let Some(platform) = Platform::parse(word) else { continue };
            if platforms.contains(&platform) {
                self.error(
                    &entry.place,
                    format!("platform `{word}` stands twice"),
                    "repeated here",
                    "remove it",
                );
            } else {
                platforms.push(platform);
            }
        }
        platforms
    }

    fn after(&mut self, fields: &Fields<'_>) -> (Vec<String>, Vec<Place>) {
        let Some(node) = fields.get("after") else { return (Vec::new(), Vec::new()) };
        if node.as_list().is_some_and(<[Node]>::is_empty) {
            self.empty_list(node);
            return (Vec::new(), Vec::new());
        }
        let entries = node.as_list().unwrap_or(std::slice::from_ref(node));
        entries.iter().filter_map(|entry| Some((self.text(entry)?, entry.place.clone()))).unzip()
    }

    fn sources(&mut self, fields: &Fields<'_>) -> Vec<String> {
        let Some(node) = fields.get("sources") else { return Vec::new() };
        self.list(node, 0).iter().filter_map(|entry| self.text(entry)).collect()
    }

    fn version(&mut self, node: &Node, context: &str) -> Option<VersionSource> {
        let fields = self.fields(node, &VERSION, &format!("`version` of {context}"), &node.place, &[])?;
        let package = fields.get("package").and_then(|node| self.glob(node));
        let program = fields.get("program").and_then(|node| self.glob(node));
        let receipt = fields.get("receipt").and_then(|node| self.glob(node));
        let app = fields.get("app").and_then(|node| self.glob(node));
        let path = fields.get("file").and_then(|node| self.path(node));
        let pattern = fields.get("pattern").and_then(|node| self.regex(node));
        if fields.get("file").is_some() != fields.get("pattern").is_some() {
            self.error(
                &node.place,
                format!("`version` of {context} needs both `file` and `pattern`"),
                "one of the two is here alone",
                "write `version: { file: /path, pattern: 'version=(.*)' }`, or `version: { package: NAME }`",
            );
            return None;
        }
        let named = [
            package.map(|name| VersionSource::Package { name }),
            program.map(|name| VersionSource::Program { name }),
            receipt.map(|id| VersionSource::Receipt { id }),
            app.map(|id| VersionSource::App { id }),
        ];
        match (named.into_iter().flatten().next(), path, pattern) {
            (Some(source), None, None) => Some(source),
            (None, Some(path), Some(pattern)) => Some(VersionSource::File { path, pattern }),
            _ => None,
        }
    }

    fn remove(&mut self, fields: &Fields<'_>, context: &str) -> Vec<super::step::Step> {
        let Some(node) = fields.get("remove") else { return Vec::new() };
        self.list(node, 0)
            .iter()
            .flat_map(|entry| self.steps(entry, &format!("`remove` of {context}")))
            .collect()
    }

    pub fn secret(&mut self, name: &str, key: &Node, node: &Node) -> Option<SecretDeclaration> {
        let fields = self.fields(node, &SECRET, &format!("secret `{name}`"), &key.place, &[])?;
        let optional = fields.get("optional").and_then(|node| self.take(node.boolean())).unwrap_or(false);
        let mut source = None;
        for kind in SECRET.exactly_one {
            let Some(text) = fields.get(kind).and_then(|node| self.text(node)) else { continue };
            source = Some(match *kind {
                "env" => SecretSource::Env(text),
                "file" => SecretSource::File(text),
                "command" => SecretSource::Command(text),
                _ => SecretSource::Prompt(text),
            });
        }
        // A broken declaration still declares its name.
        let source = source.unwrap_or_else(|| SecretSource::Env(String::new()));
        Some(SecretDeclaration { name: name.to_owned(), source, optional, place: key.place.clone() })
    }

    pub fn policy(&mut self, node: &Node) -> Policy {
        let mut policy = Policy { reboot: RebootPolicy::Never, require_protection: None };
        let Some(fields) = self.fields(node, &POLICY, "the policy", &node.place, &[]) else { return policy };
        if let Some(node) = fields.get("reboot") {
            policy.reboot = match self.word(node, REBOOT_POLICIES, "the policy") {
                Some("never") => RebootPolicy::Never,
                Some("pending-is-ok") => RebootPolicy::PendingIsOk,
                // A broken word forbids no step: one mistake does not make others seem to be mistakes.
                _ => RebootPolicy::IfNeeded,
            };
        }
        policy.require_protection = self.rule_of(&fields, "require_protection", "the policy");
        policy
    }

    pub fn wave(&mut self, node: &Node) -> Option<Wave> {
        let name = node.get("name").and_then(Node::as_str).unwrap_or_default().to_owned();
        let context = if name.is_empty() { "this wave".to_owned() } else { format!("wave `{name}`") };
        let place = node.get("name").map_or(&node.place, |name| &name.place).clone();
        let fields = self.fields(node, &WAVE, &context, &place, &[])?;
        if let Some(node) = fields.get("name") {
            self.id(node);
        }
        let count =
            |node: &Node, most| node.integer(1, most).map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let pattern = fields.get("hosts").and_then(|node| self.text(node)).map(WaveHosts::Pattern);
        let first = fields.get("first").and_then(|n| self.share(n)).map(WaveHosts::First);
        let parallel = fields.get("parallel").and_then(|n| self.take(count(n, 10_000)));
        let max_failures = fields.get("max_failures").and_then(|n| self.budget(n)).unwrap_or(MAX_FAILURES);
        let max_unreachable = fields.get("max_unreachable").and_then(|n| self.budget(n));
        let soak = fields.get("soak").and_then(|n| self.duration(n, Duration::ZERO, LONGEST_SOAK));
        let hosts = pattern.or(first).unwrap_or(WaveHosts::Rest);
        Some(Wave {
            name,
            hosts,
            parallel,
            max_failures,
            max_unreachable,
            soak: soak.unwrap_or(Duration::ZERO),
            approve: fields.get("approve").and_then(|node| self.take(node.boolean())).unwrap_or(false),
            window: fields.get("window").and_then(|node| self.window(node)),
            place: Some(place),
        })
    }

    fn window(&mut self, node: &Node) -> Option<Window> {
        let text = self.text(node)?;
        match text.parse::<Window>() {
            Ok(window) => Some(window),
            Err(wrong) => {
                self.error(
                    &node.place,
                    format!("`{text}` is not a window: {wrong}"),
                    "expected days, times and a time zone",
                    "write it like `Mon..Thu 22:00-05:00 Europe/Berlin`",
                );
                None
            }
        }
    }

    /// A number of hosts (`2`), or a percentage with up to two decimals (`2.5%`).
    fn budget(&mut self, node: &Node) -> Option<Budget> {
        let text = self.text(node)?;
        let budget = match text.strip_suffix('%') {
            Some(percent) => parse_percent(percent).map(Budget::Percent),
            None => node.integer(0, 1_000_000).ok().and_then(|n| usize::try_from(n).ok()).map(Budget::Count),
        };
        if budget.is_none() {
            self.error(
                &node.place,
                format!("`{text}` is neither a number of hosts nor a percentage"),
                "expected `2` or `5%`",
                "write a whole number without quotes, or a percentage from `0%` to `100%`",
            );
        }
        budget
    }

    /// The same, but not nobody.
    fn share(&mut self, node: &Node) -> Option<Budget> {
        let share = self.budget(node)?;
        if matches!(share, Budget::Count(0) | Budget::Percent(0)) {
            self.error(
                &node.place,
                "a wave of no host",
                "at least one host is expected",
                "write a number from 1, or a percentage above `0%`",
            );
            return None;
        }
        Some(share)
    }
}

/// Hundredths of a percent.
fn parse_percent(text: &str) -> Option<u32> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.len() <= 3 && text.chars().all(|c| c.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 2 {
        return None;
    }
    let decimals: u32 = format!("{decimals:0<2}").parse().ok()?;
    let hundredths = whole.parse::<u32>().ok()? * 100 + decimals;
    (hundredths <= 10_000).then_some(hundredths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_exact() {
        assert_eq!(parse_percent("5"), Some(500));
        assert_eq!(parse_percent("2.5"), Some(250));
        assert_eq!(parse_percent("0.05"), Some(5));
        assert_eq!(parse_percent("100"), Some(10_000));
        for wrong in ["", "101", "-1", "1.234", ".5", "1.", "x", "+1"] {
            assert_eq!(parse_percent(wrong), None, "{wrong}");
        }
    }
}
