//! The guard that samples an isolate.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::session::SamplingSession;
use crate::graph::Callgraph;
use crate::model::{Error, Node, Result, SampleType, SamplerOptions};
use crate::profile::{Label, Profile};
use crate::v8;

/// Samples the heap allocations of an isolate for as long as it lives.
///
/// A guard: making one starts V8's sampling heap profiler, dropping it stops it. In between the
/// isolate is borrowed, and the guard lends it out again: it dereferences to [`v8::Isolate`], so
/// `v8::scope!(let scope, &mut *sampler)` opens a scope to run JavaScript in.
///
/// V8 has one sampling session per isolate, which DevTools shares. Where the isolate cannot be
/// borrowed for that long, as in a host that owns it, take a [`SamplingSession`]: a guard is one with
/// its isolate.
///
/// ```
/// # fixtures::init();
/// use v8_heap_sampler::{HeapSampler, SampleType, analysis::TopOptions};
///
/// let isolate = &mut v8::Isolate::new(Default::default());
/// // One sample per 1 KiB on average, with the 64 topmost frames.
/// let mut sampler = HeapSampler::new(isolate, 1024, 64)?;
/// {
///     v8::scope!(let scope, &mut *sampler);
///     let context = v8::Context::new(scope, Default::default());
///     let scope = &mut v8::ContextScope::new(scope, context);
///     let code = "function fill() { return Array.from({ length: 10000 }, (_, i) => ({ i })); }
///                 globalThis.kept = fill();";
///     let code = v8::String::new(scope, code).unwrap();
///     v8::Script::compile(scope, code, None).unwrap().run(scope).unwrap();
/// }
/// let profile = sampler.finish()?;
/// let top = profile.top(&TopOptions::new(SampleType::InuseSpace));
/// println!("{}", top.expect("every profile of V8's has it"));
/// assert!(profile.functions().iter().any(|function| function.name == "fill"));
/// # Ok::<(), v8_heap_sampler::Error>(())
/// ```
///
/// # Leaking
///
/// A guard that is leaked ([`std::mem::forget`]) leaves the sampler running until the isolate is
/// disposed, which stops it. (V8 alone would abort the process there.)
///
/// # DevTools and other users of the sampler
///
/// V8 gives sampling sessions no identity. Where somebody else stops this one and starts their own,
/// collecting notices by what does not fit
/// ([`Error::ForeignSession`](crate::Error::ForeignSession)) and leaves theirs alone; what it has
/// not noticed, dropping the guard stops.
///
/// # GC callbacks and finalizers
///
/// V8 collects garbage while it builds a profile, for DevTools for instance, and would go on with
/// what stopping has freed. So sampling cannot be stopped, nor a window be taken, where V8 calls
/// the embedder while it collects garbage:
/// [`Error::InGarbageCollection`](crate::Error::InGarbageCollection). That is in callbacks around a
/// collection (`v8::Isolate::add_gc_prologue_callback`), and in finalizers
/// (`v8::Weak::with_finalizer`). A guard that is dropped there leaves the sampler running until the
/// isolate's next guard is made, or the isolate is disposed.
///
/// [`profile`](Self::profile) and [`collect_nodes`](Self::collect_nodes) work in
/// finalizers, and near the heap limit (`v8::Isolate::add_near_heap_limit_callback`), and so does
/// starting. All of these are refused in callbacks around a collection, but for those before it
/// that were there before the isolate's first guard. The isolate's first guard can be made in any
/// of them, and collects from the moment that they have returned.
///
/// V8 allows no JavaScript in what it calls then, and that is what tells. So the same holds where
/// the embedder allows none (`v8::disallow_javascript_execution_scope!` that crashes on failure).
///
/// What cannot be noticed:
///
/// - Callbacks before incremental marking (`kGCTypeIncrementalMarking`) that were there before the
///   isolate's first guard, and most callbacks near the heap limit. They must make no guard, drop
///   none, and stop none.
/// - DevTools that has the isolate's profile built (`HeapProfiler.getSamplingProfile`). A finalizer
///   or callback must not collect a second one meanwhile: V8 may then free nodes that it still
///   needs for the first.
///
/// V8 crashes by itself, with or without this crate:
///
/// - if DevTools stops the sampler (`HeapProfiler.stopSampling`) in such a callback or finalizer
///   while V8 builds a profile, for whomever;
/// - if it collects garbage of its own accord, and a callback or finalizer leaves another isolate
///   entered. The collections that this crate has V8 make, for a measurement and for
///   [`force_gc`](crate::SamplerOptions#structfield.force_gc), are safe from finalizers that do.
///
/// # Threads and several isolates
///
/// The guard works on the isolate that it was given, whether or not that is the thread's current
/// one, and on an isolate that is held through a locker.
pub struct HeapSampler<'a> {
    /// `None` once it was given back, by what consumes the guard.
    isolate: Option<&'a mut v8::Isolate>,
    session: SamplingSession,
}

/// Why the isolate is there: only what consumes the guard takes it out.
const LENT: &str = "the guard has its isolate for as long as it lives";

impl<'a> HeapSampler<'a> {
    /// Starts sampling `isolate`: one sample per `interval_bytes` bytes allocated on average, each
    /// with the `stack_depth` topmost JavaScript frames; live objects only.
    ///
    /// Shorthand for [`with_options`](Self::with_options).
    ///
    /// # Errors
    ///
    /// As [`with_options`](Self::with_options).
    pub fn new(
        isolate: &'a mut v8::Isolate,
        interval_bytes: u64,
        stack_depth: u32,
    ) -> Result<Self> {
        let options = SamplerOptions::new().interval_bytes(interval_bytes).stack_depth(stack_depth);
        Self::with_options(isolate, options)
    }

    /// Starts sampling `isolate` as `options` say.
    ///
    /// Mirrors `v8::HeapProfiler::StartSamplingHeapProfiler`.
    ///
    /// ```
    /// use v8_heap_sampler::{Error, HeapSampler, KeepDead, SamplerOptions};
    ///
    /// # let mut isolate = fixtures::isolate();
    /// let options = SamplerOptions::new().interval_bytes(64 * 1024).keep_dead(KeepDead::Both);
    /// let mut sampler = HeapSampler::with_options(&mut isolate, options)?;
    /// // One session per isolate:
    /// let second = HeapSampler::new(&mut sampler, 1024, 64);
    /// assert!(matches!(second, Err(Error::AlreadySampling)));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::Interval`] and [`Error::StackDepth`]: the options are out of bounds.
    /// - [`Error::AlreadySampling`]: the isolate is being sampled, by DevTools for instance. That
    ///   session goes on untouched.
    /// - [`Error::InGarbageCollection`]: V8 may be collecting garbage (see
    ///   [there](Self#gc-callbacks-and-finalizers)).
    /// - [`Error::UnsupportedV8`]: the linked V8 is not one that this crate knows.
    ///
    /// [`Error::InGarbageCollection`]: crate::Error::InGarbageCollection
    /// [`Error::Interval`]: crate::Error::Interval
    /// [`Error::StackDepth`]: crate::Error::StackDepth
    /// [`Error::AlreadySampling`]: crate::Error::AlreadySampling
    /// [`Error::UnsupportedV8`]: crate::Error::UnsupportedV8
    pub fn with_options(isolate: &'a mut v8::Isolate, options: SamplerOptions) -> Result<Self> {
        Self::try_start(isolate, options).map_err(|(error, _)| error)
    }

    /// Starts sampling `isolate` as `options` say, and gives the isolate back if that fails: for
    /// those who have nothing but this reference to it.
    ///
    /// ```
    /// use v8_heap_sampler::{Error, HeapSampler, SamplerOptions};
    ///
    /// # let mut isolate = fixtures::isolate();
    /// # let isolate: &mut v8::Isolate = &mut isolate;
    /// let options = SamplerOptions::new().interval_bytes(0);
    /// let (error, isolate) = HeapSampler::try_start(isolate, options).unwrap_err();
    /// assert!(matches!(error, Error::Interval { .. }));
    /// assert!(HeapSampler::try_start(isolate, SamplerOptions::new()).is_ok());
    /// ```
    ///
    /// # Errors
    ///
    /// As [`with_options`](Self::with_options), with the isolate.
    pub fn try_start(
        isolate: &'a mut v8::Isolate,
        options: SamplerOptions,
    ) -> Result<Self, (Error, &'a mut v8::Isolate)> {
        match SamplingSession::start(isolate, options) {
            Ok(session) => Ok(Self::of_session(session, isolate)),
            Err(error) => Err((error, isolate)),
        }
    }

    /// The isolate, to run JavaScript with.
    pub fn isolate(&mut self) -> &mut v8::Isolate {
        self.parts().1
    }

    /// Stops sampling and gives the isolate back for as long as it was lent.
    ///
    /// ```
    /// use v8_heap_sampler::{HeapSampler, Profile};
    ///
    /// /// Samples what a host does with its isolate, and hands the isolate on.
    /// fn sampled<'a>(isolate: &'a mut v8::Isolate) -> (Profile, &'a mut v8::Isolate) {
    ///     let mut sampler = HeapSampler::new(isolate, 1024, 64).unwrap();
    ///     // ... run JavaScript ...
    ///     (sampler.profile().unwrap(), sampler.into_isolate())
    /// }
    /// # sampled(&mut fixtures::isolate());
    /// ```
    #[must_use]
    pub fn into_isolate(mut self) -> &'a mut v8::Isolate {
        let isolate = self.isolate.take().expect(LENT);
        self.session.stop_if_possible(isolate);
        isolate
    }

    /// Stops sampling, if it goes on, and starts it anew.
    ///
    /// ```
    /// use v8_heap_sampler::{HeapSampler, SamplerOptions};
    ///
    /// # let mut isolate = fixtures::isolate();
    /// let mut sampler = HeapSampler::new(&mut isolate, 512 * 1024, 64)?;
    /// sampler.stop()?;
    /// // ... run JavaScript that nobody wants to know about ...
    /// sampler.restart(SamplerOptions::new().interval_bytes(1024))?;
    /// assert_eq!(sampler.options().interval_bytes, 1024);
    /// # Ok::<(), v8_heap_sampler::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`with_options`](Self::with_options). If the options are out of bounds, or V8 may be
    /// collecting garbage, what was sampled is still there.
    pub fn restart(&mut self, options: SamplerOptions) -> Result<()> {
        let (session, isolate) = self.parts();
        session.restart(isolate, options)
    }

    /// The options that sampling was started with.
    pub fn options(&self) -> &SamplerOptions {
        self.session.options()
    }

    /// Puts a label on all profiles that are collected from now on, in place of any with the same
    /// key.
    ///
    /// ```
    /// use v8_heap_sampler::{HeapSampler, Label};
    ///
    /// # let (mut isolate, realm) = fixtures::realm();
    /// let mut sampler = HeapSampler::new(&mut isolate, 1024, 64)?;
    /// sampler.add_label(Label::text("tenant", "42"));
    /// # realm.run(&mut sampler, "a.js", "globalThis.kept = new Array(10000).fill(0); ''");
    /// // ... run JavaScript ...
    /// let profile = sampler.finish()?;
    /// assert!(profile.label_sets().all(|labels| labels == [Label::text("tenant", "42")]));
    /// # Ok::<(), v8_heap_sampler::Error>(())
    /// ```
    pub fn add_label(&mut self, label: Label) {
        self.session.add_label(label);
    }

    /// A guard of a session that runs in `isolate`.
    pub(crate) fn of_session(session: SamplingSession, isolate: &'a mut v8::Isolate) -> Self {
        Self { isolate: Some(isolate), session }
    }

    pub(crate) fn parts(&mut self) -> (&mut SamplingSession, &mut v8::Isolate) {
        (&mut self.session, self.isolate.as_deref_mut().expect(LENT))
    }

    /// The profile so far, as flat nodes: parents before children, siblings in V8's order, the
    /// root first. Sampling goes on.
    ///
    /// Can be called any number of times, also while a JavaScript exception is pending or after
    /// execution was terminated. It runs no JavaScript. V8 interns the names on the JavaScript
    /// heap, which can start a garbage collection. It samples that, too, at the stack from which
    /// this was called; here such samples are left out.
    ///
    /// Mirrors `v8::HeapProfiler::GetAllocationProfile`. Linear in the number of nodes and
    /// samples.
    ///
    /// ```
    /// use v8_heap_sampler::HeapSampler;
    ///
    /// # let (mut isolate, realm) = fixtures::realm();
    /// let mut sampler = HeapSampler::new(&mut isolate, 256, 64)?;
    /// # realm.run(&mut sampler, "a.js", "function grow() { return new Array(10000).fill(0); }
    /// #     globalThis.kept = grow();");
    /// // ... run JavaScript ...
    /// let before = sampler.collect_nodes()?;
    /// // ... run more ...
    /// let after = sampler.collect_nodes()?;
    /// // Ids are stable within a session.
    /// assert_eq!(before[0].id, after[0].id);
    /// # Ok::<(), v8_heap_sampler::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::NotSampling`]: sampling was stopped, by [`stop`](Self::stop) or by someone else.
    /// - [`Error::OtherIsolate`]: the isolate under the guard is not the one it was made with.
    /// - [`Error::ForeignSession`]: somebody else's session runs in place of this one.
    /// - [`Error::UnexpectedProfile`]: what V8 returned failed a check. See there.
    /// - [`Error::InGarbageCollection`]: a callback around a garbage collection is running.
    ///
    /// [`Error::InGarbageCollection`]: crate::Error::InGarbageCollection
    /// [`Error::NotSampling`]: crate::Error::NotSampling
    /// [`Error::OtherIsolate`]: crate::Error::OtherIsolate
    /// [`Error::ForeignSession`]: crate::Error::ForeignSession
    /// [`Error::UnexpectedProfile`]: crate::Error::UnexpectedProfile
    pub fn collect_nodes(&mut self) -> Result<Vec<Node>> {
        let (session, isolate) = self.parts();
        session.collect_nodes(isolate)
    }

    /// Notes the names of the scripts down, and the lines in them, of what was sampled so far.
    ///
    /// When a script is unloaded, as it is when the context of a request or a tenant goes, V8 forgets
    /// its name and its lines: `load tenant.js:1:14` becomes `load (script 5)`. Every profile, window and
    /// list of nodes notes down what V8 still knows, and later ones of the session have it, for 130,000
    /// functions at least (under 20 MB). Whoever has shorter contexts calls this before one goes. It
    /// takes as long as a profile, and collects no garbage.
    ///
    /// ```
    /// use v8_heap_sampler::{HeapSampler, SamplerOptions};
    ///
    /// # let mut isolate = fixtures::isolate();
    /// let mut sampler = HeapSampler::with_options(&mut isolate, SamplerOptions::new())?;
    /// # let context = fixtures::Realm::new(&mut sampler);
    /// // ... run a tenant's scripts in a context ...
    /// sampler.note_scripts()?;
    /// drop(context);
    /// # Ok::<(), v8_heap_sampler::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`collect_nodes`](Self::collect_nodes).
    pub fn note_scripts(&mut self) -> Result<()> {
        let (session, isolate) = self.parts();
        session.note_scripts(isolate)
    }

    /// The profile so far. Sampling goes on.
    ///
    /// Can be called any number of times, also while a JavaScript exception is pending or after
    /// execution was terminated. It runs no JavaScript. V8 interns the names on the JavaScript
    /// heap, which can start a garbage collection. It samples that, too, at the stack from which
    /// this was called; here such samples are left out
    /// ([`Collection::own_work`](crate::Collection#structfield.own_work)).
    ///
    /// In a session that keeps dead objects ([`KeepDead`]) V8 keeps their samples until sampling
    /// stops, and the totals of each profile include those of the one before: where sampling goes
    /// on for long, take windows instead ([`take_window`](Self::take_window)).
    ///
    /// Mirrors `v8::HeapProfiler::GetAllocationProfile`. Linear in the number of contexts, and
    /// O(s log s) in that of samples.
    ///
    /// ```
    /// use v8_heap_sampler::analysis::TopOptions;
    /// use v8_heap_sampler::{Confidence, HeapSampler, KeepDead, SampleType, SamplerOptions};
    ///
    /// # let (mut isolate, realm) = fixtures::realm();
    /// let options = SamplerOptions::new().interval_bytes(1024).keep_dead(KeepDead::Both);
    /// let mut sampler = HeapSampler::with_options(&mut isolate, options)?;
    /// # realm.run(&mut sampler, "a.js", "for (let i = 0; i < 9999; i++) globalThis.k = [i]; ''");
    /// // ... run JavaScript ...
    /// let profile = sampler.profile()?;
    /// let top = profile.top(&TopOptions::new(SampleType::AllocSpace));
    /// println!("{}", top.expect("dead objects are kept"));
    /// let allocated = profile.estimate(SampleType::AllocSpace).expect("dead objects are kept");
    /// let interval = allocated.interval(Confidence::P99).expect("of samples it is known");
    /// println!("between {:.0} and {:.0} bytes", interval.lower, interval.upper);
    /// # Ok::<(), v8_heap_sampler::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`collect_nodes`](Self::collect_nodes); and [`Error::Profile`] if the samples stand for
    /// more than 2^53 bytes.
    ///
    /// [`Error::Profile`]: crate::Error::Profile
    /// [`KeepDead`]: crate::KeepDead
    pub fn profile(&mut self) -> Result<Profile> {
        let (session, isolate) = self.parts();
        session.profile(isolate)
    }

    /// The profile of everything since the last window, or since sampling started; then samples
    /// anew, with no JavaScript run in between.
    ///
    /// For hosts that run for long: V8 forgets all samples, so that neither its memory nor the
    /// totals grow without end, and nothing is reported twice. Ids of nodes and samples start over,
    /// so that nodes of different windows are matched by their functions.
    ///
    /// # What windows can say
    ///
    /// | | dead objects kept, windows | none kept, no windows |
    /// | --- | --- | --- |
    /// | options | [`SamplerOptions::allocation_windows`] | [`SamplerOptions::live_heap`] |
    /// | called now and then | `take_window` | [`profile`](Self::profile) |
    /// | allocated since the last call | `alloc` | unknown |
    /// | alive, of what was allocated since the last call | `inuse` | samples after [`Profile::last_sample`] |
    /// | alive, of what was allocated before | **unknown** | samples up to there |
    /// | V8's memory for samples grows with | allocations per window | live objects |
    ///
    /// What was alive when a window began, from before sampling or from earlier windows, is in no
    /// later window: V8 has forgotten it. `inuse` is what the window allocated and did not lose
    /// yet; it is not the live heap, and adding it up over windows is only an upper limit of that,
    /// since what died later is not taken off. The live heap as a whole is exact in each window, as
    /// [`Collection::heap`](crate::Collection#structfield.heap). For "what is alive, and since when" use
    /// the other pair: a session that keeps no dead objects needs no windows. One isolate has one
    /// session, so a server has to choose, or to take turns.
    ///
    /// V8 keeps the names of all functions and scripts that it has sampled until sampling stops. In a
    /// program that goes on making new names (`eval` of functions with names of their own, computed
    /// methods) a session without windows grows with them: [`restart`](Self::restart) it now and then,
    /// which forgets the samples of what is alive as well.
    ///
    /// While a sampler runs, at any interval, V8 moves all elements of an array when the first is
    /// shifted off: a queue of many thousand elements is many times slower. Where there are such, sample
    /// for a part of the time.
    ///
    /// A session of somebody else's that stands in place of this one, and was not noticed (see
    /// [`Error::ForeignSession`](crate::Error::ForeignSession)), is stopped like one's own.
    ///
    /// ```
    /// use v8_heap_sampler::{HeapSampler, SampleType, SamplerOptions};
    ///
    /// # let (mut isolate, realm) = fixtures::realm();
    /// let options = SamplerOptions::allocation_windows().interval_bytes(4096);
    /// let mut sampler = HeapSampler::with_options(&mut isolate, options)?;
    /// for _minute in 0..3 {
    /// #   realm.run(&mut sampler, "a.js", "for (let i = 0; i < 9999; i++) globalThis.k = [i]; ''");
    ///     // ... serve requests ...
    ///     let window = sampler.take_window()?;
    ///     let allocated = window.total(SampleType::AllocSpace).expect("dead objects are kept");
    ///     let duration = window.metadata.duration.expect("it was collected here");
    ///     println!("{:.0} bytes/s", allocated / duration.as_secs_f64());
    /// }
    /// # Ok::<(), v8_heap_sampler::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`collect_nodes`](Self::collect_nodes); the window goes on in that case, if the session
    /// does. A collected window is never lost: if sampling cannot be started again, which nobody
    /// has seen yet, the next call says so ([`Error::NotSampling`](crate::Error::NotSampling)). As
    /// [`stop`](Self::stop) where V8 may be collecting garbage.
    pub fn take_window(&mut self) -> Result<Profile> {
        let (session, isolate) = self.parts();
        session.take_window(isolate)
    }

    /// Collects the profile and builds the graph of functions, weighted in the bytes that are in
    /// use, in one call, as `collectAllocations` of the Node module `sample-heap-allocations` did,
    /// with the same defaults: sampling stops afterwards, and cycles are cut.
    ///
    /// With [`no_circular`](CollectOptions::no_circular) the graph is
    /// [`Callgraph::without_cycles`]; call that yourself to learn which calls were removed.
    ///
    /// ```
    /// use v8_heap_sampler::{CollectOptions, HeapSampler};
    ///
    /// # let (mut isolate, realm) = fixtures::realm();
    /// let mut sampler = HeapSampler::new(&mut isolate, 64, 64)?;
    /// # realm.run(&mut sampler, "a.js", "function walk(n) { return n ? [walk(n - 1)] : []; }
    /// #     globalThis.kept = Array.from({ length: 100 }, () => walk(20));");
    /// // ... run JavaScript ...
    /// let graph = sampler.collect_allocations(CollectOptions::default())?;
    /// assert!(graph.cycles().is_empty());
    /// assert!(sampler.collect_nodes().is_err()); // stopped
    /// # Ok::<(), v8_heap_sampler::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`profile`](Self::profile); sampling goes on in that case.
    pub fn collect_allocations(&mut self, options: CollectOptions) -> Result<Callgraph> {
        let (session, isolate) = self.parts();
        if options.stop_sampling {
            session.check_stop(isolate)?;
        }
        let graph = self.profile()?.callgraph(SampleType::InuseSpace);
        let graph = graph.expect("every profile of V8's has it");
        if options.stop_sampling {
            self.stop()?;
        }
        Ok(if options.no_circular { graph.without_cycles().0 } else { graph })
    }

    /// Stops sampling; V8 forgets the samples.
    ///
    /// Dropping the guard does the same silently.
    ///
    /// ```
    /// use v8_heap_sampler::{Error, HeapSampler};
    ///
    /// # let mut isolate = fixtures::isolate();
    /// let mut sampler = HeapSampler::new(&mut isolate, 4096, 64)?;
    /// sampler.stop()?;
    /// assert!(matches!(sampler.collect_nodes(), Err(Error::NotSampling)));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NotSampling`](crate::Error::NotSampling) if it was stopped before, by whomever, and
    /// [`Error::OtherIsolate`](crate::Error::OtherIsolate) if the isolate under the guard is
    /// not the one it was made with; that isolate's sampler, if it has one, goes on.
    /// [`Error::InGarbageCollection`](crate::Error::InGarbageCollection) where V8 may be collecting
    /// garbage (see [there](Self#gc-callbacks-and-finalizers)); sampling goes on.
    pub fn stop(&mut self) -> Result<()> {
        let (session, isolate) = self.parts();
        session.stop(isolate)
    }

    /// Collects the profile and stops sampling.
    ///
    /// ```
    /// use v8_heap_sampler::{HeapSampler, PseudoFrame};
    ///
    /// # let mut isolate = fixtures::isolate();
    /// let profile = HeapSampler::new(&mut isolate, 4096, 64)?.finish()?;
    /// assert_eq!(profile.root().function().pseudo_frame(), Some(PseudoFrame::Root));
    /// # Ok::<(), v8_heap_sampler::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`profile`](Self::profile). Sampling is stopped all the same, unless the
    /// isolate was replaced, and so cannot be reached, the session is somebody else's, or V8 may be
    /// collecting garbage (see [there](Self#gc-callbacks-and-finalizers)).
    pub fn finish(mut self) -> Result<Profile> {
        self.profile()
    }
}

/// The steps of [`HeapSampler::collect_allocations`] besides collecting.
///
/// ```
/// use v8_heap_sampler::CollectOptions;
/// let keep_going = CollectOptions { stop_sampling: false, ..CollectOptions::default() };
/// assert!(keep_going.no_circular);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CollectOptions {
    /// Stops sampling afterwards. Default: yes.
    pub stop_sampling: bool,
    /// Cuts the cycles of the graph that recursion makes. Default: yes.
    pub no_circular: bool,
}

impl Default for CollectOptions {
    fn default() -> Self {
        Self { stop_sampling: true, no_circular: true }
    }
}

impl Deref for HeapSampler<'_> {
    type Target = v8::Isolate;
    fn deref(&self) -> &v8::Isolate {
        self.isolate.as_deref().expect(LENT)
    }
}

impl DerefMut for HeapSampler<'_> {
    fn deref_mut(&mut self) -> &mut v8::Isolate {
        self.isolate()
    }
}

impl Drop for HeapSampler<'_> {
    fn drop(&mut self) {
        if let Some(isolate) = self.isolate.take() {
            self.session.stop_if_possible(isolate);
        }
    }
}

impl fmt::Debug for HeapSampler<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeapSampler").field("session", &self.session).finish_non_exhaustive()
    }
}
