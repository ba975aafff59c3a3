//! Runs work in an isolate and measures it.

use serde::{Deserialize, Serialize};

use super::measurement::Measurement;
use super::runs::Runs;
use crate::model::{KeepDead, Result, SamplerOptions};
use crate::sampler::{HeapSampler, SamplingSession};
use crate::sys::{allocated_by, can_track, collect_garbage, refuse_in_callbacks};
use crate::tracker::TrackingSession;
use crate::v8;

/// Options of measuring work: exactly or sampled, after how much warm-up.
///
/// ```
/// use v8_heap_sampler::budget::MeasureOptions;
/// use v8_heap_sampler::SampleType;
///
/// # let (mut isolate, realm) = fixtures::realm();
/// # realm.run(&mut isolate, "app.js", "var kept;
/// #     function work() { kept = Array.from({ length: 999 }, (_, i) => [i]); }");
/// # let work = realm.function(&mut isolate, "work");
/// let options = MeasureOptions::exact().warm_up(20);
/// let ((), measurement) = options.measure(&mut isolate, |isolate| {
///     // ... call a function of JavaScript's ...
/// #   realm.call(isolate, &work);
/// })?;
/// let exactly: u64 = measurement.total().retained_bytes.exact().expect("every object was sampled");
/// println!("{} bytes, counted", exactly);
///
/// let options = MeasureOptions::sampled(4096).warm_up(20);
/// let (_, runs) = options.measure_runs(&mut isolate, 5, |isolate| {
///     // ... the same ...
/// #   realm.call(isolate, &work);
/// })?;
/// println!("{}", runs.median(SampleType::InuseSpace).total().retained_bytes); // ... ± ...
/// # Ok::<(), v8_heap_sampler::Error>(())
/// ```
///
/// Read by serde with the default, that of [`exact`](Self::exact), for what is not written; keys
/// that mean nothing are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use]
pub struct MeasureOptions {
    interval_bytes: u64,
    stack_depth: u32,
    warm_up: u32,
    collect_before: bool,
}

impl Default for MeasureOptions {
    fn default() -> Self {
        Self::exact()
    }
}

impl MeasureOptions {
    /// Counts every allocation, and by V8's [tracker](crate::HeapTracker), where it can be used, what
    /// is retained. JavaScript that allocates much runs 20 to 50 times slower.
    pub const fn exact() -> Self {
        Self::sampled(SamplerOptions::MIN_INTERVAL_BYTES)
    }

    /// Takes one sample per so many bytes allocated on average; amounts are estimates. For work
    /// that is too much to be counted.
    pub const fn sampled(interval_bytes: u64) -> Self {
        // Whole stacks: where a function's frame is cut off, its total lacks what it called.
        let stack_depth = SamplerOptions::MAX_STACK_DEPTH;
        Self { interval_bytes, stack_depth, warm_up: 0, collect_before: true }
    }

    /// Sets the number of topmost frames of a stack that are kept. Default: 2048, the most that
    /// there can be. Where stacks are cut, functions at the bottom lack what they called
    /// ([`Measurement::has_cut_stacks`]).
    pub const fn stack_depth(mut self, frames: u32) -> Self {
        self.stack_depth = frames;
        self
    }

    /// Sets how often the work is run before, without being measured, so that V8 has compiled it
    /// and learnt about it. Default: not at all.
    ///
    /// In exact mode the last of these runs also tells what the work allocates when it is not
    /// sampled ([`Measurement::unsampled`]).
    ///
    /// What V8 learns and compiles is part of what a first run allocates and retains. With
    /// [`v8_flags::STABLE`](crate::v8_flags::STABLE) ten to twenty runs are enough; to find out for
    /// some work, look at [`Runs::steady`].
    pub const fn warm_up(mut self, times: u32) -> Self {
        self.warm_up = times;
        self
    }

    /// Sets whether a full garbage collection comes before the work. Default: yes, so that garbage
    /// of before does not decide when collections happen during the work.
    ///
    /// It empties V8's caches, those of compiled scripts included.
    pub const fn collect_before(mut self, collect: bool) -> Self {
        self.collect_before = collect;
        self
    }

    /// Runs `work` and says what it allocated, and what of that is alive after a full garbage
    /// collection. Hands back what `work` returned in the run that was measured.
    ///
    /// What `work` leaves to be done later, promise jobs for instance, is not part of it; what it
    /// returns, and everything that the embedder holds by a `v8::Global`, is alive.
    ///
    /// # Errors
    ///
    /// - [`Error::AlreadySampling`](crate::Error::AlreadySampling): the isolate is being sampled,
    ///   by DevTools for instance. That session goes on untouched, and `work` is not run.
    /// - [`Error::AlreadyTracking`](crate::Error::AlreadyTracking): its objects are being tracked; the
    ///   same holds then.
    /// - [`Error::InGarbageCollection`](crate::Error::InGarbageCollection): V8 may be collecting
    ///   garbage, as in a finalizer.
    /// - [`Error::Interval`](crate::Error::Interval) and
    ///   [`Error::StackDepth`](crate::Error::StackDepth): the options are out of bounds.
    /// - Those of [`HeapSampler::profile`], if somebody else stops the sampler meanwhile.
    ///
    /// # Panics
    ///
    /// If `work` does; sampling stops then.
    pub fn measure<R>(
        &self,
        isolate: &mut v8::Isolate,
        work: impl FnMut(&mut v8::Isolate) -> R,
    ) -> Result<(R, Measurement)> {
        let (result, Runs(mut runs)) = self.measure_runs(isolate, 1, work)?;
        Ok((result, runs.swap_remove(0)))
    }

    /// Warms up once, then runs `work` `runs` times, once at least, and measures each run. Hands
    /// back what the last run returned.
    ///
    /// What one run retains is counted for that run alone, whether or not a later one lets go of
    /// it.
    ///
    /// # Errors
    ///
    /// As [`measure`](Self::measure).
    ///
    /// # Panics
    ///
    /// If `work` does; sampling stops then.
    pub fn measure_runs<R>(
        &self,
        isolate: &mut v8::Isolate,
        runs: u32,
        mut work: impl FnMut(&mut v8::Isolate) -> R,
    ) -> Result<(R, Runs)> {
        // Work is only run once it is known that sampling can be started.
        refuse_in_callbacks(isolate)?;
        if self.tracks() {
            TrackingSession::check_start(isolate)?;
        }
        SamplingSession::start(isolate, self.sampler_options())?.stop(isolate)?;
        let mut unsampled = None;
        for left in (0..self.warm_up).rev() {
            if left > 0 || !self.is_exact() {
                work(isolate);
                continue;
            }
            // The young generation is empty then: there is room for most work.
            if self.collect_before {
                collect_garbage(isolate)?;
            }
            unsampled = Some(allocated_by(isolate, &mut work).1);
        }
        let mut measurements = Vec::new();
        loop {
            let (result, measurement) = self.measure_once(isolate, &mut work)?;
            let measurement = measurement.with_unsampled(unsampled);
            measurements.push(measurement);
            if measurements.len() >= runs as usize {
                return Ok((result, Runs(measurements)));
            }
        }
    }

    /// Begins to measure what happens in the isolate from now on, whoever drives it: work that goes
    /// on across promises, timers and ops of an event loop. [`Measuring::end`] ends it.
    ///
    /// Nothing is run to [warm up](Self::warm_up): that is for the caller to do before.
    ///
    /// ```
    /// use v8_heap_sampler::budget::{Budget, MeasureOptions};
    ///
    /// # let (mut isolate, realm) = fixtures::realm();
    /// let measuring = MeasureOptions::exact().begin(&mut isolate)?;
    /// # realm.run(&mut isolate, "a.js", "(async () => { await 0; globalThis.kept = [1, 2, 3]; })()");
    /// // ... start work, and run the event loop until it is done ...
    /// let measurement = measuring.end(&mut isolate)?;
    /// measurement.assert(Budget::all().allocated_bytes(100_000));
    /// # Ok::<(), v8_heap_sampler::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`measure`](Self::measure).
    pub fn begin(&self, isolate: &mut v8::Isolate) -> Result<Measuring> {
        // Before garbage is collected, so that a refusal costs nothing.
        self.sampler_options().validate()?;
        refuse_in_callbacks(isolate)?;
        // Tracking collects garbage itself. It begins first: to it, a sampler that looks at every byte
        // is a tracker of somebody else's.
        let tracking = self.tracks().then(|| TrackingSession::start(isolate));
        let tracking = tracking.transpose()?;
        if self.collect_before && tracking.is_none() {
            collect_garbage(isolate)?;
        }
        match SamplingSession::start(isolate, self.sampler_options()) {
            Ok(sampling) => Ok(Measuring { sampling, tracking }),
            Err(error) => {
                if let Some(tracking) = tracking {
                    tracking.stop_if_possible(isolate);
                }
                Err(error)
            }
        }
    }

    fn is_exact(&self) -> bool {
        self.interval_bytes == SamplerOptions::MIN_INTERVAL_BYTES
    }

    /// Whether what is retained is told by V8's tracker.
    fn tracks(&self) -> bool {
        self.is_exact() && can_track()
    }

    fn sampler_options(&self) -> SamplerOptions {
        SamplerOptions::new()
            .interval_bytes(self.interval_bytes)
            .stack_depth(self.stack_depth)
            .keep_dead(KeepDead::Both)
    }

    fn measure_once<R>(
        &self,
        isolate: &mut v8::Isolate,
        work: &mut impl FnMut(&mut v8::Isolate) -> R,
    ) -> Result<(R, Measurement)> {
        let Measuring { sampling, tracking } = self.begin(isolate)?;
        // Stops if `work` panics, too; what is tracked ends when tracking is begun next.
        let mut sampler = HeapSampler::of_session(sampling, isolate);
        let result = work(&mut sampler);
        let measurement = measurement(sampler.parts(), tracking)?;
        Ok((result, measurement))
    }
}

/// A measurement that has begun.
///
/// Holds a [`SamplingSession`], and a [`TrackingSession`] where that is possible: what is said there
/// about isolates that go away, and of being dropped, holds here.
#[derive(Debug)]
#[must_use = "measuring ends with `end`"]
pub struct Measuring {
    sampling: SamplingSession,
    /// Where amounts are counts, and V8 can track objects.
    tracking: Option<TrackingSession>,
}

impl Measuring {
    /// Ends measuring: says what was allocated since it began, and what of that is alive after a
    /// full garbage collection.
    ///
    /// # Errors
    ///
    /// Those of [`SamplingSession::profile`], if somebody else has stopped the sampler, or the
    /// isolate is another one. [`Error::InGarbageCollection`](crate::Error::InGarbageCollection)
    /// where V8 may be collecting garbage.
    pub fn end(mut self, isolate: &mut v8::Isolate) -> Result<Measurement> {
        measurement((&mut self.sampling, isolate), self.tracking)
    }
}

/// Ends the sessions that have measured.
fn measurement(
    (sampling, isolate): (&mut SamplingSession, &mut v8::Isolate),
    tracking: Option<TrackingSession>,
) -> Result<Measurement> {
    sampling.check_stop(isolate)?;
    // Before V8 builds the sampler's profile, as it leaves things on the heap.
    let tracked = match tracking {
        Some(tracking) => Some(tracking.finish(isolate)?),
        None => {
            // V8's caches are emptied as well: they would keep alive what the program does not.
            collect_garbage(isolate)?;
            None
        }
    };
    let mut profile = sampling.finish(isolate)?;
    if let Some(tracked) = tracked {
        profile = profile.with_in_use_of(&tracked)?;
    }
    Ok(Measurement::new(profile).expect("sampled with the dead, here"))
}
