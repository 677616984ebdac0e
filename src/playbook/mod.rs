//! The playbook language: YAML → a checked model, with source positions; schema; lint.
//!
//! Reading is two steps: YAML text → `model::yaml::Node` (positions kept, scalars verbatim), then
//! hand-written walkers that collect every error. No serde derive reads a user's YAML.

pub mod pattern;
pub mod product;
pub mod rule;
pub mod step;
pub mod version;

pub use pattern::Pattern;
pub use product::{
    Budget, Playbook, Policy, Product, RebootPolicy, SecretDeclaration, Unobeyed, VersionSource, Wave,
    WaveHosts,
};
pub use rule::{Check, PackageState, PathKind, Rule, TextPattern};
pub use step::{Action, Step};
