//! The sampler of an isolate that runs elsewhere.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::handover::{Mailbox, Reply, question};
use super::request::Request;
use crate::model::{Error, Result, SamplerOptions};
use crate::profile::{Label, Profile};
use crate::sampler::SamplingSession;
use crate::sys::{interrupt, refuse_in_callbacks};
use crate::v8;

/// A remote control of an isolate's sampler, for other threads.
///
/// For profiles that are asked for where the isolate is not: by an HTTP handler, a signal, a
/// supervisor of many isolates. Each call makes a [`Request`], which is served on the isolate's own
/// thread:
///
/// - While it runs JavaScript or WebAssembly, an endless loop too, by an interrupt
///   (`v8::IsolateHandle::request_interrupt`). The program goes on afterwards; the pause is that of
///   what was asked for.
/// - While it is idle, or busy in Rust, when its owner calls [`poll`](Self::poll).
///   [`set_waker`](Self::set_waker) tells the owner that there is something to serve.
///
/// ```
/// use std::time::Duration;
/// use v8_heap_sampler::{SamplerOptions, SamplerRemote};
///
/// let (send, receive) = std::sync::mpsc::channel();
/// # let (handles, handle) = std::sync::mpsc::channel();
/// let isolate = std::thread::spawn(move || {
/// #   let (mut isolate, realm) = fixtures::realm();
///     // On the isolate's thread:
///     send.send(SamplerRemote::of(&mut isolate)).unwrap();
/// #   handles.send(isolate.thread_safe_handle()).unwrap();
///     // ... run JavaScript, in a loop without end ...
/// #   realm.try_run(&mut isolate, "spin.js", "(function spin() { while (1) globalThis.x = [1]; })()")
/// });
///
/// let remote = receive.recv().unwrap();
/// let timeout = Duration::from_secs(10);
/// let options = SamplerOptions::allocation_windows().interval_bytes(1024);
/// remote.start(options, timeout).wait()?;
/// let profile = remote.profile(timeout).wait()?; // or `.await?`
/// # let mut profile = profile; // of a moment in which it may not have allocated anything yet
/// # while profile.functions().iter().all(|function| function.name != "spin") {
/// #     profile = remote.profile(timeout).wait()?;
/// # }
/// remote.stop(timeout).wait()?;
/// # handle.recv().unwrap().terminate_execution();
/// # isolate.join().unwrap().unwrap_err();
/// # Ok::<(), v8_heap_sampler::Error>(())
/// ```
///
/// It can be cloned, and outlive the isolate: requests that wait when the isolate is disposed, and
/// those that come later, have the outcome [`Error::IsolateGone`].
///
/// # Sessions
///
/// The sampler is the one of the isolate, whoever started it: a profile can be asked for of a
/// session that the owner started. One that is started here stays until it is
/// [stopped](Self::stop) here or by a handle of the owner's ([`SamplingSession::current`]), or the
/// isolate is disposed.
///
/// # In an interrupt
///
/// V8 calls interrupts where JavaScript checks its stack: at function entries and loops, in
/// optimised code, in some built-ins and in WebAssembly. Garbage may be collected there, so a
/// profile can be built and sampling be started and stopped; no JavaScript is run. What is in the
/// middle of one long built-in call (sorting, a regular expression, parsing JSON) is served when it
/// ends, unless the built-in looks for interrupts itself. While JavaScript is being terminated,
/// interrupts wait until it runs again.
#[derive(Clone)]
pub struct SamplerRemote {
    shared: Arc<Shared>,
}

struct Shared {
    mailbox: Mailbox<Job>,
    isolate: v8::IsolateHandle,
    /// Interrupts that V8 has been asked for and has not called yet.
    interrupts: AtomicUsize,
    waker: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
    labels: Mutex<Vec<Label>>,
}

/// What is done in the isolate. Dropping it instead tells whoever asked for it.
type Job = Box<dyn FnOnce(&mut v8::Isolate) + Send>;

/// Lives in a slot of the isolate, which drops it when it is disposed.
struct Served {
    shared: Arc<Shared>,
    /// The session that was started from here, to keep it going.
    session: Option<SamplingSession>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shared.mailbox.close();
    }
}

/// How many interrupts V8 is asked for before it has called any; from then on it is asked ever more
/// rarely, as those of an isolate that runs no JavaScript gather in V8.
///
/// One would do, but that V8 forgets that there are any when threads take turns with an isolate.
const MOST_INTERRUPTS: usize = 1000;

impl SamplerRemote {
    /// The remote control of an isolate; of each isolate there is one.
    pub fn of(isolate: &mut v8::Isolate) -> Self {
        if let Some(served) = isolate.get_slot::<Served>() {
            return Self { shared: Arc::clone(&served.shared) };
        }
        let shared = Arc::new(Shared {
            mailbox: Mailbox::new(),
            isolate: isolate.thread_safe_handle(),
            interrupts: AtomicUsize::new(0),
            waker: Mutex::new(None),
            labels: Mutex::new(Vec::new()),
        });
        isolate.set_slot(Served { shared: Arc::clone(&shared), session: None });
        Self { shared }
    }

    /// Puts a label on all profiles that are asked for from now on, in place of any with the same
    /// key.
    pub fn add_label(&self, label: Label) {
        let mut labels = lock(&self.shared.labels);
        labels.retain(|other| other.key != label.key);
        labels.push(label);
    }

    /// The labels, in the order in which they were added.
    pub fn labels(&self) -> Vec<Label> {
        lock(&self.shared.labels).clone()
    }

    /// Sets the function that is called when there is something to serve, in place of any before:
    /// on the thread that asks, after the request was put in. It should wake the event loop of the
    /// isolate's owner, which then calls [`poll`](Self::poll), and not block.
    ///
    /// A task that is polled notes its own waker before it calls `poll`: a request that comes in
    /// between is then served, or wakes the task again.
    pub fn set_waker(&self, waker: impl Fn() + Send + Sync + 'static) {
        *lock(&self.shared.waker) = Some(Arc::new(waker));
    }

    /// Tells whether the isolate has been disposed.
    pub fn is_closed(&self) -> bool {
        self.shared.mailbox.is_closed()
    }

    /// Serves what waits, on the isolate's thread: says how many requests there were.
    ///
    /// To be called by the isolate's owner where it runs no JavaScript, in its event loop. Costs
    /// some nanoseconds where there is nothing to do. In callbacks around garbage collections, and
    /// in finalizers, nothing is served.
    ///
    /// ```
    /// use std::time::Duration;
    /// use v8_heap_sampler::{SamplerOptions, SamplerRemote};
    ///
    /// # let mut isolate = fixtures::isolate();
    /// let remote = SamplerRemote::of(&mut isolate);
    /// let started = remote.start(SamplerOptions::new(), Duration::from_secs(1));
    /// assert_eq!(remote.poll(&mut isolate)?, 1);
    /// started.wait()?;
    /// # Ok::<(), v8_heap_sampler::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::OtherIsolate`] if it is not the remote's isolate, and something waits.
    #[inline]
    pub fn poll(&self, isolate: &mut v8::Isolate) -> Result<usize> {
        if !self.shared.mailbox.has_jobs() {
            return Ok(0);
        }
        self.serve(isolate)
    }

    #[cold]
    fn serve(&self, isolate: &mut v8::Isolate) -> Result<usize> {
        let served = isolate.get_slot::<Served>();
        if served.is_none_or(|served| !Arc::ptr_eq(&served.shared, &self.shared)) {
            return Err(Error::OtherIsolate);
        }
        if refuse_in_callbacks(isolate).is_err() {
            return Ok(0);
        }
        let mut jobs = 0;
        while let Some(job) = self.shared.mailbox.take() {
            job(isolate);
            jobs += 1;
        }
        Ok(jobs)
    }

    /// Starts sampling.
    ///
    /// # Errors
    ///
    /// The request's are those of [`SamplingSession::start`].
    pub fn start(&self, options: SamplerOptions, timeout: Duration) -> Request<()> {
        self.request(timeout, move |isolate, _, reply| {
            let session = match SamplingSession::start(isolate, options) {
                Ok(session) => session,
                Err(error) => return drop(reply.answer(Err(error))),
            };
            // If nobody waits any more, the session goes and is stopped.
            if reply.answer(Ok(())).is_ok()
                && let Some(served) = isolate.get_slot_mut::<Served>()
            {
                served.session = Some(session);
            } else {
                session.stop_if_possible(isolate);
            }
        })
    }

    /// Stops sampling, whoever started it with this crate.
    ///
    /// # Errors
    ///
    /// The request's are those of [`SamplingSession::stop`].
    pub fn stop(&self, timeout: Duration) -> Request<()> {
        self.request(timeout, |isolate, _, reply| {
            if let Some(served) = isolate.get_slot_mut::<Served>() {
                // The isolate keeps a handle for as long as it takes to stop by another.
                let kept = served.session.take();
                let stopped = current(isolate).and_then(|mut session| session.stop(isolate));
                drop(kept);
                drop(reply.answer(stopped));
            }
        })
    }

    /// The profile so far. Sampling goes on.
    ///
    /// # Errors
    ///
    /// The request's are those of [`SamplingSession::profile`].
    pub fn profile(&self, timeout: Duration) -> Request<Profile> {
        self.request(timeout, |isolate, labels, reply| {
            let profile = current(isolate).and_then(|mut session| {
                labels.into_iter().for_each(|label| session.add_label(label));
                session.profile(isolate)
            });
            drop(reply.answer(profile));
        })
    }

    /// The profile of everything since the last window, or since sampling started; then samples
    /// anew. If the request has timed out meanwhile, the window goes on.
    ///
    /// # Errors
    ///
    /// The request's are those of [`SamplingSession::take_window`].
    pub fn take_window(&self, timeout: Duration) -> Request<Profile> {
        self.request(timeout, |isolate, labels, reply| {
            let window = current(isolate).and_then(|mut session| {
                labels.into_iter().for_each(|label| session.add_label(label));
                session.check_stop(isolate)?;
                Ok((session.profile(isolate)?, session))
            });
            match window {
                Err(error) => drop(reply.answer(Err(error))),
                Ok((window, session)) => {
                    if reply.answer(Ok(window)).is_ok() {
                        session.begin_window(isolate);
                    }
                }
            }
        })
    }

    /// The options of the session that runs in the isolate; `None` if it is not being sampled, as
    /// far as this crate knows.
    ///
    /// # Errors
    ///
    /// The request's are [`Error::TimedOut`] and [`Error::IsolateGone`].
    pub fn state(&self, timeout: Duration) -> Request<Option<SamplerOptions>> {
        self.request(timeout, |isolate, _, reply| {
            let session = SamplingSession::current(isolate);
            drop(reply.answer(Ok(session.map(|session| session.options().clone()))));
        })
    }

    /// Has something done in the isolate, by who says what comes of it.
    fn request<T: Send + 'static>(
        &self,
        timeout: Duration,
        work: impl FnOnce(&mut v8::Isolate, Vec<Label>, Reply<Result<T>>) + Send + 'static,
    ) -> Request<T> {
        let (reply, awaited) = question();
        let request = Request::new(awaited, timeout);
        let labels = self.labels();
        let job = Box::new(move |isolate: &mut v8::Isolate| {
            // Nothing is done for nobody.
            if reply.is_awaited() {
                work(isolate, labels, reply);
            }
        });
        // A job that comes back is dropped, and so the request learns that the isolate has gone.
        if self.shared.mailbox.push(job).is_ok() {
            self.shared.interrupt();
            let waker = lock(&self.shared.waker).clone();
            if let Some(waker) = waker {
                waker();
            }
        }
        request
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Shared {
    /// Has V8 call [`serve_in_interrupt`] when it runs JavaScript.
    fn interrupt(&self) {
        let before = self.interrupts.fetch_add(1, Ordering::Relaxed);
        if before < MOST_INTERRUPTS || before.is_power_of_two() {
            interrupt(&self.isolate, serve_in_interrupt);
        }
    }
}

/// Called by V8 in an isolate that has been interrupted, as often as was asked for.
fn serve_in_interrupt(isolate: &mut v8::Isolate) {
    let Some(served) = isolate.get_slot::<Served>() else { return };
    let remote = SamplerRemote { shared: Arc::clone(&served.shared) };
    // V8 calls all that it was asked for in one go.
    remote.shared.interrupts.store(0, Ordering::Relaxed);
    // Refused only for another isolate.
    let _ = remote.poll(isolate);
}

fn current(isolate: &mut v8::Isolate) -> Result<SamplingSession> {
    SamplingSession::current(isolate).ok_or(Error::NotSampling)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for SamplerRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SamplerRemote")
            .field("labels", &self.labels())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
