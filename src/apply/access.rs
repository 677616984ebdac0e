//! How a run reaches its hosts: connections of a plan or a selection, with what was read once.

use super::remote::Uploads;
use crate::facts::{Facts, Questions, collect};
use crate::inventory::ConnectionKind;
use crate::model::{Cancel, Secret};
use crate::plan::PlannedConnection;
use crate::transport::{
    Become, Credentials, Keys, KnownHosts, PASSWORD_REFUSED, Probing, Target, Timeouts, TransportError,
    connect,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What all hosts of a run share: known hosts and keys, read once, and the resolved secrets.
#[derive(Clone)]
pub struct Access {
    /// The host keys to check against.
    pub known_hosts: Arc<KnownHosts>,
    /// The keys to log in with.
    pub keys: Arc<Keys>,
    /// Every secret of the run by its name in the plan.
    pub secrets: BTreeMap<String, Secret>,
    /// The files that steps lay down on hosts, by their SHA-256.
    pub uploads: Uploads,
    /// Time limits.
    pub timeouts: Timeouts,
    /// How the passwords for becoming root fared so far.
    pub trials: Arc<Trials>,
}

/// A password for becoming root that so many hosts refused, and none accepted, is offered to no
/// further host: the account may be one of a directory, which locks after a few failures.
const MOST_REFUSALS: u32 = 3;

/// How the passwords for becoming root fared in a run, by their names.
#[derive(Debug, Default)]
pub struct Trials {
    by_name: Mutex<BTreeMap<String, Trial>>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Trial {
    accepted: bool,
    refused: u32,
}

impl Trials {
    fn is_spent(&self, name: &str) -> bool {
        let trials = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        trials.get(name).is_some_and(|trial| !trial.accepted && trial.refused >= MOST_REFUSALS)
    }

    /// `failed`: why becoming root failed, if it did.
    fn note(&self, name: &str, failed: Option<&str>) {
        let mut trials = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let trial = trials.entry(name.to_owned()).or_default();
        match failed {
            None => trial.accepted = true,
            Some(reason) if reason.contains(PASSWORD_REFUSED) => trial.refused += 1,
            Some(_) => {}
        }
    }
}

impl Access {
    /// Connects to a host, read-only.
    ///
    /// # Errors
    /// Why it cannot be reached.
    pub fn connect(
        &self,
        name: &str,
        connection: &PlannedConnection,
        cancel: &Cancel,
    ) -> Result<Probing, TransportError> {
        let kind = if connection.kind == PlannedConnection::LOCAL {
            ConnectionKind::Local
        } else {
            ConnectionKind::Ssh
        };
        let target = Target {
            name: name.to_owned(),
            kind,
            address: connection.address.clone(),
            port: connection.port,
            user: connection.user.clone().unwrap_or_default(),
        };
        let credentials = Credentials {
            known_hosts: Arc::clone(&self.known_hosts),
            keys: Arc::clone(&self.keys),
            key_file: connection.key.clone(),
            password: self.secret(connection.password.as_deref()),
        };
        connect(&target, &credentials, &self.timeouts, cancel)
    }

    /// How to become root on a host, where the connection says so. Without its password once too many
    /// hosts have refused that.
    #[must_use]
    pub fn become_root(&self, connection: &PlannedConnection) -> Option<Become> {
        let name = connection.become_password.as_deref().filter(|name| !self.trials.is_spent(name));
        connection.become_method.map(|method| Become { method, password: self.secret(name) })
    }

    /// Collects facts over an open session, as root where the connection says so.
    ///
    /// # Errors
    /// As `facts::collect`.
    pub fn collect(
        &self,
        session: &mut Probing,
        host: &str,
        connection: &PlannedConnection,
        questions: &Questions,
        cancel: &Cancel,
    ) -> Result<Facts, TransportError> {
        let become_root = self.become_root(connection);
        let mut facts = collect(
            session,
            host,
            connection.platform,
            questions,
            become_root.as_ref(),
            &self.timeouts,
            cancel,
        )?;
        let Some(name) = &connection.become_password else { return Ok(facts) };
        let failed = &mut facts.privilege.become_failed;
        if become_root.is_some_and(|become_root| become_root.password.is_some()) {
            self.trials.note(name, failed.as_deref());
        } else if let Some(reason) = failed {
            *reason = format!(
                "{MOST_REFUSALS} hosts of this run refused the password, so it was not offered to this one: \
                 give the right one with `--ask-become-pass`"
            );
        }
        Ok(facts)
    }

    fn secret(&self, name: Option<&str>) -> Option<Secret> {
        name.and_then(|name| self.secrets.get(name)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_hosts_refuse_is_not_offered_to_all_of_them() {
        let refused = Some("sudo did not accept the password of `ops`; one attempt was made");
        let trials = Trials::default();
        for _ in 0..MOST_REFUSALS {
            assert!(!trials.is_spent("p"));
            trials.note("p", Some("sudo is not installed"));
            trials.note("p", refused);
        }
        assert!(trials.is_spent("p"));
        assert!(!trials.is_spent("another"));
    }

    #[test]
    fn one_acceptance_shows_that_the_password_is_right() {
        let trials = Trials::default();
        trials.note("p", None);
        for _ in 0..10 {
            trials.note("p", Some("sudo did not accept the password of `ops`"));
        }
        assert!(!trials.is_spent("p"));
    }
}
