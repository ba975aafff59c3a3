//! Lists of nodes that are no tree: what is refused, and by which name.

use proptest::prelude::*;
use v8_heap_sampler::{
    Allocation, Callgraph, Counted, Node, NodeId, Profile, ProfileError, SamplerOptions,
};

use crate::graph::node;

proptest! {
    /// Whatever the input, the answer is a tree or an error: no panic, no endless loop.
    #[test]
    fn any_list_of_nodes_is_a_tree_or_an_error(
        lists in prop::collection::vec((0..8_u32, prop::collection::vec(0..8_u32, 0..4)), 0..8)
    ) {
        let nodes: Vec<_> = lists.into_iter().map(|(id, children)| {
            let mut node = Node::new(NodeId(id), "f");
            node.child_ids = children.into_iter().map(NodeId).collect();
            node
        }).collect();
        let profile = Profile::from_nodes(&nodes, Counted::InUse);
        let graph = Callgraph::from_nodes(&nodes);
        let of_samples = Profile::from_samples(&nodes, [], &SamplerOptions::new());
        prop_assert_eq!(profile.is_ok(), graph.is_ok());
        prop_assert_eq!(profile.is_ok(), of_samples.is_ok());
        if let Ok(profile) = profile {
            prop_assert_eq!(profile.len(), nodes.len());
        }
    }
}

fn refused(nodes: Vec<Node>) -> ProfileError {
    let error = Profile::from_nodes(&nodes, Counted::InUse).unwrap_err();
    assert_eq!(Callgraph::from_nodes(&nodes).unwrap_err(), error);
    error
}

/// Of the structure alone, which every way to a profile checks.
fn no_tree(nodes: Vec<Node>) -> ProfileError {
    let error = refused(nodes.clone());
    let of_samples = Profile::from_samples(&nodes, [], &SamplerOptions::new()).unwrap_err();
    assert_eq!(of_samples, error);
    error
}

#[test]
fn what_is_no_tree_is_refused_by_name() {
    let ids = |ids: &[u32]| ids.iter().copied().map(NodeId).collect::<Vec<_>>();

    let error = no_tree(vec![]);
    assert_eq!(error, ProfileError::NoRoot);
    assert_eq!(error.to_string(), "no root: the list of nodes is empty");

    let error = no_tree(vec![node(1, "a", 0, &[2]), node(2, "b", 0, &[1])]);
    assert!(matches!(&error, ProfileError::Cycle { ids } if ids.len() == 2), "{error}");
    assert!(error.to_string().ends_with("form a cycle"));

    let error = no_tree(vec![node(4, "a", 0, &[]), node(5, "b", 0, &[])]);
    assert_eq!(error, ProfileError::SeveralRoots { ids: ids(&[4, 5]) });
    assert_eq!(error.to_string(), "2 roots: nodes 4, 5");
    let error = no_tree(vec![node(4, "(root)", 0, &[]), node(5, "(root)", 0, &[])]);
    assert_eq!(error, ProfileError::SeveralRoots { ids: ids(&[4, 5]) });

    let error =
        no_tree(vec![node(1, "(root)", 0, &[2]), node(2, "a", 0, &[]), node(2, "b", 0, &[])]);
    assert_eq!(error, ProfileError::DuplicateId { id: NodeId(2) });
    assert_eq!(error.to_string(), "node id 2 is used twice");

    let error = no_tree(vec![node(1, "(root)", 0, &[2, 9]), node(2, "a", 0, &[])]);
    assert_eq!(error, ProfileError::UnknownChild { parent: NodeId(1), child: NodeId(9) });
    assert!(error.to_string().contains("node 1 has child 9"));

    let error =
        no_tree(vec![node(1, "(root)", 0, &[2, 3]), node(2, "a", 0, &[3]), node(3, "b", 0, &[])]);
    let (child, first, second) = (NodeId(3), NodeId(1), NodeId(2));
    assert_eq!(error, ProfileError::TwoParents { child, first, second });
    assert!(error.to_string().contains("node 3 is reachable twice"));
    let error = no_tree(vec![node(1, "(root)", 0, &[2, 2]), node(2, "a", 0, &[])]);
    assert!(matches!(error, ProfileError::TwoParents { child: NodeId(2), .. }));

    let error =
        no_tree(vec![node(1, "(root)", 0, &[]), node(2, "a", 0, &[3]), node(3, "b", 0, &[])]);
    assert_eq!(error, ProfileError::Unreachable { root: NodeId(1), ids: ids(&[2]) });
    assert_eq!(error.to_string(), "nodes 2 cannot be reached from root 1");

    let error = no_tree(vec![
        node(1, "(root)", 0, &[]),
        node(2, "a", 0, &[3]),
        node(3, "b", 0, &[4]),
        node(4, "c", 0, &[2, 5]),
        node(5, "d", 0, &[]),
    ]);
    let ProfileError::Cycle { ids: mut cycle } = error else { panic!("{error}") };
    cycle.sort();
    assert_eq!(cycle, ids(&[2, 3, 4]));
    let error = no_tree(vec![node(1, "(root)", 0, &[]), node(2, "a", 0, &[2])]);
    assert_eq!(error.to_string(), "nodes 2 form a cycle");

    // The same with ids that are far apart.
    let far = 4_000_000_000;
    let error = no_tree(vec![node(far, "(root)", 0, &[7]), node(far, "a", 0, &[])]);
    assert_eq!(error, ProfileError::DuplicateId { id: NodeId(far) });
    let error = no_tree(vec![node(far, "(root)", 0, &[7])]);
    assert_eq!(error, ProfileError::UnknownChild { parent: NodeId(far), child: NodeId(7) });
}

#[test]
fn totals_beyond_whole_numbers_are_refused() {
    const MOST: u64 = 1 << 53;
    let mut nodes =
        vec![node(1, "(root)", 0, &[2, 3]), node(2, "a", MOST, &[]), node(3, "b", 1, &[])];
    assert_eq!(refused(nodes.clone()), ProfileError::TotalOverflow { id: NodeId(3) });
    nodes[1].allocations[0].size = u64::MAX;
    assert_eq!(refused(nodes.clone()), ProfileError::TotalOverflow { id: NodeId(2) });
    nodes[1].allocations.insert(0, Allocation { count: u64::MAX, size: 2 });
    assert_eq!(refused(nodes), ProfileError::TotalOverflow { id: NodeId(2) });
}
