//! The canonical text of a playbook's model, and its SHA-256. Places are left out: moving a product
//! to another file or line changes nothing.

use super::product::{Budget, Playbook, Product, Wave, WaveHosts};
use super::step::{Action, Step, Upload};
use crate::model::sha256_hex;
use serde::Serialize;

/// SHA-256 of the canonical text, in hex.
pub(super) fn digest(playbook: &Playbook) -> String {
    sha256_hex(canonical(playbook))
}

/// One line a fact: a path of names, a space, the value as JSON, so that no text can look like
/// another line.
fn canonical(playbook: &Playbook) -> String {
    let mut text = Text::default();
    text.line("uproot-playbook", &1);
    text.line("name", &playbook.name);
    for secret in &playbook.secrets {
        text.line("secret", &(&secret.name, &secret.source, secret.optional));
    }
    for product in &playbook.products {
        text.product(product);
    }
    text.line("policy.reboot", &playbook.policy.reboot);
    text.line("policy.require_protection", &playbook.policy.require_protection);
    for wave in &playbook.waves {
        text.wave(wave);
    }
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, name: &str, value: &impl Serialize) {
        // None of the values can fail: no maps with other keys than strings, no I/O.
        let value = serde_json::to_string(value).unwrap_or_default();
        self.0.push_str(&format!("{name} {value}\n"));
    }

    fn product(&mut self, product: &Product) {
        let Product {
            id,
            name,
            vendor,
            class,
            platforms,
            confirmed,
            sources,
            version,
            detect,
            residue,
            remove,
            after,
            settle,
            opt_in,
            managed_by,
            report_only,
            place: _,
        } = product;
        self.line("product", &(id, name, vendor, platforms, confirmed, sources, version));
        if !class.is_product() {
            self.line("product.class", class);
        }
        self.line("product.rules", &(detect, residue));
        self.line("product.order", &(after, settle.as_secs(), opt_in, report_only));
        if let Some(managed_by) = managed_by {
            self.line("product.managed_by", managed_by);
        }
        remove.iter().for_each(|step| self.step(step));
    }

    fn step(&mut self, step: &Step) {
        let Step { action, when, effect, timeout, opt_in, place: _ } = step;
        self.line("step", &(when, effect, timeout.map(|timeout| timeout.as_secs())));
        if let Some(word) = opt_in {
            self.line("step.opt_in", word);
        }
        match action {
            Action::StopService { name } => self.line("step.stop_service", name),
            Action::DeleteService { name } => self.line("step.delete_service", name),
            Action::RemovePackage { names, purge } => self.line("step.remove_package", &(names, purge)),
            Action::KillProcess { exe } => self.line("step.kill_process", exe),
            Action::KillImage { name } => self.line("step.kill_image", name),
            Action::UninstallProgram {
                name,
                publisher,
                product_code,
                properties,
                secrets,
                arguments,
                accept,
                reboot_codes,
                blocked_if,
            } => {
                self.line("step.uninstall_program", &(name, publisher, product_code, properties, secrets));
                self.line("step.uninstall_program.codes", &(arguments, accept, reboot_codes, blocked_if));
            }
            Action::DeleteRegistry { key, value } => self.line("step.delete_registry", &(key, value)),
            Action::ForgetReceipt { id } => self.line("step.forget_receipt", id),
            Action::RemovePath { path } => self.line("step.remove_path", path),
            Action::RemoveUser { name } => self.line("step.remove_user", name),
            Action::RemoveGroup { name } => self.line("step.remove_group", name),
            Action::RemoveCertificate { subject } => self.line("step.remove_certificate", subject),
            Action::RemoveScheduledTask { name } => self.line("step.remove_scheduled_task", name),
            Action::Run { command, accept, reboot_codes, retry_on, blocked_if, env, stdin, uploads } => {
                self.line("step.run", &(command, accept, reboot_codes, retry_on, blocked_if, env, stdin));
                // Where the file stands on the controller changes nothing of what is done.
                for Upload { name, sha256, source: _, place: _ } in uploads {
                    self.line("step.run.upload", &(name, sha256));
                }
            }
            Action::Manual { instructions } => self.line("step.manual", instructions),
            Action::WaitFor { rule } => self.line("step.wait_for", rule),
            Action::Require { rule, message, waived_by } => {
                self.line("step.require", &(rule, message));
                if let Some(word) = waived_by {
                    self.line("step.require.waived_by", word);
                }
            }
            Action::Reboot { reason } => self.line("step.reboot", reason),
        }
    }

    fn wave(&mut self, wave: &Wave) {
        let hosts = match &wave.hosts {
            WaveHosts::Pattern(pattern) => ("pattern", pattern.clone()),
            WaveHosts::First(count) => ("first", format!("{count:?}")),
            WaveHosts::Rest => ("rest", String::new()),
        };
        let failures: Budget = wave.max_failures;
        let limits = (wave.parallel, failures, wave.max_unreachable);
        self.line("wave", &(&wave.name, hosts, limits, wave.soak.as_secs(), wave.approve, &wave.window));
    }
}
