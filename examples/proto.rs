//! x
use std::time::Instant;
use v8_heap_sampler::*;
fn main() {
    let ts = fixtures::npm::typescript().unwrap();
    let (mut isolate, realm) = fixtures::realm();
    realm.set_string(&mut isolate, "source", &ts);
    let mut sampler = HeapSampler::new(&mut isolate, std::env::args().nth(1).map_or(4096, |a| a.parse().unwrap()), 64).unwrap();
    realm.run(&mut sampler, "typescript.js", &ts);
    println!("{}", realm.run(&mut sampler, "main.js", fixtures::npm::TYPESCRIPT_WORKLOAD));
    let t = Instant::now();
    let n = sampler.collect_nodes().unwrap();
    println!("first {:?} nodes {} allocs {}", t.elapsed(), n.len(), n.iter().map(|n| n.allocations.len()).sum::<usize>());
    let mut best = [f64::MAX; 3];
    let mut ratios = vec![];
    for _ in 0..15 {
        let t = Instant::now();
        fixtures::take_and_delete_profile(&mut sampler);
        let a = t.elapsed().as_secs_f64();
        let t = Instant::now();
        let n = sampler.collect_nodes().unwrap();
        let b = t.elapsed().as_secs_f64();
        ratios.push(b / a);
        best[0] = best[0].min(a); best[1] = best[1].min(b);
        drop(n);
    }
    ratios.sort_by(f64::total_cmp);
    println!("bare {:.2} ms, ours {:.2} ms, ratio of best {:.3}, median ratio {:.3}", best[0]*1e3, best[1]*1e3, best[1]/best[0], ratios[7]);
    let nodes = sampler.collect_nodes().unwrap();
    for _ in 0..3 {
        let c = nodes.clone();
        let t = Instant::now();
        let tree = CallTree::from_nodes(c).unwrap();
        println!("tree {:.1} ns/node", t.elapsed().as_secs_f64() / nodes.len() as f64 * 1e9);
        let t = Instant::now();
        let g = Callgraph::from(&tree);
        println!("graph {:.1} ns/node {} fns {} calls", t.elapsed().as_secs_f64() / nodes.len() as f64 * 1e9, g.graph().node_count(), g.graph().edge_count());
        let t = Instant::now();
        let (h, r) = g.without_cycles();
        println!("cycles {} removed {} {:?} {}", g.cycles().len(), r.len(), t.elapsed(), petgraph::algo::is_cyclic_directed(h.graph()));
    }
    println!("{:?} {}", std::mem::size_of::<Node>(), nodes.iter().filter(|n| n.child_ids.len() > 4).count());
}
