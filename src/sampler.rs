//! The guard that samples an isolate.

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::graph::Callgraph;
use crate::model::{Bytes, HeapStatistics, Node, Result, SampleType, SamplerOptions, Timestamp};
use crate::profile::{Collection, Profile};
use crate::sys::{Collected, Session};
use crate::v8;

/// Samples the heap allocations of an isolate for as long as it lives.
///
/// A guard: making one starts V8's sampling heap profiler, dropping it stops it. In between the
/// isolate is borrowed, and the guard lends it out again: it dereferences to [`v8::Isolate`], so
/// `v8::scope!(let scope, &mut *sampler)` opens a scope to run JavaScript in.
///
/// V8 has one sampling session per isolate, which DevTools shares.
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
    isolate: &'a mut v8::Isolate,
    session: Session,
    options: SamplerOptions,
    started: Timestamp,
    heap_at_start: HeapStatistics,
}

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
        let session = Session::start(isolate, &options)?;
        let heap_at_start = heap_statistics(&isolate.get_heap_statistics());
        Ok(Self { isolate, session, options, started: Timestamp::now(), heap_at_start })
    }

    /// The isolate, to run JavaScript with.
    pub fn isolate(&mut self) -> &mut v8::Isolate {
        self.isolate
    }

    /// The options that sampling was started with.
    pub fn options(&self) -> &SamplerOptions {
        &self.options
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
    /// - [`Error::IsolateReplaced`]: the isolate under the guard is not the one it was made with.
    /// - [`Error::ForeignSession`]: somebody else's session runs in place of this one.
    /// - [`Error::UnexpectedProfile`]: what V8 returned failed a check. See there.
    /// - [`Error::InGarbageCollection`]: a callback around a garbage collection is running.
    ///
    /// [`Error::InGarbageCollection`]: crate::Error::InGarbageCollection
    /// [`Error::NotSampling`]: crate::Error::NotSampling
    /// [`Error::IsolateReplaced`]: crate::Error::IsolateReplaced
    /// [`Error::ForeignSession`]: crate::Error::ForeignSession
    /// [`Error::UnexpectedProfile`]: crate::Error::UnexpectedProfile
    pub fn collect_nodes(&mut self) -> Result<Vec<Node>> {
        self.session.collect_nodes(self.isolate)
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
        let collected = Timestamp::now();
        let Collected { tree, samples, own_work, heap } = self.session.collect(self.isolate)?;
        let mut collection = Collection::new(self.options.clone());
        (collection.started, collection.collected) = (self.started, collected);
        (collection.heap_at_start, collection.heap) = (self.heap_at_start, heap_statistics(&heap));
        collection.own_work = own_work;
        Ok(Profile::of_collection(tree, samples, collection)?)
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
    /// [`Collection::heap`]. For "what is alive, and since when" use the other pair: a session that
    /// keeps no dead objects can run for ever and needs no windows. One isolate has one session, so
    /// a server has to choose, or to take turns.
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
        self.session.check_stop(self.isolate)?;
        let window = self.profile()?;
        let heap_at_start = heap_statistics(&self.isolate.get_heap_statistics());
        if self.session.restart(self.isolate, &self.options).is_ok() {
            self.started = Timestamp::now();
            self.heap_at_start = heap_at_start;
        }
        Ok(window)
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
        if options.stop_sampling {
            self.session.check_stop(self.isolate)?;
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
    /// [`Error::IsolateReplaced`](crate::Error::IsolateReplaced) if the isolate under the guard is
    /// not the one it was made with; that isolate's sampler, if it has one, goes on.
    /// [`Error::InGarbageCollection`](crate::Error::InGarbageCollection) where V8 may be collecting
    /// garbage (see [there](Self#gc-callbacks-and-finalizers)); sampling goes on.
    pub fn stop(&mut self) -> Result<()> {
        self.session.stop(self.isolate)
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
        self.isolate
    }
}

impl DerefMut for HeapSampler<'_> {
    fn deref_mut(&mut self) -> &mut v8::Isolate {
        self.isolate
    }
}

impl Drop for HeapSampler<'_> {
    fn drop(&mut self) {
        self.session.stop_or_abandon(self.isolate);
    }
}

impl fmt::Debug for HeapSampler<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeapSampler")
            .field("options", &self.options)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// V8's counters by the names of this crate.
fn heap_statistics(heap: &v8::HeapStatistics) -> HeapStatistics {
    let bytes = |bytes: usize| Bytes(bytes as u64);
    HeapStatistics {
        used: bytes(heap.used_heap_size()),
        total: bytes(heap.total_heap_size()),
        total_executable: bytes(heap.total_heap_size_executable()),
        total_physical: bytes(heap.total_physical_size()),
        available: bytes(heap.total_available_size()),
        limit: bytes(heap.heap_size_limit()),
        malloced: bytes(heap.malloced_memory()),
        peak_malloced: bytes(heap.peak_malloced_memory()),
        external: bytes(heap.external_memory()),
        used_global_handles: bytes(heap.used_global_handles_size()),
        total_global_handles: bytes(heap.total_global_handles_size()),
        allocated_so_far: Bytes(heap.total_allocated_bytes()),
        native_contexts: heap.number_of_native_contexts() as u64,
        detached_contexts: heap.number_of_detached_contexts() as u64,
    }
}
