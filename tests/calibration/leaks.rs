//! How often leaks are found, and nothing else is called one.

use std::time::Duration;

use v8_heap_sampler::analysis::{LeakOptions, Sessions};

use crate::sessions::{Function, LEAK, NEVER, RING, ROUNDS, find, names, snapshots};

/// One of a hundred stays; the rest goes by the end of the round, or is collected only by the next
/// third.
const CHURN: Function = ("churn", 20_000, |born, at| match at % 100 {
    0 => NEVER,
    _ if at % 4 == 0 => born / 3 * 3 + 3,
    _ => born,
});
/// Filled in four rounds.
const CACHE: Function = ("cache", 1000, |born, _| if born < 4 { NEVER } else { born });
/// Flushed every four rounds.
const QUEUE: Function = ("queue", 1000, |born, _| born / 4 * 4 + 4);
/// Comes and goes.
const GARBAGE: Function = ("garbage", 5000, |born, at| if at % 10 == 0 { born + 1 } else { born });

#[test]
fn leaks_are_told_from_what_levels_off_and_what_comes_and_goes() {
    for seed in 0..20 {
        let snapshots = snapshots(&[CACHE, RING, LEAK, QUEUE, GARBAGE], seed);
        let found = find(&snapshots, &LeakOptions::new());
        assert!(found.same_session);
        assert_eq!(names(&found), ["leak"], "{found}");
        // By trend alone, as of snapshots that have nothing to do with each other.
        let apart = find(&snapshots, &LeakOptions::new().sessions(Sessions::Independent));
        assert!(!apart.same_session);
        assert_eq!(names(&apart), ["leak"], "{apart}");
    }
}

#[test]
fn rates_and_shares_are_the_truth() {
    // 500 objects of 64 bytes a minute.
    let truth = 500.0 * 64.0 / 60.0;
    let (mut held, mut held_apart) = (0, 0);
    for seed in 0..100 {
        let snapshots = snapshots(&[LEAK, CACHE], seed);
        let found = find(&snapshots, &LeakOptions::new());
        let row = &found.rows[0];
        assert!(row.rate.per_second && row.is_leak);
        held += u32::from(row.rate.lower <= truth && truth <= row.rate.upper);
        assert!((row.rate.value / truth - 1.0).abs() < 0.4, "{found}");
        assert!(row.share.is_some_and(|share| (0.5..1.3).contains(&share)), "{found}");
        assert_eq!(row.levels.len(), ROUNDS);
        assert_eq!(found.duration, Some(Duration::from_secs(60 * 11)));
        let apart = find(&snapshots, &LeakOptions::new().sessions(Sessions::Independent));
        held_apart +=
            u32::from(apart.rows[0].rate.lower <= truth && truth <= apart.rows[0].rate.upper);
    }
    assert!(held >= 90, "{held} of 100 intervals hold the rate");
    assert!(
        held_apart >= 60,
        "{held_apart} of 100 of Sen's do: points of one session are dependent"
    );
}

#[test]
fn one_per_cent_of_churn_is_found_by_its_survivors() {
    let (mut found, mut by_trend) = (0, 0);
    for seed in 0..20 {
        let snapshots = snapshots(&[CHURN, RING, CACHE], seed);
        found += u32::from(names(&find(&snapshots, &LeakOptions::new())) == ["churn"]);
        let options = LeakOptions::new().sessions(Sessions::Independent);
        by_trend += u32::from(names(&find(&snapshots, &options)) == ["churn"]);
    }
    assert!(found >= 19, "{found} of 20");
    assert!(by_trend < found, "{by_trend} of 20 by trend alone");
}

#[test]
fn where_nothing_leaks_nothing_is_called_a_leak() {
    let mut alarms = 0;
    for seed in 0..100 {
        let snapshots = snapshots(&[CACHE, RING, QUEUE, GARBAGE], seed);
        alarms += u32::from(find(&snapshots, &LeakOptions::new()).leaks > 0);
    }
    assert!(alarms <= 5, "{alarms} of 100");
}
