//! What differs between a run and the ones before it.

use crate::model::{HostState, ProductState};
use jiff::Timestamp;

/// A run that another one is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRef {
    /// Its id.
    pub run: String,
    /// Its verb.
    pub verb: String,
    /// When it started.
    pub started: Timestamp,
}

/// What differs between a run and earlier ones, product by product on each host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The earlier runs, oldest first.
    pub against: Vec<RunRef>,
    /// Every pair of host and product that is or was there or could not be told, in order of attention, then
    /// by host and product.
    pub changes: Vec<Change>,
}

/// One product on one host, then and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The host's inventory name.
    pub host: String,
    /// The product's id; none: the host as a whole was lost sight of, before its products were known.
    pub product: Option<String>,
    /// The product's name for people.
    pub name: Option<String>,
    /// What happened.
    pub kind: ChangeKind,
    /// What it was when it was last told; none: never told.
    pub before: Option<ProductState>,
    /// What it is now; none: not told.
    pub after: Option<ProductState>,
    /// The state of the host now; none: the host is not in this run.
    pub state: Option<HostState>,
}

/// How a product on a host differs from before. The order is the order of attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It had been proven gone, and is there again.
    CameBack,
    /// It is there and was never seen before.
    New,
    /// It was there before and still is.
    StillThere,
    /// It was told before and cannot be told now: the host was not reached, not read, or not in the run.
    LostSight,
    /// It was there before and is proven gone.
    Gone,
}

impl ChangeKind {
    /// Every kind, in order of attention.
    pub const ALL: [Self; 5] = [Self::CameBack, Self::New, Self::StillThere, Self::LostSight, Self::Gone];

    /// The word used in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::CameBack => "came back",
            Self::New => "new",
            Self::StillThere => "still there",
            Self::LostSight => "lost sight of",
            Self::Gone => "gone",
        }
    }
}
