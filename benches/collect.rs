//! What a collection costs: a profile against V8's bare call and against the inspector protocol, and
//! flat nodes and the first answer against it, each as a ratio of neighbouring runs.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fixtures::{Inspector, Pairs, Realm};
use v8_heap_sampler::analysis::TopOptions;
use v8_heap_sampler::{HeapSampler, SampleType};

/// Calls a generated set of functions along random paths, each allocating at its end, until the
/// profile has about `nodes` nodes: as in real programs, most nodes only lead on to others.
fn synthetic(isolate: &mut v8::Isolate, realm: &Realm, nodes: usize) {
    let mut source = String::from("const kept = [], steps = [];\n");
    for i in 0..300 {
        source += &format!(
            "steps.push(function step{i}(path, at) {{
                 if (at < path.length) steps[path[at]](path, at + 1); else kept.push(new Array(100));
             }});\n"
        );
    }
    source += "
        let seed = 1;
        function random(below) {
            seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
            return (seed >>> 8) % below;
        }
        function grow(paths) {
            for (let i = 0; i < paths; i++) {
                const path = [];
                for (let depth = 0; depth < 24; depth++) path.push(random(depth < 8 ? 4 : 300));
                steps[random(4)](path, 0);
            }
        }";
    realm.run(isolate, "synthetic.js", &source);
    // About 18 nodes of each path are new.
    realm.run(isolate, "grow.js", &format!("grow({})", nodes.div_ceil(18)));
}

fn compare(c: &mut Criterion, name: &str, sampler: &mut HeapSampler<'_>, realm: &Realm) {
    let nodes = sampler.collect_nodes().unwrap();
    let (count, allocations) =
        (nodes.len(), nodes.iter().map(|node| node.allocations.len()).sum::<usize>());
    let mut group = c.benchmark_group(format!("collect/{name}"));
    group.throughput(Throughput::Elements(count as u64)).sample_size(20);
    #[cfg(not(windows))]
    group.bench_function(BenchmarkId::new("bare V8 call", count), |b| {
        b.iter(|| assert!(fixtures::take_and_delete_profile(sampler)));
    });
    group.bench_function(BenchmarkId::new("profile", count), |b| {
        b.iter_with_large_drop(|| sampler.profile().unwrap());
    });
    let inspector = Inspector::connect(sampler, realm);
    group.sample_size(10);
    group.bench_function(BenchmarkId::new("inspector", count), |b| {
        b.iter_with_large_drop(|| inspector.sampling_profile());
    });
    group.finish();

    println!("\n{name}: {count} nodes, {allocations} with allocations; in turn, pair by pair:");
    let sampler = std::cell::RefCell::new(sampler);
    let ours = || sampler.borrow_mut().profile().unwrap();
    #[cfg(not(windows))]
    {
        let bare = || fixtures::take_and_delete_profile(&mut sampler.borrow_mut());
        report("profile / bare V8 call (target: at most 1.1)", &Pairs::measure(60, ours, bare));
    }
    let nodes = || sampler.borrow_mut().collect_nodes().unwrap();
    report("collect_nodes / profile", &Pairs::measure(20, nodes, ours));
    let profile = ours();
    let top = || profile.top(TopOptions::new(SampleType::InuseSpace)).unwrap();
    let samples = profile.samples().unwrap().len();
    report(&format!("top, {samples} samples / profile"), &Pairs::measure(20, top, ours));
    let theirs = || inspector.sampling_profile();
    report("inspector / profile (target: at least 8)", &Pairs::measure(10, theirs, ours));
    println!();
}

fn report(what: &str, pairs: &Pairs) {
    let (median, low, high) = pairs.ratio();
    println!(
        "  {what}: {median:.2} (middle half {low:.2} to {high:.2}; {:.2?} / {:.2?})",
        pairs.first(),
        pairs.second()
    );
}

fn collect(c: &mut Criterion) {
    for nodes in [1_000, 10_000, 100_000] {
        let (mut isolate, realm) = fixtures::realm();
        let mut sampler = HeapSampler::new(&mut isolate, 256, 64).unwrap();
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
