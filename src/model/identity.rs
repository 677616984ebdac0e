//! What a host is: its platform, which machine it is, and which boot of it.

use serde::{Deserialize, Serialize};

/// The family of operating system a host runs. It decides which script is sent and which products
/// of a playbook apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Any Linux distribution.
    Linux,
    /// macOS (`uname -s` says `Darwin`).
    Macos,
    /// Windows with its own OpenSSH server.
    Windows,
}

impl Platform {
    /// Every platform, in the order in which they are listed to a person.
    pub const ALL: [Self; 3] = [Self::Linux, Self::Macos, Self::Windows];

    /// The word used in playbooks, inventories and reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Macos => "macos",
            Self::Windows => "windows",
        }
    }

    /// The platform that a playbook's or inventory's word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.word() == word)
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// Which machine a host is. Every part that was known when a plan was made must agree when it is
/// applied; a part that was not readable then is not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MachineIdentity {
    /// SHA-256 fingerprint of the SSH host key, as `SHA256:<base64>`; none for a local connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<String>,
    /// `/etc/machine-id` (or `/var/lib/dbus/machine-id`), 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_id: Option<String>,
    /// The DMI product UUID, in lower case; readable by root only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dmi_uuid: Option<String>,
}

impl MachineIdentity {
    /// Whether nothing at all is known of the machine.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.host_key.is_none() && self.machine_id.is_none() && self.dmi_uuid.is_none()
    }

    /// The parts that were known in `self` (the planned identity) and do not agree with `now`, each
    /// as "part: planned X, found Y". Empty means: the same machine. A part that is no longer
    /// readable does not agree: whatever permits a change must be known to be true.
    #[must_use]
    pub fn disagreements(&self, now: &Self) -> Vec<String> {
        let parts = [
            ("host key", &self.host_key, &now.host_key),
            ("machine-id", &self.machine_id, &now.machine_id),
            ("DMI UUID", &self.dmi_uuid, &now.dmi_uuid),
        ];
        parts
            .into_iter()
            .filter_map(|(part, planned, found)| match (planned, found) {
                (Some(planned), Some(found)) if planned == found => None,
                (Some(planned), Some(found)) => Some(format!("{part}: planned {planned}, found {found}")),
                (Some(planned), None) => Some(format!("{part}: planned {planned}, not readable now")),
                (None, _) => None,
            })
            .collect()
    }

    /// Whether a part that was known in `self` is another now. A part that is not readable now contradicts nothing:
    /// that a host goes down or comes up makes it no other machine.
    #[must_use]
    pub fn is_contradicted_by(&self, now: &Self) -> bool {
        let differ = |one: &Option<String>, other: &Option<String>| {
            one.as_ref().zip(other.as_ref()).is_some_and(|(one, other)| one != other)
        };
        differ(&self.host_key, &now.host_key)
            || differ(&self.machine_id, &now.machine_id)
            || differ(&self.dmi_uuid, &now.dmi_uuid)
    }

    /// A key that two names of one machine share: the machine-id where known (with the DMI UUID,
    /// since cloned images share a machine-id), else the host key.
    #[must_use]
    pub fn same_machine_key(&self) -> Option<String> {
        match (&self.machine_id, &self.dmi_uuid, &self.host_key) {
            (Some(id), Some(uuid), _) => Some(format!("machine-id {id}, DMI UUID {uuid}")),
            (Some(id), None, _) => Some(format!("machine-id {id}")),
            (None, Some(uuid), _) => Some(format!("DMI UUID {uuid}")),
            (None, None, Some(key)) => Some(format!("host key {key}")),
            (None, None, None) => None,
        }
    }
}

/// Which boot of the machine. Informational: it may change between plan and apply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BootIdentity {
    /// `/proc/sys/kernel/random/boot_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// Start time of pid 1 in clock ticks since boot (field 22 of `/proc/1/stat`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_start: Option<u64>,
}

impl BootIdentity {
    /// Whether it is the same boot; none: one of them could not be told.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> Option<bool> {
        self.boot_id.as_ref().zip(other.boot_id.as_ref()).map(|(one, other)| one == other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_while_a_host_reboots_makes_no_other_machine_of_it() {
        let of = |key: &str, id: Option<&str>| MachineIdentity {
            host_key: Some(key.to_owned()),
            machine_id: id.map(str::to_owned),
            dmi_uuid: None,
        };
        let planned = of("k", Some("a"));
        for (now, agrees, contradicted) in [
            (of("k", Some("a")), true, false),
            (of("k", None), false, false),
            (of("k", Some("b")), false, true),
            (of("other", None), false, true),
        ] {
            assert_eq!(planned.disagreements(&now).is_empty(), agrees, "{now:?}");
            assert_eq!(planned.is_contradicted_by(&now), contradicted, "{now:?}");
        }
    }
}
