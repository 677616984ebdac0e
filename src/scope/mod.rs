//! What counts: scope profiles and waivers, read from YAML, and what they make of findings.
//!
//! A playbook finds; it does not say what a directive covers. That is a *profile*: which kinds of product
//! (and which products) it leaves out, with why. A *waiver* is a reviewed exception: these products may stay
//! on these hosts until that day. Both are inputs of a run and are recorded in its journal.
//!
//! Invariants: a judgement changes nothing but `Finding::exemption`, and an absent product gets none; what
//! cannot be told to be exempt counts (a pattern that is not valid, a group that is not known); a waiver holds
//! on its last day (UTC) and not a moment longer.

mod built_in;
mod fields;
mod judge;
mod read;
mod remarks;

#[cfg(test)]
mod tests;

pub use built_in::{built_in_names, built_in_profile};
pub use judge::{Judge, defects};
pub use read::{Document, ProfileDocument, parse, read};
pub use remarks::{Looked, over, remarks};
