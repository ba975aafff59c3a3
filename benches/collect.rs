//! What a collection costs, against V8's bare call and against the inspector protocol.
#![allow(missing_docs, reason = "criterion's macros define undocumented functions")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fixtures::{Inspector, Realm};
use v8_heap_sampler::HeapSampler;

/// Calls a generated set of functions along random paths, each allocating at its end, until the
/// profile has about `nodes` nodes.
fn synthetic(isolate: &mut v8::Isolate, realm: &Realm, nodes: usize) {
    let mut source = String::from("const kept = [];\n");
    for i in 0..200 {
        source += &format!(
            "function step{i}(path, at) {{
                 kept.push({{ at }});
                 if (at < path.length) steps[path[at]](path, at + 1);
             }}\n"
        );
    }
    source += "const steps = [";
    for i in 0..200 {
        source += &format!("step{i},");
    }
    source += "];
        let seed = 1;
        function random(below) {
            seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
            return (seed >>> 8) % below;
        }
        function grow(paths) {
            for (let i = 0; i < paths; i++) {
                const path = [];
                for (let depth = 0; depth < 20; depth++) path.push(random(depth < 8 ? 4 : 200));
                steps[random(4)](path, 0);
            }
        }";
    realm.run(isolate, "synthetic.js", &source);
    // About 15 nodes of each path are new.
    realm.run(isolate, "grow.js", &format!("grow({})", nodes / 15));
}

fn compare(c: &mut Criterion, name: &str, sampler: &mut HeapSampler<'_>, realm: &Realm) {
    let nodes = sampler.collect_nodes().unwrap().len();
    println!("{name}: {nodes} nodes");
    let mut group = c.benchmark_group(format!("collect/{name}"));
    group.throughput(Throughput::Elements(nodes as u64));
    group.sample_size(30);
    #[cfg(not(windows))]
    group.bench_function(BenchmarkId::new("bare V8 call", nodes), |b| {
        b.iter(|| assert!(fixtures::take_and_delete_profile(sampler)));
    });
    group.bench_function(BenchmarkId::new("collect_nodes", nodes), |b| {
        b.iter_with_large_drop(|| sampler.collect_nodes().unwrap());
    });
    let inspector = Inspector::connect(sampler, realm);
    group.sample_size(10);
    group.bench_function(BenchmarkId::new("inspector", nodes), |b| {
        b.iter_with_large_drop(|| inspector.sampling_profile());
    });
    group.finish();
}

fn collect(c: &mut Criterion) {
    for nodes in [1_000, 10_000, 100_000] {
        let (mut isolate, realm) = fixtures::realm();
        let mut sampler = HeapSampler::new(&mut isolate, 16, 64).unwrap();
        synthetic(&mut sampler, &realm, nodes);
        compare(c, "synthetic", &mut sampler, &realm);
    }
    match fixtures::npm::typescript() {
        Ok(compiler) => {
            let (mut isolate, realm) = fixtures::realm();
            realm.set_string(&mut isolate, "source", &compiler);
            let mut sampler = HeapSampler::new(&mut isolate, 4096, 64).unwrap();
            realm.run(&mut sampler, "typescript.js", &compiler);
            realm.run(&mut sampler, "main.js", fixtures::npm::TYPESCRIPT_WORKLOAD);
            compare(c, "typescript", &mut sampler, &realm);
        }
        Err(missing) => eprintln!("the real program is left out: {missing}"),
    }
}

criterion_group!(benches, collect);
criterion_main!(benches);
