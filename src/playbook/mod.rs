//! The playbook language: YAML → a checked model, with source positions; schema; lint.
//!
//! Reading is two steps: YAML text → `model::yaml::Node` (positions kept, scalars verbatim), then
//! hand-written walkers that collect every error. No serde derive reads a user's YAML. `keys` is the
//! one table of constructs and keys: walkers, messages and the JSON Schema come from it.

mod assemble;
mod catalogue;
mod danger;
mod danger_windows;
mod digest;
mod explain;
mod keys;
mod keys_steps;
mod lint;
pub mod pattern;
pub mod product;
mod read;
pub mod rule;
mod schema;
pub mod step;
#[cfg(test)]
mod tests;
mod vars;
pub mod version;
mod walk;
mod walk_check;
mod walk_product;
mod walk_step;
mod walk_upload;
mod walk_windows;
mod window;

pub use catalogue::{catalogue_files, read_catalogue};
pub(crate) use danger::{SHARED_DIRECTORIES, registry_refusal};
pub(crate) use danger_windows::{below_drive, windows_path_refusal};
pub use explain::explain;
pub use lint::lint;
pub use pattern::{Matcher, Pattern, fold_path, is_windows_path};
pub use product::{
    Budget, ManagedBy, Playbook, Policy, Product, RebootPolicy, SecretDeclaration, VersionSource, Wave,
    WaveHosts,
};
pub use read::{IncludeLoader, Included, Loaded, parse, read};
pub use rule::{Check, PackageState, PathKind, Rule, TextPattern};
pub use schema::schema;
pub use step::{Action, Step, Upload, may_hold_secret};
pub(crate) use walk_windows::PATH_VARIABLES;
pub use window::Window;
