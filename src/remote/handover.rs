//! Jobs for an isolate and answers to those who asked, from thread to thread.
//!
//! No V8 here: `tests/handover` model-checks this file with `loom`.
//!
//! A job that is pushed is taken by the isolate's thread, or dropped when the mailbox closes, or
//! handed back as it was closed before. Whoever asked learns of each of these by what the job holds:
//! a [`Reply`] tells the [`Awaited`] what it is given, and, if it is dropped, that nothing will come.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::task::{Poll, Waker};
use std::time::Instant;

use super::sync::{Arc, AtomicUsize, Condvar, Mutex, MutexGuard, Ordering};

/// Jobs that wait for the thread of an isolate.
pub(super) struct Mailbox<J> {
    /// `None` once it is closed.
    jobs: Mutex<Option<VecDeque<J>>>,
    /// How many there are, for those who look in vain most of the time.
    waiting: AtomicUsize,
}

impl<J> Mailbox<J> {
    pub(super) fn new() -> Self {
        Self { jobs: Mutex::new(Some(VecDeque::new())), waiting: AtomicUsize::new(0) }
    }

    /// Puts a job in; hands it back if the mailbox is closed.
    pub(super) fn push(&self, job: J) -> Result<(), J> {
        let mut jobs = lock(&self.jobs);
        let Some(jobs) = jobs.as_mut() else { return Err(job) };
        jobs.push_back(job);
        self.waiting.store(jobs.len(), Ordering::Release);
        Ok(())
    }

    /// Whether a job waits. One that was pushed before this was called, as far as this thread can
    /// know, is seen.
    pub(super) fn has_jobs(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// Takes the job that has waited longest.
    pub(super) fn take(&self) -> Option<J> {
        let mut jobs = lock(&self.jobs);
        let jobs = jobs.as_mut()?;
        let job = jobs.pop_front();
        self.waiting.store(jobs.len(), Ordering::Release);
        job
    }

    /// Takes no job any more. Those that wait are dropped.
    pub(super) fn close(&self) {
        let jobs = lock(&self.jobs).take();
        self.waiting.store(0, Ordering::Release);
        // Without the lock: what a job tells when it is dropped may have others push one.
        drop(jobs);
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.jobs).is_none()
    }
}

/// Where an answer goes.
struct Slot<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

enum State<T> {
    /// For the answer, whose coming the task is to be told of.
    Waiting(Option<Waker>),
    /// Nobody waits any more.
    Left,
    Answered(T),
    /// No answer will come.
    Lost,
}

/// A question's two ends.
pub(super) fn question<T>() -> (Reply<T>, Awaited<T>) {
    let slot = Arc::new(Slot { state: Mutex::new(State::Waiting(None)), changed: Condvar::new() });
    (Reply(Arc::clone(&slot)), Awaited(slot))
}

/// The end that answers. Dropping it without an answer says that none will come.
pub(super) struct Reply<T>(Arc<Slot<T>>);

impl<T> Reply<T> {
    /// Whether somebody still waits. If not, there is no need to do what was asked for.
    pub(super) fn is_awaited(&self) -> bool {
        matches!(*lock(&self.0.state), State::Waiting(_))
    }

    /// Hands the answer over; hands it back if nobody waits any more.
    pub(super) fn answer(self, answer: T) -> Result<(), T> {
        self.0.set(State::Answered(answer)).map_err(|state| match state {
            State::Answered(answer) => answer,
            _ => unreachable!("what could not be set is handed back"),
        })
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        // Refused if there was an answer.
        let _ = self.0.set(State::Lost);
    }
}

impl<T> Slot<T> {
    /// Ends waiting, if somebody waits.
    fn set(&self, new: State<T>) -> Result<(), State<T>> {
        let mut state = lock(&self.state);
        let State::Waiting(waker) = &mut *state else { return Err(new) };
        let waker = waker.take();
        *state = new;
        drop(state);
        self.changed.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }
}

/// The end that waits for an answer. Dropping it says that nobody does any more.
pub(super) struct Awaited<T>(Arc<Slot<T>>);

/// What became of a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome<T> {
    Answered(T),
    /// The one who was asked has gone.
    Lost,
    /// There was no answer in time, and none will be taken.
    TimedOut,
}

impl<T> Awaited<T> {
    /// Waits for an answer, until a moment at the most.
    pub(super) fn wait_until(self, deadline: Instant) -> Outcome<T> {
        let mut state = lock(&self.0.state);
        loop {
            if let Some(outcome) = outcome(&mut state) {
                return outcome;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                *state = State::Left;
                return Outcome::TimedOut;
            }
            let woken = self.0.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The outcome, if there is one yet; otherwise the task is woken when there is, or is told that
    /// its time is up.
    pub(super) fn poll(&self, waker: &Waker, is_too_late: bool) -> Poll<Outcome<T>> {
        let mut state = lock(&self.0.state);
        if let Some(outcome) = outcome(&mut state) {
            return Poll::Ready(outcome);
        }
        if is_too_late {
            *state = State::Left;
            return Poll::Ready(Outcome::TimedOut);
        }
        *state = State::Waiting(Some(waker.clone()));
        Poll::Pending
    }
}

impl<T> Drop for Awaited<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        if let State::Waiting(_) = *state {
            *state = State::Left;
        }
    }
}

/// What became of a question, unless it is still being waited for.
fn outcome<T>(state: &mut State<T>) -> Option<Outcome<T>> {
    match std::mem::replace(state, State::Left) {
        waiting @ State::Waiting(_) => {
            *state = waiting;
            None
        }
        State::Answered(answer) => Some(Outcome::Answered(answer)),
        // It was taken before: a future that is polled once more.
        State::Lost | State::Left => Some(Outcome::Lost),
    }
}

/// Locks. No code of others' runs under these locks, so that none is left in disorder.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
