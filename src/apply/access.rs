//! How a run reaches its hosts: connections of a plan or a selection, with what was read once.

use crate::inventory::ConnectionKind;
use crate::model::{Cancel, Secret};
use crate::plan::PlannedConnection;
use crate::transport::{
    Become, Credentials, Keys, KnownHosts, Probing, Target, Timeouts, TransportError, connect,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What all hosts of a run share: known hosts and keys, read once, and the resolved secrets.
#[derive(Clone)]
pub struct Access {
    /// The host keys to check against.
    pub known_hosts: Arc<KnownHosts>,
    /// The keys to log in with.
    pub keys: Arc<Keys>,
    /// Every secret of the run by its name in the plan.
    pub secrets: BTreeMap<String, Secret>,
    /// Time limits.
    pub timeouts: Timeouts,
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

    /// How to become root on a host, where the connection says so.
    #[must_use]
    pub fn become_root(&self, connection: &PlannedConnection) -> Option<Become> {
        connection
            .become_method
            .map(|method| Become { method, password: self.secret(connection.become_password.as_deref()) })
    }

    fn secret(&self, name: Option<&str>) -> Option<Secret> {
        name.and_then(|name| self.secrets.get(name)).cloned()
    }
}
