//! The fuzzers' seeds: what was read wrongly once, and what is there of each format.

use std::fs;
use std::path::{Path, PathBuf};

use v8_heap_sampler::format::ReadOptions;

use crate::support::answers;

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn all_answers_to_the_seeds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut read = 0;
    for file in files(&corpus).iter().flat_map(|folder| files(folder)) {
        let Ok(profile) = ReadOptions::new().read(&*fs::read(&file).unwrap()) else { continue };
        read += 1;
        for of in profile.sample_types() {
            answers::check(&profile, of);
        }
    }
    assert!(read >= 20, "{read} seeds are profiles");
}
