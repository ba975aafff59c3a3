//! A session that has no isolate of its own.

use std::fmt;

use crate::model::{Error, HeapStatistics, Node, Result, SamplerOptions, Timestamp};
use crate::profile::{Collection, Label, Profile};
use crate::sys::{Collected, Session};
use crate::v8;

/// A sampling session that does not borrow its isolate: each call takes it.
///
/// For programs whose isolate belongs to somebody else while it is sampled: to a runtime that must
/// be driven meanwhile (deno_core's `JsRuntime`), to the same struct, to callbacks and ops between
/// which start and stop are divided. Where the isolate can be borrowed, a
/// [`HeapSampler`](crate::HeapSampler) is a session with its isolate, and its documentation, on
/// DevTools, garbage collections and threads, is that of sessions too.
///
/// ```
/// # fixtures::init();
/// use v8_heap_sampler::{Profile, SamplerOptions, SamplingSession};
///
/// /// An engine that is told from outside when to sample.
/// struct Engine {
///     isolate: v8::OwnedIsolate,
///     session: Option<SamplingSession>,
/// }
///
/// impl Engine {
///     fn start(&mut self) -> Result<(), v8_heap_sampler::Error> {
///         self.session = Some(SamplingSession::start(&mut self.isolate, SamplerOptions::new())?);
///         Ok(())
///     }
///
///     fn stop(&mut self) -> Option<Result<Profile, v8_heap_sampler::Error>> {
///         Some(self.session.take()?.finish(&mut self.isolate))
///     }
/// }
///
/// let mut engine = Engine { isolate: v8::Isolate::new(Default::default()), session: None };
/// engine.start()?;
/// // ... run JavaScript ...
/// let profile = engine.stop().expect("it was started")?;
/// # Ok::<(), v8_heap_sampler::Error>(())
/// ```
///
/// The isolate can be passed as whatever dereferences to [`v8::Isolate`]: the scope of a callback
/// (`&mut v8::PinScope`), a [`v8::OwnedIsolate`], `JsRuntime::v8_isolate()`. It need not be entered.
///
/// # The right isolate
///
/// Each call checks that the isolate is the one that the session was started on, and that the
/// session is still the one that runs there.
/// [`Error::OtherIsolate`](crate::Error::OtherIsolate) and
/// [`Error::NotSampling`](crate::Error::NotSampling) say if not: the second one, too, if the
/// isolate has gone and another one has come to be at its address. Nothing is read or changed then.
///
/// # Going away
///
/// A session cannot stop when it is dropped, as it has no isolate. When its last handle has gone
/// (there are more by [`current`](Self::current)), V8 goes on sampling until the
/// crate is handed the isolate next, for whatever it be (another session's start or call, a
/// measurement), or until the isolate is disposed. So the next start on that isolate takes over.
/// Where sampling must end, and with it its cost, call [`stop`](Self::stop).
///
/// A session may outlive its isolate, be kept in a slot of it (`v8::Isolate::set_slot`), or be moved
/// to another thread: it holds nothing of V8's. Threads that share an isolate through a
/// `v8::Locker` may share its session.
pub struct SamplingSession {
    session: Session,
    options: SamplerOptions,
    labels: Vec<Label>,
}

impl SamplingSession {
    /// Starts sampling `isolate` as `options` say.
    ///
    /// # Errors
    ///
    /// As [`HeapSampler::with_options`](crate::HeapSampler::with_options).
    pub fn start(isolate: &mut v8::Isolate, options: SamplerOptions) -> Result<Self> {
        let session = Session::start(isolate, &options)?;
        Ok(Self { session, options, labels: Vec::new() })
    }

    /// One more handle to the session that runs in the isolate, whoever started it; `None` if none
    /// does, or if it is not one of this crate's.
    ///
    /// All handles have the same samples: a window that one takes, and stopping, is for all of them.
    /// Labels are those of the handle. Sampling goes on for as long as there is a handle.
    ///
    /// ```
    /// use v8_heap_sampler::{SamplerOptions, SamplingSession};
    ///
    /// # let mut isolate = fixtures::isolate();
    /// let session = SamplingSession::start(&mut isolate, SamplerOptions::new())?;
    /// let mut same = SamplingSession::current(&mut isolate).expect("it has just been started");
    /// let profile = same.profile(&mut isolate)?;
    /// # Ok::<(), v8_heap_sampler::Error>(())
    /// ```
    pub fn current(isolate: &mut v8::Isolate) -> Option<Self> {
        let (session, options) = Session::current(isolate)?;
        Some(Self { session, options, labels: Vec::new() })
    }

    /// The options that sampling was started with.
    pub fn options(&self) -> &SamplerOptions {
        &self.options
    }

    /// Puts a label on all profiles that are collected from now on, in place of any with the same
    /// key.
    ///
    /// It stays through [windows](Self::take_window) and [restarts](Self::restart). Formats that
    /// know labels (pprof, those of this crate) have it on each sample.
    pub fn add_label(&mut self, label: Label) {
        self.labels.retain(|other| other.key != label.key);
        self.labels.push(label);
    }

    /// The profile so far, as flat nodes. Sampling goes on.
    ///
    /// # Errors
    ///
    /// As [`HeapSampler::collect_nodes`](crate::HeapSampler::collect_nodes).
    pub fn collect_nodes(&mut self, isolate: &mut v8::Isolate) -> Result<Vec<Node>> {
        self.session.collect_garbage_if_asked(isolate)?;
        self.session.collect_nodes(isolate)
    }

    /// Notes the scripts down, before a context goes that had some.
    ///
    /// # Errors
    ///
    /// As [`HeapSampler::note_scripts`](crate::HeapSampler::note_scripts).
    pub fn note_scripts(&mut self, isolate: &mut v8::Isolate) -> Result<()> {
        self.session.note_scripts(isolate)
    }

    /// The profile so far. Sampling goes on.
    ///
    /// # Errors
    ///
    /// As [`HeapSampler::profile`](crate::HeapSampler::profile).
    pub fn profile(&mut self, isolate: &mut v8::Isolate) -> Result<Profile> {
        let before_gc = self.session.collect_garbage_if_asked(isolate)?;
        self.profile_after(before_gc, isolate)
    }

    /// The profile so far, without a garbage collection before, whatever the options say.
    pub(crate) fn profile_as_is(&mut self, isolate: &mut v8::Isolate) -> Result<Profile> {
        self.profile_after(None, isolate)
    }

    /// The profile so far, and how the heap was before garbage was collected for it.
    fn profile_after(
        &mut self,
        before_gc: Option<HeapStatistics>,
        isolate: &mut v8::Isolate,
    ) -> Result<Profile> {
        let collected = Timestamp::now();
        let Collected { tree, samples, own_work, started, heap_at_start, heap, growth, allocated } =
            self.session.collect(isolate, before_gc.is_some())?;
        let mut collection = Collection::new(self.options.clone());
        (collection.started, collection.collected) = (started, collected);
        (collection.heap_at_start, collection.heap) = (heap_at_start, heap);
        (collection.heap_before_gc, collection.growth) = (before_gc, growth);
        (collection.growth_between_gcs, collection.own_work) = (allocated, own_work);
        let external = collection.note_of_external();
        let mut profile = Profile::of_collection(tree, samples, collection)?;
        // For those who read it elsewhere.
        profile.metadata.comments.extend(external);
        if let Some(check) = profile.heap_check()
            && check.contradiction().is_some()
        {
            profile.metadata.comments.push(check.to_string());
        }
        for label in &self.labels {
            profile.add_label(label.clone());
        }
        Ok(profile)
    }

    /// The profile of everything since the last window, or since sampling started; then samples
    /// anew.
    ///
    /// # Errors
    ///
    /// As [`HeapSampler::take_window`](crate::HeapSampler::take_window), which says what windows can
    /// tell.
    pub fn take_window(&mut self, isolate: &mut v8::Isolate) -> Result<Profile> {
        self.session.check_stop(isolate)?;
        let window = self.profile(isolate)?;
        self.begin_window(isolate);
        Ok(window)
    }

    /// Begins a window, where one was taken: that is there, whatever becomes of the next.
    pub(crate) fn begin_window(&self, isolate: &mut v8::Isolate) {
        let _ = self.session.restart(isolate);
    }

    /// Stops sampling, if it goes on, and starts it anew.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start). If the options are out of bounds, or V8 may be collecting
    /// garbage, what was sampled is still there.
    pub fn restart(&mut self, isolate: &mut v8::Isolate, options: SamplerOptions) -> Result<()> {
        options.validate()?;
        match self.stop(isolate) {
            Ok(()) | Err(Error::NotSampling) => {}
            Err(error) => return Err(error),
        }
        let labels = std::mem::take(&mut self.labels);
        *self = Self { labels, ..Self::start(isolate, options)? };
        Ok(())
    }

    /// Stops sampling; V8 forgets the samples.
    ///
    /// # Errors
    ///
    /// As [`HeapSampler::stop`](crate::HeapSampler::stop).
    pub fn stop(&mut self, isolate: &mut v8::Isolate) -> Result<()> {
        self.session.stop(isolate)
    }

    /// Collects the profile and stops sampling.
    ///
    /// # Errors
    ///
    /// As [`profile`](Self::profile) and [`stop`](Self::stop); sampling goes on in that case.
    pub fn finish(&mut self, isolate: &mut v8::Isolate) -> Result<Profile> {
        self.session.check_stop(isolate)?;
        let profile = self.profile(isolate)?;
        self.stop_if_possible(isolate);
        Ok(profile)
    }

    /// Whether sampling can be stopped now.
    pub(crate) fn check_stop(&self, isolate: &mut v8::Isolate) -> Result<()> {
        self.session.check_stop(isolate)
    }

    /// Stops sampling silently, if that is possible now.
    pub(crate) fn stop_if_possible(&self, isolate: &mut v8::Isolate) {
        self.session.stop_if_possible(isolate);
    }
}

impl fmt::Debug for SamplingSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SamplingSession")
            .field("options", &self.options)
            .field("labels", &self.labels)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
