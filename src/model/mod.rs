//! The nouns that every module shares. No I/O happens here.
//!
//! Owns: places and diagnostics, YAML nodes with positions, platforms and identities, three-valued
//! truth, findings, scope, host states, events, digests, secrets, the change grant, bounded output, cancellation.

pub mod cancel;
pub mod deliberate;
pub mod diagnostic;
pub mod digest;
pub mod event;
pub mod finding;
pub mod grant;
pub mod identity;
pub mod output;
pub mod scope;
pub mod secret;
pub mod state;
pub mod truth;
pub mod yaml;

pub use cancel::Cancel;
pub use diagnostic::{Diagnostic, Diagnostics, Place, Severity, Sources};
pub use digest::sha256_hex;
pub use event::{Event, EventSink, Record, SinkError};
pub use finding::{Evidence, EvidenceRole, Finding, ProductState};
pub use grant::ChangeGrant;
pub use identity::{BootIdentity, MachineIdentity, Platform};
pub use output::BoundedOutput;
pub use scope::{Exemption, ExemptionKind, ProductClass, Scope};
pub use secret::{Redactor, Secret, SecretEncoding, SecretSource, SecretUse};
pub use state::{ExitCode, HostState};
pub use truth::Truth;
