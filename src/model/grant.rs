//! The token without which no session can change a host.

/// Permission to change one host. `transport::Probing::into_changing` wants one.
///
/// Only `apply` may construct it, once the plan, the machine's identity and the drift check hold;
/// `tests/architecture.rs` checks that no other module names `ChangeGrant::for_planned_host`.
#[derive(Debug)]
pub struct ChangeGrant {
    host: String,
}

impl ChangeGrant {
    /// Grants changes to the inventory host `host`.
    #[must_use]
    pub fn for_planned_host(host: &str) -> Self {
        Self { host: host.to_owned() }
    }

    /// The inventory name of the host that may be changed.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}
