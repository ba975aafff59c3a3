//! What writing and reading costs: nodes of a real program to gzipped pprof and to `.heapprofile`, and
//! a large `.heapprofile` back.
//!
//! `.ci/bench-peers` compares with what programs in Node use: run as `cargo bench --bench formats --
//! peers`, with a folder in `PEERS_DIR`, this writes the tree and its own times there.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;
use std::time::Instant;

use criterion::{Criterion, Throughput};
use v8_heap_sampler::format::{self, WriteOptions};
use v8_heap_sampler::{
    Counted, HeapSampler, KeepDead, Node, NodeId, Profile, Sample, SampleId, SamplerOptions,
};

/// The TypeScript compiler at work: some 100,000 nodes.
fn typescript() -> Result<Profile, String> {
    let compiler = fixtures::npm::typescript()?;
    let (mut isolate, realm) = fixtures::realm();
    realm.set_string(&mut isolate, "source", &compiler);
    let options = SamplerOptions::new().interval_bytes(6000).keep_dead(KeepDead::None);
    let mut sampler = HeapSampler::with_options(&mut isolate, options).unwrap();
    realm.run(&mut sampler, "typescript.js", &compiler);
    realm.run(&mut sampler, "main.js", fixtures::npm::TYPESCRIPT_WORKLOAD);
    Ok(sampler.profile().unwrap())
}

fn pprof(profile: &Profile) -> Vec<u8> {
    let mut bytes = Vec::new();
    profile.write_pprof(&mut bytes, WriteOptions::new()).unwrap();
    bytes
}

fn nodes_to_pprof(nodes: &[Node]) -> Vec<u8> {
    pprof(&Profile::from_nodes(nodes, Counted::InUse).unwrap())
}

fn profile_to_heapprofile(profile: &Profile) -> Vec<u8> {
    let mut bytes = Vec::new();
    profile.write_heapprofile(&mut bytes, Counted::InUse).unwrap();
    bytes
}

/// The profile's contexts as nodes, with what they have in use.
fn nodes_of(profile: &Profile) -> Vec<Node> {
    let mut json = Vec::new();
    profile.write_nodes(&mut json, Counted::InUse).unwrap();
    serde_json::from_slice(&json).unwrap()
}

/// A `.heapprofile` of at least so many bytes: the same tree below one root, again and again.
fn large_heapprofile(profile: &Profile, least: usize) -> Vec<u8> {
    let tree = nodes_of(profile);
    let one = tree.len() as u32;
    let mut nodes = vec![Node::new(NodeId(1), "(root)")];
    let mut bytes = 0;
    let size = profile_to_heapprofile(profile).len();
    let mut samples = Vec::new();
    for copy in 0.. {
        if bytes >= least + least / 20 {
            break;
        }
        bytes += size;
        let id = |old: NodeId| NodeId(old.0 + 1 + copy * 4 * one);
        nodes[0].child_ids.push(id(tree[0].id));
        for node in &tree {
            let mut node = node.clone();
            node.id = id(node.id);
            node.child_ids = node.child_ids.iter().map(|&child| id(child)).collect();
            nodes.push(node);
        }
        for sample in profile.samples().unwrap() {
            let node = id(tree[sample.context as usize].id);
            let sample_id = SampleId(sample.ordinal + (u64::from(copy) << 32));
            samples.push(Sample::new(node, sample.size().unwrap().0, sample_id, !sample.is_dead));
        }
    }
    let options = &profile.collection().unwrap().options;
    profile_to_heapprofile(&Profile::from_samples(&nodes, samples, options).unwrap())
}

fn median_ms<T>(mut run: impl FnMut() -> T) -> f64 {
    let mut times: Vec<f64> = (0..25)
        .map(|_| {
            let start = Instant::now();
            let result = std::hint::black_box(run());
            let time = start.elapsed().as_secs_f64() * 1e3;
            drop(result);
            time
        })
        .skip(5)
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn peers(folder: &Path, profile: &Profile) -> Result<(), Box<dyn std::error::Error>> {
    let tree = nodes_of(profile);
    let nodes = tree.len();
    let mut file = BufWriter::new(File::create(folder.join("nodes.json"))?);
    profile.write_nested_nodes(&mut file, Counted::InUse)?;
    fs::write(folder.join("tree.heapprofile"), profile_to_heapprofile(profile))?;
    let pprof = median_ms(|| nodes_to_pprof(&tree));
    let heapprofile = median_ms(|| profile_to_heapprofile(profile));
    let json =
        format!(r#"{{"nodes":{nodes},"pprof_ms":{pprof:.3},"heapprofile_ms":{heapprofile:.3}}}"#);
    println!("{json}");
    fs::write(folder.join("rust.json"), json)?;
    Ok(())
}

fn criterion(profile: &Profile) {
    let nodes = nodes_of(profile);
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("formats/typescript");
    group.throughput(Throughput::Elements(nodes.len() as u64)).sample_size(20);
    group.bench_function("nodes to gzipped pprof", |b| {
        b.iter_with_large_drop(|| nodes_to_pprof(&nodes));
    });
    group.bench_function("profile to gzipped pprof", |b| {
        b.iter_with_large_drop(|| pprof(profile));
    });
    group.bench_function("profile to .heapprofile", |b| {
        b.iter_with_large_drop(|| profile_to_heapprofile(profile));
    });
    group.bench_function("Profile::from_nodes alone", |b| {
        b.iter_with_large_drop(|| Profile::from_nodes(&nodes, Counted::InUse).unwrap());
    });
    group.finish();

    let json = large_heapprofile(profile, 100_000_000);
    let contexts = format::read(&json[..]).unwrap().len();
    let path = std::env::temp_dir().join(format!("large.{}.heapprofile", std::process::id()));
    fs::write(&path, &json).unwrap();
    let mut group = criterion.benchmark_group("formats/read");
    group.throughput(Throughput::Bytes(json.len() as u64)).sample_size(10);
    group.bench_function(format!(".heapprofile, {contexts} contexts"), |b| {
        b.iter_with_large_drop(|| format::read(File::open(&path).unwrap()).unwrap());
    });
    group.finish();
    let ms = median_ms(|| format::read(File::open(&path).unwrap()).unwrap());
    println!(
        "\nreading a .heapprofile of {:.0} MB: {:.0} MB/s (target: at least 200)\n",
        json.len() as f64 / 1e6,
        json.len() as f64 / 1e3 / ms
    );
    fs::remove_file(&path).unwrap();
    criterion.final_summary();
}

fn main() {
    let profile = match typescript() {
        Ok(profile) => profile,
        Err(missing) => {
            eprintln!("the real program is left out: {missing}");
            return;
        }
    };
    if std::env::args().any(|argument| argument == "peers") {
        let folder = std::env::var_os("PEERS_DIR").expect("PEERS_DIR names a folder");
        peers(Path::new(&folder), &profile).unwrap();
    } else {
        criterion(&profile);
    }
}
