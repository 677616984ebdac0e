//! YAML as a tree of nodes with positions: the only place that touches the YAML crate.
//!
//! Maps are lists of pairs in the order written, scalars are verbatim text (`0644`, `no`, `1.0`
//! stay as they are) until a walker asks for a number or a boolean.

use super::diagnostic::{Diagnostics, Place};

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
