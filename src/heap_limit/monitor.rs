//! The monitor of an isolate's heap limit.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use super::history::History;
use super::options::{AtLimit, HeapLimitOptions};
use super::report::{HeapLimitReport, LimitCause};
use crate::model::{Bytes, Error, Result};
use crate::profile::Profile;
use crate::sampler::SamplingSession;
use crate::sys::{
    Generations, HeapLimitHooks, heap_statistics, interrupt, refuse_in_callbacks,
    restore_heap_limit,
};
use crate::v8;

/// What V8 is given beside the young generation to take a profile in.
const LEAST: usize = 4 << 20;

/// The part of the share to which the heap must come down for the monitor to act again.
const RECOVERED: f64 = 0.8;

/// A monitor of an isolate's heap limit: see the [module](super).
///
/// It watches until it is [removed](Self::remove), or the isolate disposed, also when this has been
/// dropped: reports then go where the options say. It can be sent to other threads, and outlives the
/// isolate.
pub struct HeapLimitMonitor {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    report: Mutex<Option<HeapLimitReport>>,
}

impl Shared {
    fn report(&self) -> std::sync::MutexGuard<'_, Option<HeapLimitReport>> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lives in a slot of the isolate.
struct Installed {
    shared: Arc<Shared>,
    /// `None` while it is at work, where V8 collects garbage and calls back.
    state: Option<Box<State>>,
    /// The bytes by which the limit may be raised, if that is enough.
    asked_for: usize,
    /// The limit up to which it may be raised, once V8 has told what it is.
    most: Option<usize>,
}

struct State {
    options: HeapLimitOptions,
    history: History,
    /// What there is to do where JavaScript may run.
    due: Option<Due>,
    /// The old generation's limit when it acted; `None` if it has not, or the heap has come down.
    acted_at: Option<usize>,
    limits: Limits,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Act(LimitCause),
    Remember,
}

/// What is known of the old generation's limit.
#[derive(Clone, Copy)]
struct Limits {
    /// The room of the young generation in V8's figure for the whole heap: as V8 told it, or the
    /// most that was seen.
    young: usize,
    is_told: bool,
}

impl Limits {
    /// The old generation's limit as far as is known, from that of the whole heap.
    fn old_generation(&mut self, whole: usize, generations: Generations) -> usize {
        if !self.is_told {
            // Two semispaces, and large objects for another one.
            self.young = self.young.max(generations.young_capacity / 2 * 3);
        }
        whole.saturating_sub(self.young)
    }
}

impl HeapLimitMonitor {
    /// Watches an isolate, in which a sampler should run: at the limit, what it has sampled until
    /// then is what counts.
    ///
    /// It watches, too, while there is none: the report then is without a profile.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyMonitored`] if there is a monitor, [`Error::HeapLimitShare`] if the share is
    /// none, and [`Error::InGarbageCollection`] in callbacks around garbage collections.
    pub fn install(isolate: &mut v8::Isolate, options: HeapLimitOptions) -> Result<Self> {
        options.validate()?;
        refuse_in_callbacks(isolate)?;
        if isolate.get_slot::<Installed>().is_some() {
            return Err(Error::AlreadyMonitored);
        }
        let (most, Bytes(bytes)) = options.history;
        let history = History::new(most, usize::try_from(bytes).unwrap_or(usize::MAX));
        let limits = Limits { young: 0, is_told: false };
        let Bytes(asked_for) = options.ceiling.unwrap_or_default();
        let state = State { options, history, due: None, acted_at: None, limits };
        let shared = Arc::<Shared>::default();
        isolate.set_slot(Installed {
            shared: Arc::clone(&shared),
            state: Some(Box::new(state)),
            asked_for: usize::try_from(asked_for).unwrap_or(usize::MAX),
            most: None,
        });
        HeapLimitHooks::install(isolate, near_limit, after_gc);
        Ok(Self { shared })
    }

    /// Takes the report, if the monitor has acted since the last call. A later one replaces one that
    /// was not taken.
    pub fn take_report(&self) -> Option<HeapLimitReport> {
        self.shared.report().take()
    }

    /// Does what waits for JavaScript to run, where none runs: in the event loop of the isolate's
    /// owner. Says whether the monitor has acted.
    ///
    /// # Errors
    ///
    /// [`Error::OtherIsolate`] if it is not the isolate that is watched, or it is no longer.
    pub fn poll(&self, isolate: &mut v8::Isolate) -> Result<bool> {
        self.check(isolate)?;
        Ok(refuse_in_callbacks(isolate).is_ok()
            && with_state(isolate, State::serve).unwrap_or(false))
    }

    /// Watches no longer. A limit that was raised is still restored when the heap has come down.
    ///
    /// # Errors
    ///
    /// [`Error::OtherIsolate`] as in [`poll`](Self::poll); [`Error::InGarbageCollection`] in
    /// callbacks around garbage collections and finalizers, also those of the monitor's own work.
    pub fn remove(&self, isolate: &mut v8::Isolate) -> Result<()> {
        self.check(isolate)?;
        refuse_in_callbacks(isolate)?;
        HeapLimitHooks::remove(isolate);
        drop(isolate.remove_slot::<Installed>());
        Ok(())
    }

    fn check(&self, isolate: &v8::Isolate) -> Result<()> {
        let installed = isolate.get_slot::<Installed>();
        let is_ours = installed.is_some_and(|there| Arc::ptr_eq(&there.shared, &self.shared));
        if is_ours { Ok(()) } else { Err(Error::OtherIsolate) }
    }
}

impl fmt::Debug for HeapLimitMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeapLimitMonitor")
            .field("has_report", &self.shared.report().is_some())
            .finish_non_exhaustive()
    }
}

/// Works with the state of an isolate's monitor, unless it is at work.
fn with_state<T>(
    isolate: &mut v8::Isolate,
    work: impl FnOnce(&mut State, &mut v8::Isolate) -> T,
) -> Option<T> {
    let mut state = isolate.get_slot_mut::<Installed>()?.state.take()?;
    let done = work(&mut state, isolate);
    // It is not removed meanwhile: what V8 calls then may not.
    if let Some(installed) = isolate.get_slot_mut::<Installed>() {
        installed.state = Some(state);
    }
    Some(done)
}

/// V8 has reached the limit: the limit that is to be in force, `current` if it is not raised.
fn near_limit(isolate: &mut v8::Isolate, current: usize, _initial: usize) -> usize {
    let generations = Generations::of(isolate);
    let young = isolate.get_heap_statistics().heap_size_limit().saturating_sub(current);
    let Some(installed) = isolate.get_slot_mut::<Installed>() else { return current };
    if let Some(state) = &mut installed.state {
        state.limits = Limits { young, is_told: true };
    }
    let ceiling = installed.asked_for.max(young.saturating_add(LEAST));
    // An array that grows can have taken V8 beyond the limit: less than that helps nobody.
    let taken = current.max(generations.old_capacity);
    let most = *installed.most.get_or_insert(taken.saturating_add(ceiling));
    // Some, as V8 can come here several times while the profile is taken.
    let step = most.min(taken.saturating_add(ceiling / 8)).max(current);
    let acted = with_state(isolate, |state, isolate| {
        if state.acted_at.is_none() && !state.act(isolate, LimitCause::Limit, taken < most) {
            return None;
        }
        Some(state.options.at_limit)
    });
    // It has been asked for a second time while the profile is taken, or must wait with that.
    let Some(Some(at_limit)) = acted else { return step };
    HeapLimitHooks::disarm(isolate);
    if at_limit == AtLimit::Die {
        return step;
    }
    if let Some(share) = with_state(isolate, |state, _| state.options.share * RECOVERED) {
        restore_heap_limit(isolate, share);
    }
    most.max(current)
}

/// The whole heap has been collected.
fn after_gc(isolate: &mut v8::Isolate) {
    let is_due = with_state(isolate, |state, isolate| {
        let (used, limit, external) = state.usage(isolate);
        state.due = state.due(used, limit, external);
        let recovered = state.options.share * RECOVERED;
        let has_recovered = !state.is_over_external_limit(external)
            && state.acted_at.take_if(|limit| (used as f64) < recovered * *limit as f64).is_some();
        (state.due.is_some(), has_recovered)
    });
    let Some((is_due, has_recovered)) = is_due else { return };
    if has_recovered {
        if let Some(installed) = isolate.get_slot_mut::<Installed>() {
            installed.most = None;
        }
        HeapLimitHooks::arm(isolate);
    }
    if is_due {
        interrupt(&isolate.thread_safe_handle(), interrupted);
    }
}

/// JavaScript is between two steps.
fn interrupted(isolate: &mut v8::Isolate) {
    with_state(isolate, State::serve);
}

impl State {
    /// Bytes in use in the old generation, its limit, and bytes off the heap.
    fn usage(&mut self, isolate: &mut v8::Isolate) -> (usize, usize, usize) {
        let generations = Generations::of(isolate);
        let heap = isolate.get_heap_statistics();
        let limit = self.limits.old_generation(heap.heap_size_limit(), generations);
        (generations.old_used, limit, heap.external_memory())
    }

    /// What there is to do, if the whole heap has just been collected.
    fn due(&mut self, used: usize, limit: usize, external: usize) -> Option<Due> {
        if self.acted_at.is_some() {
            return None;
        }
        if self.options.share < 1.0 && used as f64 >= self.options.share * limit as f64 {
            return Some(Due::Act(LimitCause::Share));
        }
        if self.is_over_external_limit(external) {
            return Some(Due::Act(LimitCause::External));
        }
        // What could not be done yet is still to be done.
        let due = self.due.filter(|due| *due == Due::Act(LimitCause::Limit));
        due.or_else(|| self.history.is_due(used, limit).then_some(Due::Remember))
    }

    fn is_over_external_limit(&self, external: usize) -> bool {
        self.options.external_limit.is_some_and(|Bytes(most)| external as u64 >= most)
    }

    /// Does what there is to do, where JavaScript may run; says whether it has acted.
    fn serve(&mut self, isolate: &mut v8::Isolate) -> bool {
        let external = isolate.get_heap_statistics().external_memory();
        if self.due.is_none() && self.acted_at.is_none() && self.is_over_external_limit(external) {
            self.due = Some(Due::Act(LimitCause::External));
        }
        match self.due.take() {
            Some(Due::Act(cause)) if self.acted_at.is_none() => {
                let has_acted = self.act(isolate, cause, true);
                if has_acted && self.options.at_limit == AtLimit::Die {
                    HeapLimitHooks::disarm(isolate);
                }
                has_acted
            }
            Some(Due::Remember) => {
                let (used, ..) = self.usage(isolate);
                if let Ok(profile) = self.profile(isolate) {
                    self.history.push(profile, used);
                }
                false
            }
            _ => false,
        }
    }

    /// Takes the profile and does what was asked for but for raising the limit; says whether it
    /// could, or, if it may wait, must wait.
    fn act(&mut self, isolate: &mut v8::Isolate, cause: LimitCause, may_wait: bool) -> bool {
        let heap = heap_statistics(&isolate.get_heap_statistics());
        let (used, limit, _) = self.usage(isolate);
        let profile = self.profile(isolate);
        if may_wait && matches!(profile, Err(Error::InGarbageCollection)) {
            self.due = Some(Due::Act(cause));
            interrupt(&isolate.thread_safe_handle(), interrupted);
            return false;
        }
        self.acted_at = Some(limit);
        let mut report = HeapLimitReport {
            cause,
            action: self.options.at_limit,
            heap,
            old_generation_limit: Bytes(limit as u64),
            old_generation_used: Bytes(used as u64),
            profile,
            history: self.history.take(),
            file: None,
        };
        if let Some(file) = &mut self.options.file {
            let written = report.snapshots().next_back().map(|profile| file.write(profile));
            report.file = written;
        }
        if let Some(handler) = &mut self.options.handler {
            // V8 is what would have to unwind.
            let _ = catch_unwind(AssertUnwindSafe(|| handler(&report)));
        }
        if let Some(installed) = isolate.get_slot::<Installed>() {
            *installed.shared.report() = Some(report);
        }
        if self.options.at_limit == AtLimit::Terminate {
            isolate.terminate_execution();
        }
        true
    }

    /// The profile as it is: V8 has collected garbage by itself.
    fn profile(&self, isolate: &mut v8::Isolate) -> Result<Profile> {
        let mut session = SamplingSession::current(isolate).ok_or(Error::NotSampling)?;
        self.options.labels.iter().for_each(|label| session.add_label(label.clone()));
        session.profile_as_is(isolate)
    }
}
