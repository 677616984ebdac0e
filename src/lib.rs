//! uproot finds every Kaspersky product on a fleet, removes it the way its vendor documents, and
//! proves that it is gone.
//!
//! Data flows one way: a playbook and an inventory say what to ask of whom; one read-only script
//! per host collects facts; pure rules turn facts into findings; findings become a plan (a file);
//! `apply` runs exactly that file in waves, verifies by collecting facts anew, and everything is
//! written to a journal, which is the only source of every report.
//!
//! A module imports only modules listed above it; `tests/architecture.rs` checks that.

pub mod model;

pub mod inventory;

pub mod playbook;

pub mod transport;

pub mod facts;

pub mod detect;

pub mod scope;

pub mod signature;

pub mod plan;

pub mod verify;

pub mod directive;

pub mod journal;

pub mod apply;

pub mod report;

pub mod progress;

pub mod cli;
