//! How many persons a set of signatures is, at least.

use super::SshSignature;
use super::pattern::overlap;

/// A valid signature with every principal that its key might be.
pub(super) struct Signed {
    signature: SshSignature,
    principals: Vec<String>,
}

impl Signed {
    /// `principals`: patterns; in which case they are written makes no other person.
    pub(super) fn new(signature: SshSignature, principals: Vec<String>) -> Self {
        Self { signature, principals: principals.iter().map(|name| name.to_lowercase()).collect() }
    }

    /// Whether it is by the same key.
    pub(super) fn is_by(&self, other: &SshSignature) -> bool {
        self.signature.key() == other.key()
    }

    fn may_be_same_person(&self, other: &Self) -> bool {
        self.principals.iter().any(|ours| other.principals.iter().any(|theirs| overlap(ours, theirs)))
    }
}

/// The most signatures of which no two might be one person's.
pub(super) fn count(signed: &[Signed]) -> usize {
    let graph: Vec<Vec<bool>> = signed
        .iter()
        .enumerate()
        .map(|(i, one)| {
            signed.iter().enumerate().map(|(j, other)| i != j && one.may_be_same_person(other)).collect()
        })
        .collect();
    largest_apart(&graph, &(0..signed.len()).collect::<Vec<_>>())
}

/// The size of the largest part of `left` in which no two are joined. One with at most one neighbour can
/// always be taken; else both ways are tried for the one with the most.
fn largest_apart(graph: &[Vec<bool>], left: &[usize]) -> usize {
    let joined = |a: usize, b: usize| graph.get(a).and_then(|row| row.get(b)).copied().unwrap_or(false);
    let degree = |a: usize| left.iter().filter(|b| joined(a, **b)).count();
    let take = |a: usize| {
        let rest: Vec<usize> = left.iter().copied().filter(|b| *b != a && !joined(a, *b)).collect();
        1 + largest_apart(graph, &rest)
    };
    if let Some(free) = left.iter().copied().find(|a| degree(*a) <= 1) {
        return take(free);
    }
    let Some(most) = left.iter().copied().max_by_key(|a| degree(*a)) else { return 0 };
    // All are joined with all: one of them is all there is.
    if left.iter().all(|a| degree(*a) + 1 == left.len()) {
        return 1;
    }
    let without: Vec<usize> = left.iter().copied().filter(|a| *a != most).collect();
    take(most).max(largest_apart(graph, &without))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn graph(size: usize, edges: &[(usize, usize)]) -> Vec<Vec<bool>> {
        let mut graph = vec![vec![false; size]; size];
        for (a, b) in edges.iter().filter(|(a, b)| a != b) {
            graph[*a][*b] = true;
            graph[*b][*a] = true;
        }
        graph
    }

    fn all(size: usize) -> Vec<usize> {
        (0..size).collect()
    }

    #[test]
    fn a_shared_key_does_not_take_two_persons_away() {
        // 0 is alice's, 1 is bob's, 2 is listed for both.
        assert_eq!(largest_apart(&graph(3, &[(0, 2), (1, 2)]), &all(3)), 2);
        assert_eq!(largest_apart(&graph(2, &[(0, 1)]), &all(2)), 1);
        assert_eq!(largest_apart(&graph(0, &[]), &all(0)), 0);
    }

    #[test]
    fn many_keys_of_one_person_are_soon_counted() {
        let edges: Vec<(usize, usize)> = (0..200).flat_map(|a| (0..a).map(move |b| (a, b))).collect();
        assert_eq!(largest_apart(&graph(200, &edges), &all(200)), 1);
    }

    proptest! {
        #[test]
        fn it_is_the_largest(size in 0usize..9, edges in prop::collection::vec((0usize..9, 0usize..9), 0..20)) {
            let edges: Vec<_> = edges.into_iter().filter(|(a, b)| *a < size && *b < size).collect();
            let graph = graph(size, &edges);
            let best = (0u32..1 << size)
                .filter(|set| edges.iter().all(|(a, b)| a == b || set & (1 << a) == 0 || set & (1 << b) == 0))
                .map(u32::count_ones)
                .max();
            prop_assert_eq!(largest_apart(&graph, &all(size)), best.unwrap_or(0) as usize);
        }
    }
}
