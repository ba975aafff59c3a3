//! A request to an isolate that runs elsewhere.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_timer::Delay;

use super::handover::{Awaited, Outcome};
use crate::model::{Error, Result};

/// A request that was put to an isolate: waits for its outcome, as a future or by
/// [`wait`](Self::wait), until its deadline at the most.
///
/// What became of it is one of: done, or refused ([`Error`] says why); [`Error::TimedOut`]; and
/// [`Error::IsolateGone`]. What was not done by the deadline is not done later either, and what is
/// under way then takes no effect: no window is begun, no session stays. Dropping a request that has
/// no outcome yet cancels it in the same way.
///
/// ```
/// use std::time::Duration;
/// use v8_heap_sampler::{Error, Request, SamplerOptions, SamplerRemote};
///
/// # let mut isolate = fixtures::isolate();
/// let remote = SamplerRemote::of(&mut isolate);
/// let started: Request<()> = remote.start(SamplerOptions::new(), Duration::from_millis(10));
/// // Nobody serves it: the isolate runs nothing.
/// assert!(matches!(started.wait(), Err(Error::TimedOut { .. })));
/// ```
#[must_use = "a request that is dropped is cancelled"]
pub struct Request<T> {
    awaited: Awaited<Result<T>>,
    timeout: Duration,
    deadline: Instant,
    /// Wakes the task at the deadline, from the first poll on.
    timer: Option<Delay>,
}

impl<T> Request<T> {
    pub(super) fn new(awaited: Awaited<Result<T>>, timeout: Duration) -> Self {
        let now = Instant::now();
        // For ever, as far as clocks can tell.
        let forever = || now + Duration::from_secs(1 << 30);
        let deadline = now.checked_add(timeout).unwrap_or_else(forever);
        Self { awaited, timeout, deadline, timer: None }
    }

    /// Waits for the outcome, and blocks the thread meanwhile.
    ///
    /// On the isolate's own thread nothing else can serve the request meanwhile: there
    /// [`SamplerRemote::poll`](super::SamplerRemote::poll) first.
    ///
    /// # Errors
    ///
    /// As of what was requested; [`Error::TimedOut`] and [`Error::IsolateGone`].
    pub fn wait(self) -> Result<T> {
        let Self { awaited, timeout, deadline, .. } = self;
        result(awaited.wait_until(deadline), timeout)
    }
}

fn result<T>(outcome: Outcome<Result<T>>, timeout: Duration) -> Result<T> {
    match outcome {
        Outcome::Answered(result) => result,
        Outcome::Lost => Err(Error::IsolateGone),
        Outcome::TimedOut => Err(Error::TimedOut { timeout }),
    }
}

impl<T> Future for Request<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let timeout = self.timeout;
        let left = self.deadline.saturating_duration_since(Instant::now());
        let timer = self.timer.get_or_insert_with(|| Delay::new(left));
        let is_too_late = Pin::new(timer).poll(context).is_ready();
        self.awaited.poll(context.waker(), is_too_late).map(|outcome| result(outcome, timeout))
    }
}

impl<T> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
