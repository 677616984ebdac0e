//! What a playbook needs to know of a host.

use super::{Questions, Topic};
use crate::playbook::{Action, Check, Pattern, Playbook, Rule, Step, TextPattern, VersionSource};

impl Questions {
    /// Everything that evaluating, planning, changing and verifying with `playbook` asks of a host.
    #[must_use]
    pub fn of_playbook(playbook: &Playbook) -> Self {
        let mut questions = Self::default();
        for product in &playbook.products {
            questions.add_rule(&product.detect);
            product.residue.iter().for_each(|rule| questions.add_rule(rule));
            product.version.iter().for_each(|source| questions.add_version(source));
            product.remove.iter().for_each(|step| questions.add_step(step));
            if let Some(server) = &product.managed_by {
                let values = questions.registry.entry(server.registry.as_str().to_owned()).or_default();
                values.insert(server.value.clone());
            }
        }
        playbook.policy.require_protection.iter().for_each(|rule| questions.add_rule(rule));
        questions
    }

    /// Everything that these rules ask.
    #[must_use]
    pub fn of_rules<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> Self {
        let mut questions = Self::default();
        rules.into_iter().for_each(|rule| questions.add_rule(rule));
        questions
    }

    /// Adds what a rule asks.
    pub fn add_rule(&mut self, rule: &Rule) {
        rule.each_check(&mut |check| self.add_check(check));
    }

    /// Adds what others ask.
    pub fn merge(&mut self, other: &Self) {
        self.topics.extend(&other.topics);
        self.paths.extend(other.paths.iter().cloned());
        for (path, patterns) in &other.files {
            self.files.entry(path.clone()).or_default().extend(patterns.iter().cloned());
        }
        for (key, values) in &other.registry {
            self.registry.entry(key.clone()).or_default().extend(values.iter().cloned());
        }
    }

    fn add_check(&mut self, check: &Check) {
        let topic = match check {
            Check::Package { .. } => Topic::Packages,
            Check::Service { .. } => Topic::Services,
            Check::Process { .. } => Topic::Processes,
            Check::KernelModule { .. } => Topic::KernelModules,
            Check::Certificate { .. } => Topic::Certificates,
            Check::User { .. } => Topic::Users,
            Check::Group { .. } => Topic::Groups,
            Check::Port { .. } => Topic::Ports,
            Check::ScheduledTask { .. } => Topic::ScheduledTasks,
            Check::Path { path, .. } => {
                self.paths.insert(path.as_str().to_owned());
                return;
            }
            Check::FileContains { path, pattern } => {
                self.add_file(path, pattern);
                return;
            }
            Check::Program { .. } => Topic::Programs,
            Check::Driver { .. } => Topic::Services,
            Check::Registry { key, value, .. } => {
                self.registry.entry(key.as_str().to_owned()).or_default().extend(value.clone());
                return;
            }
            Check::Receipt { .. } => Topic::Receipts,
            Check::SystemExtension { .. } => Topic::SystemExtensions,
            Check::App { .. } => Topic::Apps,
            // The operating system is always asked.
            Check::Os { .. } => return,
        };
        self.topics.insert(topic);
    }

    fn add_version(&mut self, source: &VersionSource) {
        match source {
            VersionSource::Package { .. } => {
                self.topics.insert(Topic::Packages);
            }
            VersionSource::Program { .. } => {
                self.topics.insert(Topic::Programs);
            }
            VersionSource::Receipt { .. } => {
                self.topics.insert(Topic::Receipts);
            }
            VersionSource::App { .. } => {
                self.topics.insert(Topic::Apps);
            }
            VersionSource::File { path, pattern } => self.add_file(path, pattern),
        }
    }

    fn add_file(&mut self, path: &Pattern, pattern: &TextPattern) {
        self.files.entry(path.as_str().to_owned()).or_default().insert(pattern.0.clone());
    }

    fn add_step(&mut self, step: &Step) {
        step.when.iter().chain(&step.effect).for_each(|rule| self.add_rule(rule));
        match &step.action {
            Action::StopService { .. } | Action::DeleteService { .. } => {
                self.topics.insert(Topic::Services);
            }
            Action::RemovePackage { .. } => {
                self.topics.insert(Topic::Packages);
            }
            Action::UninstallProgram { .. } => {
                self.topics.insert(Topic::Programs);
            }
            Action::DeleteRegistry { key, value } => {
                self.registry.entry(key.as_str().to_owned()).or_default().extend(value.clone());
            }
            Action::ForgetReceipt { .. } => {
                self.topics.insert(Topic::Receipts);
            }
            Action::KillProcess { .. } | Action::KillImage { .. } => {
                self.topics.insert(Topic::Processes);
            }
            Action::RemovePath { path } => {
                self.paths.insert(path.as_str().to_owned());
            }
            Action::RemoveUser { .. } => {
                self.topics.insert(Topic::Users);
            }
            Action::RemoveGroup { .. } => {
                self.topics.insert(Topic::Groups);
            }
            Action::RemoveCertificate { .. } => {
                self.topics.insert(Topic::Certificates);
            }
            Action::RemoveScheduledTask { .. } => {
                self.topics.insert(Topic::ScheduledTasks);
            }
            Action::WaitFor { rule } | Action::Require { rule, .. } => self.add_rule(rule),
            Action::Run { .. } | Action::Manual { .. } | Action::Reboot { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::Pattern;

    fn path(path: &str) -> Rule {
        Rule::Check(Check::Path { path: Pattern::new(path), kind: None, owner: None })
    }

    #[test]
    fn checks_become_topics_paths_and_files() {
        let rule = Rule::Any(vec![
            Rule::Check(Check::Package { name: Pattern::new("kesl"), version: None, state: None }),
            Rule::Not(Box::new(path("/opt/kaspersky"))),
            Rule::All(vec![Rule::Check(Check::User { name: Pattern::new("kluser") })]),
        ]);
        let questions = Questions::of_rules([&rule]);
        assert_eq!(questions.topics.iter().copied().collect::<Vec<_>>(), [Topic::Packages, Topic::Users]);
        assert_eq!(questions.paths.iter().collect::<Vec<_>>(), ["/opt/kaspersky"]);
        assert!(questions.files.is_empty());
    }

    #[test]
    fn steps_ask_what_they_change_and_what_must_hold() {
        let place = crate::model::Place { file: "p.yml".into(), line: 1, column: 1, length: 1 };
        let step = |action, when| Step {
            action,
            when,
            effect: None,
            timeout: None,
            opt_in: None,
            place: place.clone(),
        };
        let steps = [
            step(Action::RemovePath { path: Pattern::new("/var/opt/kaspersky") }, Some(path("/when"))),
            step(Action::KillProcess { exe: Pattern::new("/opt/k/**") }, None),
            step(Action::StopService { name: "kesl".to_owned() }, None),
            step(Action::Require { rule: path("/must"), message: None, waived_by: None }, None),
            step(Action::Manual { instructions: String::new() }, None),
        ];
        let mut questions = Questions::default();
        steps.iter().for_each(|step| questions.add_step(step));
        questions.add_version(&VersionSource::File {
            path: Pattern::new("/etc/kesl.conf"),
            pattern: crate::playbook::TextPattern("x".to_owned()),
        });
        assert_eq!(questions.paths.iter().collect::<Vec<_>>(), ["/must", "/var/opt/kaspersky", "/when"]);
        assert_eq!(questions.files.keys().collect::<Vec<_>>(), ["/etc/kesl.conf"]);
        assert_eq!(questions.topics.iter().copied().collect::<Vec<_>>(), [Topic::Services, Topic::Processes]);
    }

    #[test]
    fn what_protects_a_host_is_asked_too() {
        struct NoIncludes;
        impl crate::playbook::IncludeLoader for NoIncludes {
            fn identity(&self, name: &str) -> String {
                name.to_owned()
            }
            fn load(&self, _: &str, _: &str) -> Result<crate::playbook::Included, String> {
                Err("nothing is included".to_owned())
            }
        }
        let text = "uproot: 1\npolicy:\n  require_protection:\n    any:\n      - service: mdatp\n      - path: /opt/falcon\n";
        let loaded = crate::playbook::parse("p.yml", text, &NoIncludes).unwrap();
        let questions = Questions::of_playbook(&loaded.playbook);
        assert_eq!(questions.topics.iter().copied().collect::<Vec<_>>(), [Topic::Services]);
        assert_eq!(questions.paths.iter().collect::<Vec<_>>(), ["/opt/falcon"]);
    }

    #[test]
    fn merging_asks_for_both() {
        let mut one = Questions::of_rules([&path("/a")]);
        one.merge(&Questions::of_rules([&path("/b")]));
        assert_eq!(one.paths.len(), 2);
    }
}
