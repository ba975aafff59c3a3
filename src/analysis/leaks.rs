//! What leaks, from snapshots of one process.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use foldhash::fast::RandomState;
use serde::Serialize;

use super::amount::{Amount, fraction, percent};
use super::change::Change;
use super::evidence::Evidence;
use super::group::{self, Group, GroupBy, join};
use super::joined::shown_stack;
use super::pattern::Pattern;
use super::sample_sums::SampleSums;
use super::shared::{Sessions, shared_samples};
use super::sides::Sides;
use super::significance::{poisson_tail, q_values, shown_p};
use super::table::Table;
use super::trend::{p_of_drift, p_of_rise, theil_sen};
use crate::callgraph::NONE;
use crate::estimate::{Confidence, Sum, shown};
use crate::heap_profile::{Counted, HeapProfile, NoSuchValues, OrdinalSample, SampleType};
use crate::profile::{Bytes, Function, Objects};

/// What [`leaks`] looks for.
///
/// ```
/// use v8_heap_sampler::analysis::{GroupBy, LeakOptions};
/// let options = LeakOptions::new().by(GroupBy::Package).count(5);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LeakOptions {
    /// Which value. Default: bytes in use.
    pub sample_type: SampleType,
    /// By what it is added up: functions, scripts, packages; not by label. Default: by function.
    pub by: GroupBy,
    /// How many rows to keep. Default: 20.
    pub count: usize,
    /// How many call paths to name for each leak. Default: 3.
    pub paths: usize,
    /// How large a part of the leaks found may be none, on average, from 0 to 1. Default: 0.05.
    pub false_discovery_rate: f64,
    /// Whether what built-in functions such as `push` and `map` allocate counts as allocated by the
    /// function that called them. Default: yes.
    pub fold_builtins: bool,
    /// Whether the snapshots are of one session. Default: found out.
    pub sessions: Sessions,
}

impl LeakOptions {
    /// By function, of the bytes in use.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            sample_type: SampleType::InuseSpace,
            by: GroupBy::Function,
            count: 20,
            paths: 3,
            false_discovery_rate: 0.05,
            fold_builtins: true,
            sessions: Sessions::Detect,
        }
    }

    /// Sets [`sample_type`](#structfield.sample_type).
    #[must_use]
    pub const fn sample_type(mut self, sample_type: SampleType) -> Self {
        self.sample_type = sample_type;
        self
    }

    /// Sets [`by`](#structfield.by).
    #[must_use]
    pub fn by(mut self, by: GroupBy) -> Self {
        self.by = by;
        self
    }

    /// Sets [`count`](#structfield.count).
    #[must_use]
    pub const fn count(mut self, rows: usize) -> Self {
        self.count = rows;
        self
    }

    /// Sets [`paths`](#structfield.paths).
    #[must_use]
    pub const fn paths(mut self, paths: usize) -> Self {
        self.paths = paths;
        self
    }

    /// Sets [`false_discovery_rate`](#structfield.false_discovery_rate).
    #[must_use]
    pub const fn false_discovery_rate(mut self, rate: f64) -> Self {
        self.false_discovery_rate = rate;
        self
    }

    /// Sets [`fold_builtins`](#structfield.fold_builtins).
    #[must_use]
    pub const fn fold_builtins(mut self, fold: bool) -> Self {
        self.fold_builtins = fold;
        self
    }

    /// Sets [`sessions`](#structfield.sessions).
    #[must_use]
    pub const fn sessions(mut self, sessions: Sessions) -> Self {
        self.sessions = sessions;
        self
    }
}

impl Default for LeakOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Why leaks cannot be looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeakError {
    /// Growth that goes on is seen from three snapshots on.
    #[error("{snapshots} snapshots are too few to tell a leak: take three or more, better ten")]
    TooFew {
        /// How many there are.
        snapshots: usize,
    },
    /// A snapshot was taken before the one in front of it.
    #[error("snapshot {at} was taken before the one in front of it: pass them in order")]
    Order {
        /// Which, from 1.
        at: usize,
    },
    /// Leaks are not followed by label.
    #[error(
        "leaks are followed by function, script or package, not by label: focus on one instead"
    )]
    Labels,
    /// A snapshot is no snapshot, but a [difference](HeapProfile::is_difference).
    #[error(
        "snapshot {at}: {sample_type} is a difference of two profiles: pass profiles of the whole heap, \
         each of one moment"
    )]
    Difference {
        /// Which, from 1.
        at: usize,
        /// The values.
        sample_type: SampleType,
    },
    /// A snapshot does not have the values.
    #[error("snapshot {at}: {error}")]
    NoSuchValues {
        /// Which, from 1.
        at: usize,
        /// What it has.
        error: NoSuchValues,
    },
}

/// What a [`Rate`] is per.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RateUnit {
    /// Per second.
    Second,
    /// From one snapshot to the next, where their times are not known.
    Snapshot,
}

/// How fast something grows: an estimate with its 95 % limits.
///
/// Displayed as `+1.2 MB/s (1.0 to 1.4)`, per second, minute or hour.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Rate {
    /// Bytes or objects.
    pub sample_type: SampleType,
    /// Per what.
    pub per: RateUnit,
    /// So many.
    pub value: f64,
    /// The lower limit.
    pub lower: f64,
    /// The upper limit.
    pub upper: f64,
}

/// What grows: see [`leaks`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Leaks {
    /// Which value.
    pub sample_type: SampleType,
    /// How many snapshots there are.
    pub snapshots: usize,
    /// From the first to the last; `None` if their times are not known.
    pub duration: Option<Duration>,
    /// Whether the snapshots are of one session, so that single objects were followed.
    pub same_session: bool,
    /// How fast the whole grows.
    pub total: Rate,
    /// Whether the whole grows and goes on growing, by the tests that the rows have: also where no
    /// row by itself does.
    pub whole_leaks: bool,
    /// The rows: leaks first, and among these the fastest first.
    pub rows: Vec<Leak>,
    /// How many rows there would be if none was cut off.
    pub all: usize,
    /// How many leaks there are.
    pub leaks: usize,
    /// How large a part of these may be none, on average.
    pub false_discovery_rate: f64,
    #[serde(skip)]
    by: String,
}

/// A row of [`Leaks`]: how a function, a script, ... grows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Leak {
    /// What it is of, as it is shown.
    pub name: String,
    /// The function, where the rows are functions.
    #[serde(serialize_with = "super::place::serialize_some")]
    pub function: Option<Arc<Function>>,
    /// How fast it grows.
    pub rate: Rate,
    /// How much of the growth of the whole that is; `None` if the whole does not grow. More than 1
    /// if something else shrinks.
    pub share: Option<f64>,
    /// How likely such growth is if none goes on; `None` if it cannot be said.
    pub p_value: Option<f64>,
    /// The least false discovery rate at which it is a leak; `None` if it cannot be said.
    pub q_value: Option<f64>,
    /// Whether it grows and goes on growing, at the false discovery rate that was asked for.
    pub is_leak: bool,
    /// What there was in each snapshot.
    pub levels: Vec<Amount>,
    /// The stacks that have grown most from the first snapshot to the last, of leaks.
    pub paths: Vec<LeakPath>,
}

/// A stack that has grown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LeakPath {
    /// The functions, the outermost first.
    #[serde(serialize_with = "super::place::serialize_all")]
    pub stack: Vec<Arc<Function>>,
    /// By how much, from the first snapshot to the last.
    pub change: Change,
}

/// Parts of the time with less of the usual growth than this have levelled off.
const LEVELLED_OFF: f64 = 0.4;

/// A snapshot with so many times the least that is alive is still one without much garbage.
const NEARLY_LEAST: f64 = 1.15;

/// Of what leaks at least this part lives on from the middle of the time to its end.
const LIVES_ON: f64 = 0.75;

/// So many samples tell by themselves when what is alive was allocated.
const ENOUGH_TO_SURVIVE: u32 = 12;

/// From so many snapshots on a series tells by itself how much it wavers, also among hundreds of
/// functions.
const ENOUGH_FOR_TREND: usize = 10;

/// What leaks: the functions whose live bytes grow and go on growing over three or more snapshots
/// of one process, in the order in which they were taken.
///
/// Growth that stops is no leak (a cache that fills, code that is compiled), nor is what comes and
/// goes (a ring of sessions, garbage that has not been collected yet). One of two tests asks that
/// of each function:
///
/// - **Survivors**, of snapshots of one session ([`Sessions`]): the objects that are alive in a
///   late snapshot, by the time of their allocation. (The last one of the last third that has
///   hardly more alive than the least of it: it is soon after a garbage collection.) Something that
///   leaks has survivors from all of the time; a cache that is full, only from its beginning; what
///   is replaced or not yet collected, only from the end. The time from the first snapshot to the
///   one before that is divided into thirds; each must have more survivors, for what was allocated
///   in it, than 40 % of the usual rate, which is the median over the times between two snapshots
///   (Poisson's distribution). The function must have grown by at least half of that, from the
///   least it had in the first third; and three quarters of what was old in the middle of the time
///   must still be there: what is renewed does not leak. This sees a leak of one per cent in a
///   function whose garbage comes and goes by the megabyte. A cache that takes more than half of
///   the time to be renewed once may still look like a leak: watch longer.
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
/// use v8_heap_sampler::{HeapProfile, HeapSampler, SamplerOptions};
///
/// # realm.run(&mut isolate, "server.js", "const kept = [];
/// #     function handle() { kept.push(Array.from({ length: 100 }, (_, i) => ({ i }))); } ''");
/// let options = SamplerOptions::live_heap().interval_bytes(1024).force_gc(true);
/// let mut sampler = HeapSampler::with_options(&mut isolate, options)?;
/// let mut snapshots = Vec::new();
/// for _ in 0..8 {
/// #   realm.run(&mut sampler, "load.js", "for (let i = 0; i < 20; i++) handle(); ''");
///     // ... some work ...
///     snapshots.push(HeapProfile::from_profile(&sampler.collect_profile()?)?);
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
/// [`LeakError`] if there are fewer than three snapshots, they are not in order, or one does not
/// have the values, or has a difference of them.
pub fn leaks<'p>(
    snapshots: impl IntoIterator<Item = &'p HeapProfile>,
    options: &LeakOptions,
) -> Result<Leaks, LeakError> {
    let profiles: Vec<&HeapProfile> = snapshots.into_iter().collect();
    if profiles.len() < 3 {
        return Err(LeakError::TooFew { snapshots: profiles.len() });
    }
    if matches!(options.by, GroupBy::Label(_)) {
        return Err(LeakError::Labels);
    }
    let evidence = (1..).zip(&profiles).map(|(at, profile)| {
        let sample_type = options.sample_type;
        if profile.is_difference(sample_type) {
            return Err(LeakError::Difference { at, sample_type });
        }
        Evidence::new(profile, sample_type).map_err(|error| LeakError::NoSuchValues { at, error })
    });
    let evidence = evidence.collect::<Result<Vec<_>, _>>()?;
    let same_session = profiles.windows(2).all(|pair| options.sessions.are_same(pair[0], pair[1]));
    Snapshots { clock: Clock::of(&profiles)?, profiles, evidence, same_session }.leaks(options)
}

/// When the snapshots were taken.
struct Clock {
    per: RateUnit,
    /// In seconds or snapshots since the first.
    times: Vec<f64>,
}

impl Clock {
    fn of(profiles: &[&HeapProfile]) -> Result<Self, LeakError> {
        let taken = |profile: &&HeapProfile| -> Option<SystemTime> {
            profile.about.started?.checked_add(profile.about.duration?)
        };
        let by_number = || Self {
            per: RateUnit::Snapshot,
            times: (0..profiles.len()).map(|at| at as f64).collect(),
        };
        let Some(taken) = profiles.iter().map(taken).collect::<Option<Vec<_>>>() else {
            return Ok(by_number());
        };
        let mut times = Vec::with_capacity(taken.len());
        for (at, time) in taken.iter().enumerate() {
            match time.duration_since(taken[at.saturating_sub(1)]) {
                Ok(since) => {
                    times.push(times.last().copied().unwrap_or(0.0) + since.as_secs_f64());
                }
                Err(_) => return Err(LeakError::Order { at: at + 1 }),
            }
        }
        let all_differ = times.windows(2).all(|pair| pair[0] < pair[1]);
        Ok(if all_differ { Self { per: RateUnit::Second, times } } else { by_number() })
    }

    fn last(&self) -> f64 {
        self.times.last().copied().unwrap_or_default()
    }
}

struct Snapshots<'p> {
    profiles: Vec<&'p HeapProfile>,
    evidence: Vec<Evidence<'p>>,
    clock: Clock,
    same_session: bool,
}

/// A p-value and the rate that goes with it.
struct Finding {
    p_value: Option<f64>,
    value: f64,
    lower: f64,
    upper: f64,
}

impl Snapshots<'_> {
    fn leaks(self, options: &LeakOptions) -> Result<Leaks, LeakError> {
        let by = &options.by;
        let rate_of_discovery = fraction(options.false_discovery_rate);
        let (groups, group_at) = self.groups(by, options.fold_builtins);
        let levels = self.levels(groups.len(), &group_at);
        let survivors =
            self.same_session.then(|| self.survivors(groups.len(), &group_at)).flatten();

        let survivors_of =
            |at: usize| survivors.as_ref().map(|(cohorts, survivors)| (cohorts, &survivors[at]));
        let mut findings: Vec<(usize, Finding)> = Vec::new();
        for at in 0..groups.len() {
            let series: Vec<Sum> = levels.iter().map(|level| level[at]).collect();
            if series.iter().any(|sum| sum.value() > 0.0) {
                findings.push((at, self.finding(&series, survivors_of(at))));
            }
        }
        let known: Vec<usize> =
            (0..findings.len()).filter(|&at| findings[at].1.p_value.is_some()).collect();
        let p_values: Vec<f64> = known.iter().filter_map(|&at| findings[at].1.p_value).collect();
        let mut adjusted = vec![None; findings.len()];
        for (at, q) in known.into_iter().zip(q_values(&p_values)) {
            adjusted[at] = Some(q);
        }

        let whole: Vec<Sum> = self.evidence.iter().map(|evidence| evidence.total().sum).collect();
        let total = self.finding(&whole, survivors_of(groups.len()));
        let rate = |finding: &Finding| Rate {
            sample_type: options.sample_type,
            per: self.clock.per,
            value: finding.value,
            lower: finding.lower,
            upper: finding.upper,
        };
        let mut rows: Vec<(usize, Leak)> = findings
            .iter()
            .zip(adjusted)
            .map(|((at, finding), q_value)| {
                let q_is_small = q_value.is_some_and(|q| q <= rate_of_discovery);
                let levels = levels.iter().zip(&self.evidence);
                let row = Leak {
                    name: groups[*at].name.clone(),
                    function: groups[*at].function.clone(),
                    rate: rate(finding),
                    share: (total.value > 0.0).then(|| finding.value / total.value),
                    p_value: finding.p_value,
                    q_value,
                    is_leak: q_is_small && finding.value > 0.0,
                    levels: levels.map(|(level, evidence)| evidence.amount(level[*at])).collect(),
                    paths: Vec::new(),
                };
                (*at, row)
            })
            .collect();
        rows.sort_by(|(_, one), (_, other)| {
            let by_rate = other.rate.value.total_cmp(&one.rate.value);
            other.is_leak.cmp(&one.is_leak).then(by_rate)
        });
        let (all, leaks) = (rows.len(), rows.iter().filter(|(_, row)| row.is_leak).count());
        rows.truncate(options.count);
        let last_groups = group_at.last().map_or(&[][..], Vec::as_slice);
        let leaking: Vec<u32> =
            rows.iter().filter(|(_, row)| row.is_leak).map(|&(at, _)| at as u32).collect();
        let mut paths = match leaking.is_empty() {
            true => HashMap::default(),
            false => self.paths(last_groups, &leaking, options.paths),
        };
        for (at, row) in &mut rows {
            row.paths = paths.remove(&(*at as u32)).unwrap_or_default();
        }
        Ok(Leaks {
            sample_type: options.sample_type,
            snapshots: self.profiles.len(),
            duration: (self.clock.per == RateUnit::Second)
                .then(|| Duration::try_from_secs_f64(self.clock.last()).ok())
                .flatten(),
            same_session: self.same_session,
            total: rate(&total),
            whole_leaks: total.value > 0.0 && total.p_value.is_some_and(|p| p <= rate_of_discovery),
            rows: rows.into_iter().map(|(_, row)| row).collect(),
            all,
            leaks,
            false_discovery_rate: rate_of_discovery,
            by: by.heading().to_owned(),
        })
    }

    /// The groups of all snapshots together, and the group of each context of each.
    fn groups(&self, by: &GroupBy, fold_builtins: bool) -> (Vec<Group>, Vec<Vec<u32>>) {
        let builtin = Pattern::builtin();
        let mut groups = Vec::new();
        let mut group_at = Vec::with_capacity(self.profiles.len());
        for profile in &self.profiles {
            // Folded built-in functions may be the root's as well.
            let (more, mut group_of) = group::of_contexts(profile, by, true);
            join(&mut groups, more, &mut group_of, by);
            let is_folded: Vec<bool> = profile
                .functions()
                .iter()
                .map(|function| fold_builtins && builtin.matches(function))
                .collect();
            let mut at: Vec<u32> = Vec::with_capacity(profile.len());
            for (&function, &parent) in profile.function_numbers().iter().zip(profile.parents()) {
                let caller = at.get(parent as usize).copied().unwrap_or(NONE);
                let is_folded = is_folded[function as usize] && caller != NONE;
                at.push(if is_folded { caller } else { group_of[function as usize] });
            }
            group_at.push(at);
        }
        (groups, group_at)
    }

    /// What each group has in each snapshot.
    fn levels(&self, groups: usize, group_at: &[Vec<u32>]) -> Vec<Vec<Sum>> {
        let of_snapshots = self.profiles.iter().zip(&self.evidence).zip(group_at);
        let levels = of_snapshots.map(|((profile, evidence), group_at)| {
            let mut sums = vec![Sum::default(); groups];
            for (at, row) in profile.row_data().iter().enumerate() {
                if let Some(sum) = sums.get_mut(group_at[row.context as usize] as usize) {
                    *sum += evidence.of_row(at);
                }
            }
            sums
        });
        levels.collect()
    }

    /// How a group grows, and whether it goes on.
    fn finding(&self, series: &[Sum], survivors: Option<(&Cohorts, &Survivors)>) -> Finding {
        match survivors.filter(|(_, survivors)| survivors.alive >= ENOUGH_TO_SURVIVE) {
            None => self.trend(series),
            Some((cohorts, survivors)) => {
                let early = series[..series.len().div_ceil(3)].iter().map(Sum::value);
                let least = early.fold(f64::INFINITY, f64::min);
                let grown = series[cohorts.late].value() - least;
                survivors.finding(cohorts, &self.clock, grown)
            }
        }
    }

    /// How a series grows, and whether it goes on.
    fn trend(&self, series: &[Sum]) -> Finding {
        let values: Vec<f64> = series.iter().map(Sum::value).collect();
        let points: Vec<(f64, f64)> =
            self.clock.times.iter().copied().zip(values.iter().copied()).collect();
        let count = points.len();
        let (Some(slope), Some(late)) = (theil_sen(&points), theil_sen(&points[(count - 1) / 2..]))
        else {
            return Finding { p_value: None, value: 0.0, lower: 0.0, upper: 0.0 };
        };
        let mut highest = f64::NEG_INFINITY;
        let mut fall: f64 = 0.0;
        for &value in &values {
            highest = highest.max(value);
            fall = fall.max(highest - value);
        }
        let is_kept = fall <= 0.5 * (highest - values[0]);
        let goes_on = late.value >= LEVELLED_OFF * slope.value && slope.value > 0.0 && is_kept;
        let p_value = if !goes_on {
            Some(1.0)
        } else if count >= ENOUGH_FOR_TREND {
            let rises = p_of_rise(&values).max(p_of_rise(&values[count / 3..]));
            // A level can waver slowly, which may look like a rise: its steps must go up as well, and
            // the rise be more than sampling explains.
            let rises = rises.max(p_of_drift(&values));
            Some(self.p_of_growth(series, count / 3, count - 1).map_or(rises, |p| rises.max(p)))
        } else {
            // The least of each third, against what sampling explains; garbage is only ever more.
            let parts = count.min(3);
            let least = |part: usize| {
                let places = part * count / parts..(part + 1) * count / parts;
                places.min_by(|&one, &other| values[one].total_cmp(&values[other])).unwrap_or(0)
            };
            let steps = (1..parts).map(|at| self.p_of_growth(series, least(at - 1), least(at)));
            steps.collect::<Option<Vec<f64>>>().map(|p| p.into_iter().fold(0.0, f64::max))
        };
        // Samples that stay make the points of a session depend on each other, which Sen's interval does
        // not know.
        let (lower, upper) = self.limits_of_slope(series, slope.value);
        let (lower, upper) = (slope.lower.min(lower), slope.upper.max(upper));
        Finding { p_value, value: slope.value, lower, upper }
    }

    /// How likely sampling alone makes a series grow by so much from one snapshot to another;
    /// `None` if that is not known.
    fn p_of_growth(&self, series: &[Sum], from: usize, to: usize) -> Option<f64> {
        let [before, after] = [from, to].map(|at| (series[at], &self.evidence[at]));
        let change = Change::new(before, after, &Sum::default());
        let is_growth = change.value() > 0.0;
        change.p_value().map(|p| if is_growth { p / 2.0 } else { 1.0 })
    }

    /// The limits of the slope from the first point to the last; the slope alone where these are
    /// not known.
    fn limits_of_slope(&self, series: &[Sum], slope: f64) -> (f64, f64) {
        let ends = [0, series.len() - 1].map(|at| (series[at], &self.evidence[at]));
        let change = Change::new(ends[0], ends[1], &Sum::default());
        let per = 1.0 / self.clock.last();
        let interval = change.interval(Confidence::P95);
        interval.map_or((slope, slope), |interval| (interval.lower * per, interval.upper * per))
    }

    /// What is alive in a late snapshot, by group, the whole behind them, and by the snapshots
    /// between which it was allocated. `None` if nothing is known of samples.
    fn survivors(&self, groups: usize, group_at: &[Vec<u32>]) -> Option<(Cohorts, Vec<Survivors>)> {
        let count = self.profiles.len();
        let alive: Vec<f64> = self.evidence.iter().map(|of| of.total().value()).collect();
        // The last one of a part of the time that has hardly more alive than the least of it: it is soon
        // after a garbage collection.
        let collected = |part: Range<usize>| {
            let least = alive[part.clone()].iter().copied().fold(f64::INFINITY, f64::min);
            part.rev().find(|&at| alive[at] <= NEARLY_LEAST * least)
        };
        let late = collected(count - count.div_ceil(3)..count)?;
        let middle = collected(count / 3..count - count.div_ceil(3));
        let mut sums = SampleSums::new(&self.evidence[late])?;
        // The newest sample of a snapshot may have died by the next.
        let mut newest = 0;
        let ends = self.profiles[..=late].iter().map(|profile| {
            let last = profile.samples().and_then(<[_]>::last).map_or(0, |last| last.ordinal);
            newest = newest.max(last);
            newest
        });
        let ends: Vec<u64> = ends.collect();
        let cohorts = Cohorts::new(&ends);
        let nothing = Survivors { samples: vec![0; cohorts.parts.len()], ..Survivors::default() };
        let mut survivors = vec![nothing; groups + 1];
        // A sample is one of its group, and one of the whole.
        let mut note = |at: usize, sample: &OrdinalSample, note: &mut dyn FnMut(&mut Survivors)| {
            note(&mut survivors[groups]);
            let group = group_at[at][sample.context as usize];
            if group != NONE {
                note(&mut survivors[group as usize]);
            }
        };
        for sample in self.profiles[late].samples()?.iter().filter(|sample| !sample.is_dead) {
            let cohort = ends.partition_point(|&end| end < sample.ordinal);
            let sum = sums.of(sample);
            note(late, sample, &mut |survivors| survivors.add(cohort, sum));
        }
        // What was old in the middle of the time, and how much of that lives on.
        if let Some(middle) = middle.filter(|&middle| middle >= 3) {
            let is_old = |sample: &&OrdinalSample| {
                !sample.is_dead && ends[0] < sample.ordinal && sample.ordinal <= ends[middle - 2]
            };
            for sample in self.profiles[middle].samples()?.iter().filter(is_old) {
                note(middle, sample, &mut |survivors| survivors.old += 1);
            }
            let (middle, late_one) = (self.profiles[middle], self.profiles[late]);
            for sample in shared_samples(middle, late_one, Counted::InUse).filter(is_old) {
                note(late, sample, &mut |survivors| survivors.lived_on += 1);
            }
        }
        Some((cohorts, survivors))
    }

    /// The stacks that have grown most from the first snapshot to the last, of the groups that are
    /// asked for.
    fn paths(
        &self,
        group_at: &[u32],
        groups: &[u32],
        count: usize,
    ) -> HashMap<u32, Vec<LeakPath>, RandomState> {
        let ends = [0, self.profiles.len() - 1];
        let sides = Sides::new(
            ends.map(|at| self.profiles[at]),
            ends.map(|at| &self.evidence[at]),
            self.same_session,
        );
        let stacks = sides.by_context();
        let mut contexts: HashMap<u32, Vec<u32>, RandomState> =
            groups.iter().map(|&group| (group, Vec::new())).collect();
        for (group, &context) in group_at.iter().zip(&stacks.of_after) {
            if let Some(contexts) = contexts.get_mut(group) {
                contexts.push(context);
            }
        }
        let paths = |mut contexts: Vec<u32>| -> Vec<LeakPath> {
            contexts.sort_unstable();
            contexts.dedup();
            let mut changes: Vec<(u32, Change)> = contexts
                .into_iter()
                .map(|context| (context, stacks.change(context)))
                .filter(|(_, change)| change.value() > 0.0)
                .collect();
            changes.sort_by(|one, other| other.1.value().total_cmp(&one.1.value()));
            changes.truncate(count);
            changes
                .into_iter()
                .map(|(context, change)| {
                    let mut stack = stacks.stack(context);
                    stack.reverse();
                    LeakPath { stack, change }
                })
                .collect()
        };
        contexts.into_iter().map(|(group, contexts)| (group, paths(contexts))).collect()
    }
}

/// What was allocated between one snapshot and the next, up to a late one.
struct Cohorts {
    /// Of all that was allocated, the part of each, by the numbers of samples.
    parts: Vec<f64>,
    /// Which snapshot the survivors are those of.
    late: usize,
}

impl Cohorts {
    /// Of cohorts that end at these ordinals; the first one is what was there already.
    fn new(ends: &[u64]) -> Self {
        // What is newest has not had its garbage collection yet.
        let until = if ends.len() >= 5 { ends.len() - 2 } else { ends.len() - 1 };
        let all = ends[until].saturating_sub(ends[0]) as f64;
        let part = |pair: &[u64]| pair[1].saturating_sub(pair[0]) as f64 / all;
        Self { parts: ends[..=until].windows(2).map(part).collect(), late: ends.len() - 1 }
    }

    /// The cohorts of each third of the time.
    fn blocks(&self) -> impl Iterator<Item = Range<usize>> {
        let until = self.parts.len();
        let count = until.min(3);
        // The first cohort of a block is the first whose number times the count reaches it.
        let start = move |block: usize| (block * until).div_ceil(count);
        (0..count).map(move |block| start(block)..start(block + 1))
    }
}

/// What is alive at the end, of one group.
#[derive(Clone, Default)]
struct Survivors {
    /// How many samples of each cohort are alive.
    samples: Vec<u32>,
    /// What these stand for.
    sum: Sum,
    /// How many samples are alive in all, older and newer ones included.
    alive: u32,
    /// How many samples were old in the middle of the time, and how many of these are alive.
    old: u32,
    lived_on: u32,
}

impl Survivors {
    fn add(&mut self, cohort: usize, sum: Sum) {
        self.alive += 1;
        // What was there before the first snapshot, and what is newest, is left out.
        if let Some(samples) = cohort.checked_sub(1).and_then(|at| self.samples.get_mut(at)) {
            *samples += 1;
            self.sum += sum;
        }
    }

    /// Of a group that has grown by so much.
    fn finding(&self, cohorts: &Cohorts, clock: &Clock, grown: f64) -> Finding {
        // Samples are what is random: a single large object must not drown the others.
        let rates = cohorts.parts.iter().zip(&self.samples).filter(|(part, _)| **part > 0.0);
        let mut rates: Vec<f64> = rates.map(|(part, &samples)| f64::from(samples) / part).collect();
        rates.sort_by(f64::total_cmp);
        // The lower one of two in the middle.
        let usual = rates.get(rates.len().saturating_sub(1) / 2).copied().unwrap_or_default();
        let p_value = cohorts.blocks().map(|block| {
            if usual <= 0.0 {
                return 1.0;
            }
            let part: f64 = cohorts.parts[block.clone()].iter().sum();
            let samples: u32 = self.samples[block].iter().sum();
            poisson_tail(f64::from(samples), LEVELLED_OFF * usual * part)
        });
        // What takes the place of other things does not grow.
        let is_kept = f64::from(self.lived_on) >= LIVES_ON * f64::from(self.old);
        let is_growth = is_kept && grown >= 0.5 * self.sum.value();
        let p_value = Some(if is_growth { p_value.fold(0.0, f64::max) } else { 1.0 });
        let per = 1.0 / clock.times[cohorts.parts.len()];
        let interval = self.sum.interval(Confidence::P95);
        let [value, lower, upper] =
            [self.sum.value(), interval.lower, interval.upper].map(|growth| growth * per);
        Finding { p_value, value, lower, upper }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In a unit of time in which it is a number that can be imagined.
        let (times, unit) = match (self.per, self.value.abs()) {
            (RateUnit::Snapshot, _) => (1.0, "snapshot"),
            (_, value) if value >= 1000.0 => (1.0, "s"),
            (_, value) if value * 60.0 >= 1000.0 => (60.0, "min"),
            _ => (3600.0, "h"),
        };
        let number = |value: f64| match self.sample_type.is_bytes() {
            true => shown::<Bytes>(value * times, 0.0),
            false => shown::<Objects>(value * times, 0.0),
        };
        let sign = if self.value > 0.0 { "+" } else { "" };
        let (lower, upper) = (number(self.lower), number(self.upper));
        f.pad(&format!("{sign}{}/{unit} ({lower} to {upper})", number(self.value)))
    }
}

impl fmt::Display for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} snapshots", self.sample_type, self.snapshots)?;
        if let Some(duration) = self.duration {
            write!(f, " in {duration:.1?}")?;
        }
        writeln!(f, ": {} (95 % intervals)", self.total)?;
        writeln!(
            f,
            "{} of {} grow and go on growing (marked *; false discovery rate {} %)",
            self.leaks,
            self.all,
            self.false_discovery_rate * 100.0
        )?;
        if self.rows.iter().any(|row| row.q_value.is_none()) {
            writeln!(
                f,
                "of those with ? it cannot be said: the profiles do not tell how sure they are"
            )?;
        }
        if self.whole_leaks && self.leaks == 0 {
            writeln!(
                f,
                "all of them together do: code that is optimised meanwhile is charged to the functions \
                 that it is inlined into; look by script or package, too"
            )?;
        }
        let mut table = Table::new(["", "growth", "of all growth", "q", "first", "last", &self.by]);
        for row in &self.rows {
            let [first, last] = [row.levels.first(), row.levels.last()]
                .map(|level| level.map(Amount::short).unwrap_or_default());
            table.push([
                if row.is_leak { "*" } else { "" }.to_owned(),
                row.rate.to_string(),
                row.share.map_or_else(String::new, percent),
                row.q_value.map_or("?".to_owned(), shown_p),
                first,
                last,
                row.name.clone(),
            ]);
            for path in &row.paths {
                let stack: Vec<_> = path.stack.iter().rev().cloned().collect();
                let none = String::new();
                table.push([
                    none.clone(),
                    path.change.to_string(),
                    none.clone(),
                    none.clone(),
                    none.clone(),
                    none,
                    format!("  {}", shown_stack(&stack)),
                ]);
            }
        }
        write!(f, "{table}")
    }
}
