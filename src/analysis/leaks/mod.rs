//! What leaks, from snapshots of one process.

mod groups;
mod options;
mod paths;
mod report;
mod series;
mod snapshots;
mod survivors;
mod thresholds;

use groups::Groups;
pub use options::LeakOptions;
pub use report::{Leak, LeakPath, Leaks, Rate};
use snapshots::Snapshots;
use survivors::{AllSurvivors, Cohorts, Survivors};
use thresholds::ENOUGH_TO_SURVIVE;

use super::answer::fraction;
use super::group::Group;
use crate::estimate::Sum;
use crate::model::AnalysisError;
use crate::profile::Profile;
use crate::stats::q_values;

impl Leaks {
    /// The functions that leak: those whose live bytes grow and go on growing over three or more
    /// snapshots of one process, in the order in which they were taken.
    ///
    /// Growth that stops is no leak (a cache that fills, code that is compiled), nor is what comes
    /// and goes (a ring of sessions, garbage that has not been collected yet). One of two tests
    /// asks that of each function:
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
    /// Hochberg. The rate of growth is that of the survivors, with the interval of an estimate; or
    /// the median slope (Theil and Sen), with Sen's interval or, where that is wider, the one of
    /// the change from the first snapshot to the last.
    ///
    /// When V8 optimises code it inlines functions, and from then on charges what they allocate to
    /// the function that they are part of: in a program that is still warming up, growth moves from
    /// one function to another. By script or package that hardly shows.
    /// [`whole_leaks`](Self::whole_leaks) says if everything together leaks.
    ///
    /// Take snapshots at even work, after a warm-up, and with a garbage collection before each if
    /// that is possible ([`SamplerOptions::force_gc`](crate::SamplerOptions#structfield.force_gc)):
    /// objects that have died but not been collected are alive to V8. With one session for all
    /// snapshots, of [`live_heap`](crate::SamplerOptions::live_heap) options, survivors can be
    /// followed.
    ///
    /// Where garbage was collected before each snapshot of a session, V8's counter of the used heap
    /// stands beside ([`heap`](Self::heap)): what leaks is a part of its growth. If the last snapshot
    /// and the counter [contradict](crate::HeapCheck::contradiction) each other, the report says so.
    ///
    /// Linear in contexts, values and samples of all snapshots, and in the square of their number.
    ///
    /// ```
    /// # #[cfg(any(feature = "v8-150", feature = "v8-152"))] {
    /// # let (mut isolate, realm) = fixtures::realm();
    /// use v8_heap_sampler::analysis::{LeakOptions, Leaks};
    /// use v8_heap_sampler::{HeapSampler, SamplerOptions};
    ///
    /// # realm.run(&mut isolate, "server.js", "const kept = [];
    /// #     function handle() { kept.push(Array.from({ length: 100 }, (_, i) => ({ i }))); } ''");
    /// let options = SamplerOptions::live_heap().interval_bytes(1024).force_gc(true);
    /// let mut sampler = HeapSampler::with_options(&mut isolate, options)?;
    /// let mut snapshots = Vec::new();
    /// for _ in 0..8 {
    /// #   realm.run(&mut sampler, "load.js", "for (let i = 0; i < 20; i++) handle(); ''");
    ///     // ... some work ...
    ///     snapshots.push(sampler.profile()?);
    /// }
    /// let leaks = Leaks::find(&snapshots, LeakOptions::new())?;
    /// assert!(leaks.rows[0].is_leak && leaks.rows[0].name.contains(" server.js"));
    /// println!("{leaks}");
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AnalysisError`] if there are fewer than three snapshots, they are not in order, or one
    /// does not have the values, or has a difference of them.
    pub fn find<'p>(
        snapshots: impl IntoIterator<Item = &'p Profile>,
        options: impl Into<LeakOptions>,
    ) -> Result<Self, AnalysisError> {
        let options = options.into();
        let snapshots = Snapshots::new(snapshots.into_iter().collect(), &options)?;
        let groups = Groups::new(&snapshots, &options.by, options.fold_builtins);
        let survivors = snapshots.survivors(&groups);
        let whole: Vec<Sum> = snapshots.evidence.iter().map(|of| *of.total().sum()).collect();
        let of_whole = survivors.as_ref().map(|all| (&all.cohorts, &all.whole));
        let (p_of_whole, total) = snapshots.growth(&whole, of_whole);
        let mut rows = rows(&snapshots, &groups, survivors.as_ref(), total.value);
        let false_discovery_rate = fraction(options.false_discovery_rate);
        mark_leaks(&mut rows, false_discovery_rate);
        let (all, leaks) = (rows.len(), rows.iter().filter(|(_, row)| row.is_leak).count());
        rows.truncate(options.limit.unwrap_or(usize::MAX));
        let last = groups.of_contexts.last().map_or(&[][..], Vec::as_slice);
        snapshots.set_paths(last, &mut rows, options.paths);
        Ok(Self {
            by: options.by,
            snapshots: snapshots.profiles.len(),
            duration: snapshots.duration(),
            same_session: snapshots.same_session,
            whole_leaks: total.value > 0.0 && p_of_whole.is_some_and(|p| p <= false_discovery_rate),
            total,
            heap: snapshots.heap(),
            note: snapshots.evidence.last().and_then(|last| last.contradiction()),
            rows: rows.into_iter().map(|(_, row)| row).collect(),
            all,
            leaks,
            false_discovery_rate,
        })
    }
}

/// The groups that ever have something, each with its number. It is not said yet which are leaks.
fn rows(
    snapshots: &Snapshots<'_>,
    groups: &Groups,
    survivors: Option<&AllSurvivors>,
    whole: f64,
) -> Vec<(u32, Leak)> {
    let row = |(number, group): (u32, &Group)| {
        let series: Vec<Sum> = groups.levels.iter().map(|level| level[number as usize]).collect();
        if series.iter().all(|sum| sum.value() <= 0.0) {
            return None;
        }
        let survivors = survivors.map(|all| (&all.cohorts, &all.of_groups[number as usize]));
        let (p_value, rate) = snapshots.growth(&series, survivors);
        let levels = snapshots.evidence.iter().zip(series);
        let row = Leak {
            name: group.name.clone(),
            function: group.function.clone(),
            rate,
            share: (whole > 0.0).then(|| rate.value / whole),
            p_value,
            q_value: None,
            is_leak: false,
            levels: levels.map(|(evidence, sum)| evidence.estimate(sum)).collect(),
            paths: Vec::new(),
        };
        Some((number, row))
    };
    (0..).zip(&groups.groups).filter_map(row).collect()
}

/// Says which rows are leaks, by the p-values that there are of all, and puts these first.
fn mark_leaks(rows: &mut [(u32, Leak)], false_discovery_rate: f64) {
    let p_values: Vec<f64> = rows.iter().filter_map(|(_, row)| row.p_value).collect();
    let known = rows.iter_mut().filter(|(_, row)| row.p_value.is_some());
    for ((_, row), q_value) in known.zip(q_values(&p_values)) {
        row.q_value = Some(q_value);
        row.is_leak = q_value <= false_discovery_rate && row.rate.value > 0.0;
    }
    rows.sort_by(|(_, one), (_, other)| {
        let by_rate = other.rate.value.total_cmp(&one.rate.value);
        other.is_leak.cmp(&one.is_leak).then(by_rate)
    });
}

impl Snapshots<'_> {
    /// How likely a group grows so if it does not leak, and the rate of its growth: by its
    /// survivors if these are enough, else by the trend.
    fn growth(
        &self,
        series: &[Sum],
        survivors: Option<(&Cohorts, &Survivors)>,
    ) -> (Option<f64>, Rate) {
        match survivors.filter(|(_, survivors)| survivors.alive >= ENOUGH_TO_SURVIVE) {
            None => self.trend(series),
            Some((cohorts, survivors)) => {
                let early = series[..series.len().div_ceil(3)].iter().map(Sum::value);
                let least = early.fold(f64::INFINITY, f64::min);
                let grown = series[cohorts.late].value() - least;
                survivors.growth(cohorts, self, grown)
            }
        }
    }
}
