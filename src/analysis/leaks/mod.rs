//! What leaks, from snapshots of one process.

mod clock;
mod finding;
mod findings;
mod groups;
mod options;
mod paths;
mod report;
mod series;
mod snapshots;
mod survivors;
mod thresholds;

use findings::{Findings, GroupFinding};
use groups::Groups;
pub use options::LeakOptions;
pub use report::{Leak, LeakPath, Leaks, Rate, RateUnit};
use snapshots::Snapshots;

use super::share::fraction;
use crate::model::AnalysisError;
use crate::profile::Profile;

/// What leaks: the functions whose live bytes grow and go on growing over three or more snapshots
/// of one process, in the order in which they were taken.
///
/// Growth that stops is no leak (a cache that fills, code that is compiled), nor is what comes and
/// goes (a ring of sessions, garbage that has not been collected yet). One of two tests asks that
/// of each function:
///
/// - **Survivors**, of snapshots of one session ([`Sessions`](super::Sessions)): the objects that
///   are alive in a late snapshot, by the time of their allocation. (The last one of the last third
///   that has hardly more alive than the least of it: it is soon after a garbage collection.)
///   Something that leaks has survivors from all of the time; a cache that is full, only from its
///   beginning; what is replaced or not yet collected, only from the end. The time from the first
///   snapshot to the one before that is divided into thirds; each must have more survivors, for
///   what was allocated in it, than 40 % of the usual rate, which is the median over the times
///   between two snapshots (Poisson's distribution). The function must have grown by at least half
///   of that, from the least it had in the first third; and three quarters of what was old in the
///   middle of the time must still be there: what is renewed does not leak. This sees a leak of one
///   per cent in a function whose garbage comes and goes by the megabyte. A cache that takes more
///   than half of the time to be renewed once may still look like a leak: watch longer.
/// - **Trend**, where snapshots are of several sessions or have no samples, and for functions with
///   fewer than a dozen samples, such as an array that grows: with ten snapshots or more, the live
///   bytes must rise by Mann's test, over all of the time and over the later two thirds, there by
///   more than sampling explains, and in steps that go up on average (Student's test); rise at
///   least 40 % as steeply in the later half as on the whole; and never fall by more than half of
///   what they have risen. With fewer snapshots, the least of each third must be more than that of
///   the one before, by more than sampling explains.
///
/// The false discovery rate over all functions is controlled by the procedure of Benjamini and
/// Hochberg. The rate of growth is that of the survivors, with the interval of an estimate; or the
/// median slope (Theil and Sen), with Sen's interval or, where that is wider, the one of the change
/// from the first snapshot to the last.
///
/// When V8 optimises code it inlines functions, and from then on charges what they allocate to the
/// function that they are part of: in a program that is still warming up, growth moves from one
/// function to another. By script or package that hardly shows. [`Leaks::whole_leaks`] says if
/// everything together leaks.
///
/// Take snapshots at even work, after a warm-up, and with a garbage collection before each if that
/// is possible ([`SamplerOptions::force_gc`](crate::SamplerOptions#structfield.force_gc)): objects
/// that have died but not been collected are alive to V8. With one session for all snapshots, of
/// [`live_heap`](crate::SamplerOptions::live_heap) options, survivors can be followed.
///
/// Linear in contexts, values and samples of all snapshots, and in the square of their number.
///
/// ```
/// # #[cfg(any(feature = "v8-150", feature = "v8-152"))] {
/// # let (mut isolate, realm) = fixtures::realm();
/// use v8_heap_sampler::analysis::{LeakOptions, leaks};
/// use v8_heap_sampler::{Profile, HeapSampler, SamplerOptions};
///
/// # realm.run(&mut isolate, "server.js", "const kept = [];
/// #     function handle() { kept.push(Array.from({ length: 100 }, (_, i) => ({ i }))); } ''");
/// let options = SamplerOptions::live_heap().interval_bytes(1024).force_gc(true);
/// let mut sampler = HeapSampler::with_options(&mut isolate, options)?;
/// let mut snapshots = Vec::new();
/// for _ in 0..8 {
/// #   realm.run(&mut sampler, "load.js", "for (let i = 0; i < 20; i++) handle(); ''");
///     // ... some work ...
///     snapshots.push(Profile::from_profile(&sampler.collect_profile()?)?);
/// }
/// let leaks = leaks(&snapshots, &LeakOptions::new())?;
/// assert!(leaks.rows[0].is_leak && leaks.rows[0].name.contains(" server.js"));
/// println!("{leaks}");
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`AnalysisError`] if there are fewer than three snapshots, they are not in order, or one does not
/// have the values, or has a difference of them.
pub fn leaks<'p>(
    snapshots: impl IntoIterator<Item = &'p Profile>,
    options: impl Into<LeakOptions>,
) -> Result<Leaks, AnalysisError> {
    let options = &options.into();
    let snapshots = Snapshots::new(snapshots.into_iter().collect(), options)?;
    let groups = Groups::new(&snapshots, &options.by, options.fold_builtins);
    let findings = Findings::new(&snapshots, &groups);
    Ok(report(&snapshots, options, &groups, &findings))
}

/// What is told of all that was found.
fn report(
    snapshots: &Snapshots<'_>,
    options: &LeakOptions,
    groups: &Groups,
    findings: &Findings,
) -> Leaks {
    let mut rows = rows(snapshots, options, groups, findings);
    let (all, leaks) = (rows.len(), rows.iter().filter(|(_, row)| row.is_leak).count());
    rows.truncate(options.limit.unwrap_or(usize::MAX));
    set_paths(snapshots, groups, &mut rows, options.paths);
    let whole = &findings.whole;
    let false_discovery_rate = fraction(options.false_discovery_rate);
    Leaks {
        sample_type: options.sample_type,
        snapshots: snapshots.profiles.len(),
        duration: snapshots.clock.duration(),
        same_session: snapshots.same_session,
        total: whole.rate(options.sample_type, snapshots.clock.per),
        whole_leaks: whole.value > 0.0 && whole.p_value.is_some_and(|p| p <= false_discovery_rate),
        rows: rows.into_iter().map(|(_, row)| row).collect(),
        all,
        leaks,
        false_discovery_rate,
        by: options.by.heading().to_owned(),
    }
}

/// All rows in their order, without paths, each with its group.
fn rows(
    snapshots: &Snapshots<'_>,
    options: &LeakOptions,
    groups: &Groups,
    findings: &Findings,
) -> Vec<(usize, Leak)> {
    let false_discovery_rate = fraction(options.false_discovery_rate);
    let whole = findings.whole.value;
    let row = |GroupFinding { group, finding, q_value }: &GroupFinding| {
        let q_is_small = q_value.is_some_and(|q| q <= false_discovery_rate);
        let levels = groups.levels.iter().zip(&snapshots.evidence);
        let row = Leak {
            name: groups.groups[*group].name.clone(),
            function: groups.groups[*group].function.clone(),
            rate: finding.rate(options.sample_type, snapshots.clock.per),
            share: (whole > 0.0).then(|| finding.value / whole),
            p_value: finding.p_value,
            q_value: *q_value,
            is_leak: q_is_small && finding.value > 0.0,
            levels: levels.map(|(level, evidence)| evidence.estimate(level[*group])).collect(),
            paths: Vec::new(),
        };
        (*group, row)
    };
    let mut rows: Vec<(usize, Leak)> = findings.of_groups.iter().map(row).collect();
    rows.sort_by(|(_, one), (_, other)| {
        let by_rate = other.rate.value.total_cmp(&one.rate.value);
        other.is_leak.cmp(&one.is_leak).then(by_rate)
    });
    rows
}

/// Sets the paths of the rows that are leaks; each row is there with its group.
fn set_paths(snapshots: &Snapshots<'_>, groups: &Groups, rows: &mut [(usize, Leak)], count: usize) {
    let leaking: Vec<u32> =
        rows.iter().filter(|(_, row)| row.is_leak).map(|&(group, _)| group as u32).collect();
    if leaking.is_empty() {
        return;
    }
    let last_groups = groups.of_contexts.last().map_or(&[][..], Vec::as_slice);
    let mut paths = snapshots.paths(last_groups, &leaking, count);
    for (group, row) in rows {
        row.paths = paths.remove(&(*group as u32)).unwrap_or_default();
    }
}
