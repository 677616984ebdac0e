//! YAML as a tree of nodes with positions: the only place that touches the YAML crate.
//!
//! Maps are lists of pairs in the order written, scalars are verbatim text (`0644`, `no`, `1.0`
//! stay as they are) until a walker asks for a number or a boolean. Anchors, aliases and merge keys
//! are expanded within the limits; a node that came through an alias has the place where it is
//! defined. Tags other than YAML's own are refused.

mod convert;
pub mod duration;
mod parse;
mod syntax;

#[cfg(test)]
mod tests;

use super::diagnostic::Place;

pub use parse::parse;

/// A YAML value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, `~` or `null`, unquoted.
    Null,
    /// A scalar. `quoted`: it was written in quotes or as a block, so it is text whatever it looks like.
    Scalar {
        /// Verbatim when plain, unescaped when quoted.
        text: String,
        /// Whether it was quoted or a block scalar.
        quoted: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A map: pairs of key and value, in the order written, no key twice.
    Map(Vec<(Node, Node)>),
}

/// How much of a file is read before it is refused. Checked before and while parsing, so that a
/// hostile file costs little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of text.
    pub bytes: usize,
    /// Nodes of the tree, those that aliases repeat included.
    pub nodes: usize,
    /// Lists and maps inside each other.
    pub depth: usize,
    /// Uses of `*alias`.
    pub aliases: usize,
}

impl Limits {
    /// For a playbook file.
    pub const PLAYBOOK: Self = Self { bytes: 4 << 20, nodes: 50_000, depth: 64, aliases: 1_000 };
    /// For an inventory file: tens of thousands of hosts.
    pub const INVENTORY: Self = Self { bytes: 64 << 20, nodes: 2_000_000, depth: 64, aliases: 100_000 };
}
