//! How much memory writers take that have a limit of it, by an allocator that counts: a process of
//! its own.

use std::io;

use v8_heap_sampler::format::{WriteError, WriteOptions};
use v8_heap_sampler::{Allocation, Bytes, Counted, Node, NodeId, Profile, SampleType};

mod counting;

use counting::measure;

/// A chain of calls so deep, each with an object of its own.
fn deep(levels: u32) -> Profile {
    let mut nodes = vec![Node::new(NodeId(1), "(root)")];
    for id in 2..levels + 2 {
        let mut node = Node::new(NodeId(id), format!("f{}", id % 7));
        node.allocations.push(Allocation { count: 1, size: 8 });
        nodes[id as usize - 2].child_ids.push(node.id);
        nodes.push(node);
    }
    Profile::from_nodes(&nodes, Counted::InUse).unwrap()
}

/// 500 functions that call each other, three times over: 250,500 contexts, and values at the ends.
fn wide() -> Profile {
    let mut nodes = vec![Node::new(NodeId(1), "(root)")];
    let mut add = |parent: usize, name: String, count: u64| {
        let id = NodeId(nodes.len() as u32 + 1);
        let mut node = Node::new(id, name);
        node.script_name = "file:///srv/app/node_modules/some-package/lib/module.js".into();
        if count > 0 {
            node.allocations.push(Allocation { count, size: 8 });
        }
        nodes[parent].child_ids.push(id);
        nodes.push(node);
        nodes.len() - 1
    };
    for outer in 0..500 {
        let caller = add(0, format!("outer{outer}"), 0);
        for inner in 0..500 {
            add(caller, format!("inner{inner}"), 1 + inner % 3);
        }
    }
    Profile::from_nodes(&nodes, Counted::InUse).unwrap()
}

/// One test: others beside it would be counted as well.
#[test]
fn no_writer_takes_more_memory_than_it_may() {
    let space = SampleType::InuseSpace;
    type Write = fn(&Profile, Bytes) -> Result<(), WriteError>;
    let writers: [(&str, Write); 3] = [
        ("flame graph", |profile, limit| {
            let options = WriteOptions::from(SampleType::InuseSpace).limit(limit);
            profile.write_flamegraph(io::sink(), &options)
        }),
        ("difference", |profile, limit| {
            let options = WriteOptions::from(SampleType::InuseSpace).limit(limit);
            profile.write_flamegraph_diff(io::sink(), profile, &options)
        }),
        ("Firefox", |profile, limit| {
            profile.write_firefox(io::sink(), WriteOptions::from("x").limit(limit))
        }),
    ];
    for (what, profile) in [("deep", deep(4000)), ("wide", wide())] {
        assert!(profile.total(space).unwrap() > 0.0);
        for (writer, write) in &writers {
            let mut refusals = 0;
            for limit in (18..29).map(|bits| 1_usize << bits) {
                let (written, peak, held) = measure(|| write(&profile, Bytes(limit as u64)));
                let outcome = match &written {
                    Ok(()) => "written",
                    Err(WriteError::TooLarge { needed, limit, .. }) => {
                        assert!(needed > limit);
                        refusals += 1;
                        "refused"
                    }
                    Err(other) => panic!("{other}"),
                };
                println!("{writer}, {what}, limit {limit}: {outcome}, at most {peak} bytes");
                drop(written);
                assert!(held < 1000, "{held}");
                // A buffer or two on top.
                assert!(peak < limit + (256 << 10), "{writer}, {what}: {peak}, limit {limit}");
            }
            // The limits are such that they are met, and that there is room enough.
            assert!(refusals > 0 && refusals < 11, "{writer}, {what}: {refusals}");
        }
    }
}
