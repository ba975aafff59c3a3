//! Leaks in made-up programs, of which it is known when each object is born and when it dies.
//!
//! How often leaks are found, and nothing else is called one, is counted in `tests/calibration`.

use std::time::{Duration, SystemTime};

use v8_heap_sampler::AnalysisError;
use v8_heap_sampler::SampleType;
use v8_heap_sampler::analysis::{GroupBy, LeakOptions, Leaks};

use crate::support::sessions::{Function, LEAK, NEVER, RING, find, names, snapshots};

/// As of functions that are inlined into another one halfway.
#[test]
fn growth_that_moves_is_that_of_the_whole() {
    const EARLY: Function = ("early", 2000, |born, _| if born < 5 { NEVER } else { born });
    const LATE: Function = ("late", 2000, |born, _| if born >= 5 { NEVER } else { born });
    let snapshots = snapshots(&[EARLY, LATE], 5);
    let found = find(&snapshots, &LeakOptions::new());
    assert!(names(&found).is_empty() && found.whole_leaks, "{found}");
    assert!(found.to_string().contains("all of them together do"), "{found}");
    let by_script = find(&snapshots, &LeakOptions::new().by(GroupBy::Script));
    assert!(by_script.rows[0].is_leak, "{by_script}");
}

#[test]
fn the_stacks_that_grow_are_named() {
    let snapshots = snapshots(&[LEAK, RING], 1);
    let found = find(&snapshots, &LeakOptions::new());
    let path = &found.rows[0].paths[0];
    let stack: Vec<_> = path.stack.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(stack, ["leak"]);
    let grown = found.rows[0].levels[11].value() - found.rows[0].levels[0].value();
    assert!((path.change.value() - grown).abs() < 1e-6 * grown);
    assert!(found.rows[1].paths.is_empty());
    let text = found.to_string();
    assert!(text.starts_with("inuse_space, 12 snapshots in 660.0s: +"), "{text}");
    assert!(text.contains("\n1 of 2 grow and go on growing (marked *;"), "{text}");
    serde_json::to_string(&found).expect("finite numbers");
    let by_script = find(&snapshots, &LeakOptions::new().by(GroupBy::Script));
    assert_eq!(by_script.rows[0].name, "app.js");
}

#[test]
fn few_snapshots_are_enough_for_a_large_leak() {
    const LARGE: Function = ("large", 4000, |_, _| NEVER);
    let all = snapshots(&[LARGE, RING], 3);
    for count in 3..=6 {
        let found = find(&all[4..4 + count], &LeakOptions::new());
        assert_eq!(names(&found), ["large"], "{count}: {found}");
    }
}

#[test]
fn what_cannot_be_asked_is_an_error() {
    let mut all = snapshots(&[LEAK], 1);
    let options = LeakOptions::new();
    assert_eq!(
        Leaks::find(&all[..2], &options).unwrap_err(),
        AnalysisError::TooFewSnapshots { snapshots: 2 }
    );
    let error = Leaks::find([&all[0], &all[2], &all[1]], &options).unwrap_err();
    assert_eq!(error, AnalysisError::SnapshotOrder { at: 3 });
    let no_values = options.clone().sample_type(SampleType::AllocSpace);
    let error = Leaks::find(&all, &no_values).unwrap_err();
    assert_eq!(
        error.to_string(),
        "snapshot 1: the profile has no alloc_space: the samples of dead objects were not kept \
         (KeepDead::Both keeps them); it has inuse_objects, inuse_space"
    );

    for by in [GroupBy::Stack, GroupBy::Label("isolate".to_owned())] {
        let error = Leaks::find(&all, options.clone().by(by.clone())).unwrap_err();
        assert_eq!(error, AnalysisError::LeaksBy { by: by.to_string() });
    }

    // Without times it is per snapshot.
    for profile in &mut all {
        profile.metadata.duration = None;
    }
    let found = Leaks::find(&all, &options).unwrap();
    assert_eq!((found.rows[0].rate.per_second, found.duration), (false, None));
    let objects = Leaks::find(&all, options.clone().sample_type(SampleType::InuseObjects)).unwrap();
    assert!((objects.rows[0].rate.value / 500.0 - 1.0).abs() < 0.3, "{objects}");
    // At the same moment, too.
    for profile in &mut all {
        profile.metadata.started = Some(SystemTime::UNIX_EPOCH);
        profile.metadata.duration = Some(Duration::from_secs(1));
    }
    assert!(!Leaks::find(&all, &options).unwrap().rows[0].rate.per_second);
}
