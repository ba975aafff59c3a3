//! Checks that a list of nodes is a tree, and puts it in order.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;

use crate::model::{AnalysisError, Node, NodeId, ProfileError};

/// Stands for "no position" among positions.
pub(crate) const NONE: u32 = u32::MAX;

/// More contexts, functions or calls than can be numbered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooMany {
    count: usize,
}

impl From<TooMany> for AnalysisError {
    fn from(TooMany { count }: TooMany) -> Self {
        Self::TooMany { count }
    }
}

impl From<TooMany> for ProfileError {
    fn from(TooMany { count }: TooMany) -> Self {
        Self::TooMany { count }
    }
}

/// Whether so many contexts, functions or calls can be numbered.
pub(crate) fn check_count(count: usize) -> Result<(), TooMany> {
    if count < NONE as usize { Ok(()) } else { Err(TooMany { count }) }
}

/// Positions by node id.
///
/// V8 numbers nodes from 1 without large gaps, so mostly a table serves, which is walked in order;
/// ids from elsewhere may be anything, and then it is a hash map.
#[derive(Clone, Debug)]
pub(crate) enum IdIndex {
    Table(Vec<u32>),
    Map(HashMap<u32, u32, RandomState>),
}

impl IdIndex {
    /// The position of every id among `ids`.
    pub(crate) fn new(
        ids: impl ExactSizeIterator<Item = NodeId> + Clone,
    ) -> Result<Self, ProfileError> {
        let highest = ids.clone().map(|id| id.0).max().unwrap_or(0) as usize;
        if highest <= ids.len().saturating_mul(4).saturating_add(64) {
            let mut table = vec![NONE; highest + 1];
            for (position, id) in (0..).zip(ids) {
                let entry = &mut table[id.0 as usize];
                if *entry != NONE {
                    return Err(ProfileError::DuplicateId { id });
                }
                *entry = position;
            }
            return Ok(Self::Table(table));
        }
        let mut map = HashMap::with_capacity_and_hasher(ids.len(), RandomState::default());
        for (position, id) in (0..).zip(ids) {
            match map.entry(id.0) {
                Entry::Vacant(entry) => entry.insert(position),
                Entry::Occupied(_) => return Err(ProfileError::DuplicateId { id }),
            };
        }
        Ok(Self::Map(map))
    }

    #[inline]
    pub(crate) fn get(&self, id: NodeId) -> Option<u32> {
        match self {
            Self::Table(table) => table.get(id.0 as usize).copied().filter(|&at| at != NONE),
            Self::Map(map) => map.get(&id.0).copied(),
        }
    }
}

/// A checked tree: where its nodes stand in the list, in preorder.
///
/// All that follows works on *ranks*, the places in preorder; *positions* are places in the list.
pub(crate) struct Topology {
    /// The position of the node of each rank; `None` if the list is in preorder, so that the two
    /// are the same.
    pub(crate) positions: Option<Vec<u32>>,
    /// The rank of each node's parent, by rank; [`NONE`] for the root.
    pub(crate) parents: Vec<u32>,
    /// One past the last rank of each node's subtree, by rank.
    pub(crate) ends: Vec<u32>,
    /// Positions by id.
    pub(crate) index: IdIndex,
}

impl Topology {
    /// Checks `nodes` and orders them. Linear in the number of nodes.
    pub(crate) fn new(nodes: &[Node]) -> Result<Self, ProfileError> {
        check_count(nodes.len())?;
        let index = IdIndex::new(nodes.iter().map(|node| node.id))?;
        match Self::of_preorder(nodes) {
            Some((parents, ends)) => Ok(Self { positions: None, parents, ends, index }),
            None => Self::of_any_order(nodes, index),
        }
    }

    /// The parents and ends of nodes that are in preorder, as collections are, in one pass; `None`
    /// if they are not, or no tree at all.
    ///
    /// The ids are known to be distinct. Every node but the first must be the next child of the
    /// node that is open, and every child must come: so each is reached, and once.
    fn of_preorder(nodes: &[Node]) -> Option<(Vec<u32>, Vec<u32>)> {
        let mut parents = Vec::with_capacity(nodes.len());
        let mut ends = Vec::with_capacity(nodes.len());
        // The nodes whose children are still to come.
        let mut open: Vec<(u32, std::slice::Iter<'_, NodeId>)> = Vec::new();
        for (rank, node) in (0_u32..).zip(nodes) {
            let parent = loop {
                let Some((parent, children)) = open.last_mut() else {
                    break if rank == 0 { NONE } else { return None };
                };
                match children.next() {
                    Some(&child) if child == node.id => break *parent,
                    Some(_) => return None,
                    None => {
                        ends[*parent as usize] = rank;
                        open.pop();
                    }
                }
            };
            parents.push(parent);
            ends.push(rank + 1);
            if !node.child_ids.is_empty() {
                open.push((rank, node.child_ids.iter()));
            }
        }
        for (rank, children) in open {
            if !children.as_slice().is_empty() {
                return None;
            }
            ends[rank as usize] = nodes.len() as u32;
        }
        (!nodes.is_empty()).then_some((parents, ends))
    }

    /// The general case, which also finds out what is wrong.
    fn of_any_order(nodes: &[Node], index: IdIndex) -> Result<Self, ProfileError> {
        let parent_positions = parent_positions(nodes, &index)?;
        let root = root(nodes, &parent_positions)?;

        let mut positions = Vec::with_capacity(nodes.len());
        let mut parents = Vec::with_capacity(nodes.len());
        // Positions still to be visited, the next one last, with the ranks of their parents.
        let mut pending = vec![(root, NONE)];
        while let Some((position, parent)) = pending.pop() {
            let rank = positions.len() as u32;
            positions.push(position);
            parents.push(parent);
            for &child in nodes[position as usize].child_ids.iter().rev() {
                let child = index.get(child).expect("checked by parent_positions");
                pending.push((child, rank));
            }
        }
        if positions.len() < nodes.len() {
            return Err(find_cycle(nodes, &parent_positions, &positions));
        }

        let mut ends: Vec<u32> = (1..=positions.len() as u32).collect();
        for rank in (1..ends.len()).rev() {
            let parent = parents[rank] as usize;
            ends[parent] = ends[parent].max(ends[rank]);
        }
        Ok(Self { positions: Some(positions), parents, ends, index })
    }

    /// The position of the node of a rank.
    #[inline]
    pub(crate) fn position(&self, rank: usize) -> usize {
        match &self.positions {
            None => rank,
            Some(positions) => positions[rank] as usize,
        }
    }
}

/// Ranks by position, of positions by rank.
pub(crate) fn inverted(positions: &[u32]) -> Vec<u32> {
    let mut ranks = vec![NONE; positions.len()];
    for (rank, &position) in (0..).zip(positions) {
        ranks[position as usize] = rank;
    }
    ranks
}

/// The position of each node's parent, by position; [`NONE`] where there is none.
fn parent_positions(nodes: &[Node], index: &IdIndex) -> Result<Vec<u32>, ProfileError> {
    let mut parents = vec![NONE; nodes.len()];
    for (position, node) in (0..).zip(nodes) {
        for &child in &node.child_ids {
            let Some(at) = index.get(child) else {
                return Err(ProfileError::UnknownChild { parent: node.id, child });
            };
            let parent = &mut parents[at as usize];
            if *parent != NONE {
                let first = nodes[*parent as usize].id;
                return Err(ProfileError::TwoParents { child, first, second: node.id });
            }
            *parent = position;
        }
    }
    Ok(parents)
}

/// The position of the one node without a parent.
fn root(nodes: &[Node], parents: &[u32]) -> Result<u32, ProfileError> {
    let orphans = || (0..).zip(parents).filter(|&(_, &parent)| parent == NONE).map(|(at, _)| at);
    let mut few = orphans();
    match (few.next(), few.next()) {
        (None, _) if nodes.is_empty() => return Err(ProfileError::NoRoot),
        (None, _) => return Err(find_cycle(nodes, parents, &[])),
        (Some(root), None) => return Ok(root),
        _ => {}
    }
    let ids = |positions: &mut dyn Iterator<Item = u32>| {
        positions.map(|at: u32| nodes[at as usize].id).collect::<Vec<_>>()
    };
    let is_root = |&at: &u32| nodes[at as usize].name == "(root)";
    match ids(&mut orphans().filter(is_root))[..] {
        [root] => Err(ProfileError::Unreachable {
            root,
            ids: ids(&mut orphans().filter(|at| !is_root(at))),
        }),
        _ => Err(ProfileError::SeveralRoots { ids: ids(&mut orphans()) }),
    }
}

/// A cycle among the nodes that were not visited: each of them has a parent that was not either.
#[cold]
fn find_cycle(nodes: &[Node], parents: &[u32], visited: &[u32]) -> ProfileError {
    let mut seen = vec![false; nodes.len()];
    for &position in visited {
        seen[position as usize] = true;
    }
    let mut at = seen.iter().position(|seen| !seen).expect("some node was not visited");
    // Going up from anywhere ends up on a cycle, since no node here is without a parent.
    while !std::mem::replace(&mut seen[at], true) {
        at = parents[at] as usize;
    }
    let mut ids = vec![nodes[at].id];
    let mut above = parents[at] as usize;
    while above != at {
        ids.push(nodes[above].id);
        above = parents[above] as usize;
    }
    ids.reverse();
    ProfileError::Cycle { ids }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn what_cannot_be_numbered_is_refused() {
        assert!(check_count(u32::MAX as usize - 1).is_ok());
        let error = ProfileError::from(check_count(u32::MAX as usize).unwrap_err());
        assert!(error.to_string().starts_with("4294967295 nodes or functions"), "{error}");
    }
}
