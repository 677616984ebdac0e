//! Nodes → products, secrets, policy and waves.

use super::keys::{PLATFORMS, POLICY, PRODUCT, REBOOT_POLICIES, SECRET, VERSION, WAVE};
use super::product::{
    Budget, Policy, Product, RebootPolicy, SecretDeclaration, Unobeyed, VersionSource, Wave, WaveHosts,
};
use super::rule::Rule;
use super::walk::{Fields, LONGEST, Walker};
use crate::model::yaml::Node;
use crate::model::{Place, Platform, SecretSource};
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

    fn optional_text(&mut self, fields: &Fields<'_>, key: &str) -> Option<String> {
        fields.get(key).and_then(|node| self.text(node))
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
        match (package, path, pattern) {
            (Some(name), None, None) => Some(VersionSource::Package { name }),
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
        if let Some(word) =
            fields.get("reboot").and_then(|node| self.word(node, REBOOT_POLICIES, "the policy"))
        {
            policy.reboot = match word {
                "if-needed" => RebootPolicy::IfNeeded,
                "pending-is-ok" => RebootPolicy::PendingIsOk,
                _ => RebootPolicy::Never,
            };
            if policy.reboot != RebootPolicy::Never {
                self.not_obeyed(&fields, "reboot", format!("`reboot: {word}` of the policy"));
            }
        }
        policy.require_protection = self.rule_of(&fields, "require_protection", "the policy");
        self.not_obeyed(&fields, "require_protection", "key `require_protection` of the policy".to_owned());
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
        let first = fields.get("first").and_then(|n| self.budget(n)).map(WaveHosts::First);
        let parallel = fields.get("parallel").and_then(|n| self.take(count(n, 10_000)));
        let max_failures = fields.get("max_failures").and_then(|n| self.budget(n)).unwrap_or(MAX_FAILURES);
        let max_unreachable = fields.get("max_unreachable").and_then(|n| self.budget(n));
        self.wave_gates(&fields, &context);
        let hosts = pattern.or(first).unwrap_or(WaveHosts::Rest);
        Some(Wave {
            name,
            hosts,
            parallel,
            max_failures,
            max_unreachable,
            soak: Duration::ZERO,
            approve: false,
            window: None,
            place: Some(place),
        })
    }

    /// `soak`, `approve` and `window`: read and checked, not obeyed by this version.
    fn wave_gates(&mut self, fields: &Fields<'_>, context: &str) {
        let soak = fields.get("soak").and_then(|node| self.duration(node, Duration::ZERO, LONGEST_SOAK));
        if soak.is_some_and(|soak| soak > Duration::ZERO) {
            self.not_obeyed(fields, "soak", format!("key `soak` of {context}"));
        }
        if fields.get("approve").and_then(|node| self.take(node.boolean())) == Some(true) {
            self.not_obeyed(fields, "approve", format!("key `approve` of {context}"));
        }
        let Some(node) = fields.get("window") else { return };
        let Some(text) = self.text(node) else { return };
        if !is_window(&text) {
            self.error(
                &node.place,
                format!("`{text}` is not a window"),
                "expected days, times and a time zone",
                "write it like `Mon..Thu 22:00-05:00 Europe/Berlin`",
            );
        }
        self.not_obeyed(fields, "window", format!("key `window` of {context}"));
    }

    fn not_obeyed(&mut self, fields: &Fields<'_>, key: &str, what: String) {
        if let Some(place) = fields.place(key) {
            self.unobeyed.push(Unobeyed { what, place: place.clone() });
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

/// `Mon..Thu 22:00-05:00 Zone/City`; several days as `Sat,Sun`.
fn is_window(text: &str) -> bool {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let is_time = |text: &str| {
        text.split_once(':').is_some_and(|(hour, minute)| {
            let number = |text: &str, most: u8| {
                text.len() == 2 && text.parse::<u8>().is_ok_and(|number| number <= most)
            };
            number(hour, 23) && number(minute, 59)
        })
    };
    let mut parts = text.split(' ');
    let (Some(days), Some(times), Some(zone), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    days.split(',').flat_map(|days| days.split("..")).all(|day| DAYS.contains(&day))
        && times.split_once('-').is_some_and(|(from, to)| is_time(from) && is_time(to) && from != to)
        && zone.chars().all(|c| c.is_ascii_alphanumeric() || "/_+-".contains(c))
        && !zone.is_empty()
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

    #[test]
    fn windows_name_days_times_and_zone() {
        assert!(is_window("Mon..Thu 22:00-05:00 America/New_York"));
        assert!(is_window("Sat,Sun 00:00-23:59 UTC"));
        for wrong in [
            "",
            "22:00-05:00",
            "Mon 22:00 UTC",
            "Mon 24:00-05:00 UTC",
            "mon 22:00-05:00 UTC",
            "Mon 22:00-22:00 UTC",
        ] {
            assert!(!is_window(wrong), "{wrong}");
        }
    }
}
