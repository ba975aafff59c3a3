//! V8's sampling heap profiler for Rust programs that embed V8: which JavaScript function
//! allocates this memory, and which keeps it alive?
//!
//! [`HeapSampler`] is a guard over a [`v8::Isolate`]: while it lives, V8 samples the isolate's
//! allocations, and [`profile`](HeapSampler::profile) hands out a [`Profile`], which answers.
//!
//! ```
//! # #[cfg(any(feature = "v8-150", feature = "v8-152"))] {
//! # fixtures::init();
//! use v8_heap_sampler::{HeapSampler, SampleType, analysis::TopOptions};
//!
//! let isolate = &mut v8::Isolate::new(Default::default());
//! let mut sampler = HeapSampler::new(isolate, 1024, 64)?;
//! {
//!     // The guard is the isolate for as long as it lives.
//!     v8::scope!(let scope, &mut *sampler);
//!     let context = v8::Context::new(scope, Default::default());
//!     let scope = &mut v8::ContextScope::new(scope, context);
//!     let code = "function rows(n) { return Array.from({ length: n }, row); }
//!                 function row() { return new Array(100).fill(0); }
//!                 globalThis.kept = rows(1000);";
//!     let code = v8::String::new(scope, code).unwrap();
//!     v8::Script::compile(scope, code, None).unwrap().run(scope).unwrap();
//! }
//! let profile = sampler.finish()?;
//! let top = profile.top(&TopOptions::new(SampleType::InuseSpace));
//! let top = top.expect("every profile of V8's has it");
//! println!("{top}");
//! assert_eq!(top.rows[0].function.as_ref().unwrap().name, "row"); // 1000 arrays of 800 bytes
//! # }
//! # Ok::<(), v8_heap_sampler::Error>(())
//! ```
//!
//! | question | call |
//! | --- | --- |
//! | who allocates, who holds what is alive? | [`Profile::top`], by function, script, package or label |
//! | how does it come about? | [`top_down`](Profile::top_down), [`bottom_up`](Profile::bottom_up), [`peek`](Profile::peek), [`hot_path`](Profile::hot_path), [`Callgraph`] |
//! | what has changed? | [`Profile::diff`] |
//! | what leaks? | [`Leaks::find`](analysis::Leaks::find) |
//! | is it over budget? | [`mod@budget`], for tests |
//! | what is alive, to the byte, and of which class? | [`HeapTracker`], for tests and investigations |
//! | where in the source? | [`Profile::map_sources`], [`Profile::listing`] |
//! | in which tool can I look at it? | [`mod@format`]: DevTools, `go tool pprof`, speedscope, the Firefox Profiler, Graphviz |
//! | what of a server? | [`HeapSampler::take_window`] |
//! | what of several isolates, threads or machines together? | [`ProfileMerger`], one profile at a time |
//! | what if somebody else has the isolate? | [`SamplingSession`]; from other threads [`SamplerRemote`] and [`SamplerRegistry`] |
//! | who has filled the heap when it is at its limit? | [`mod@heap_limit`] |
//!
//! The two-step way of the Node module `sample-heap-allocations` is there too: flat [`Node`]s
//! ([`HeapSampler::collect_nodes`]), from which [`Profile::from_nodes`] and
//! [`Callgraph::from_nodes`] rebuild the structure.
//!
//! # What sampling means
//!
//! V8 takes a sample every [`interval_bytes`](SamplerOptions#structfield.interval_bytes) bytes on
//! average: a Poisson process over the *bytes allocated*, not over time. An object of `s` bytes is
//! sampled with probability `1 - exp(-s / interval)`, and each sample stands for the objects that
//! were not sampled. So figures are estimates, and this crate never shows one as a count:
//!
//! - Every number is an [`Estimate`], which is unbiased and carries its uncertainty. It is a count,
//!   [`exact`](Estimate::exact), only if every object was sampled ([`SamplerOptions::exact`]), and
//!   there are four of them, named as in pprof ([`SampleType`]): objects and bytes that are in use,
//!   and, if the samples of dead objects were kept, that were allocated.
//! - [`Node`]s have V8's own numbers: whole objects per context and size. Where a context has one
//!   or two samples of a size, as nearly all have in a real program, that is wrong by up to a
//!   third, always in the same direction, for sizes near the interval. See [`Allocation`].
//! - **Only live objects** are in the profile unless [`KeepDead`] says otherwise: V8 drops a sample
//!   when its object is collected. "What is alive" needs the default, "what was allocated"
//!   [`KeepDead::Both`], and for long [windows](HeapSampler::take_window). An object is dead when a
//!   garbage collection has found it so: until then it counts as alive.
//! - **Objects are allocations.** Optimised code allocates neighbouring objects in one go, and V8
//!   samples the group as one object, which is alive as long as its first object is. Allocated
//!   bytes are right, and object counts are low. Bytes in use are not right of functions of which
//!   some objects live on and others do not. [`v8_flags::NO_ALLOCATION_FOLDING`] switches that off,
//!   but for what built-in functions allocate together (an array and its elements).
//! - **V8's counters stand beside what is in use**: [`Profile::heap_check`], where garbage is collected
//!   before each profile. Tables, differences and leaks say where the samples cannot be true.
//! - **Stacks that were cut** hang below `(cut)` ([`Profile::cut_stacks`]), and tables say how many bytes:
//!   the totals of callers lack them. [`SamplerOptions::stack_depth`](SamplerOptions#structfield.stack_depth)
//!   is 1024 by default, which cuts next to none.
//! - **Inlined functions are part of their caller.** V8 sees the frames that there are: what a
//!   function allocates that the optimising compiler has inlined is charged to the function that it
//!   was inlined into, from when it is compiled. ([`v8_flags::NO_INLINING`] switches that off.)
//! - **Lines are where functions start**, not where they allocate: V8 does not record that.
//! - **The JavaScript heap only.** Off-heap memory is in [`HeapStatistics`], by no function.
//! - **V8's own work for a profile** (it interns names and notes the lines of scripts on the heap)
//!   is told apart and left out: [`OwnWork`].
//!
//! # Where V8 departs from the model
//!
//! On one thread, and in exact mode, V8's sampler sees every byte that its own allocation counter
//! counts, whatever allocates: objects, strings, large objects, compiled code, new contexts. The
//! crate's tests (`cargo test --test model`) hold it to that, and show the exceptions:
//!
//! - **Background threads.** What V8's compiler threads allocate is never sampled; it is in
//!   [`Collection::allocated`].
//! - **Intervals of 2 to some hundred bytes** are biased, as V8 rounds the distance to the next
//!   sample down: estimates are too high by up to 2.3 % (at 16 bytes), by 1.2 % at 64, and by at
//!   most 0.1 % from 1 KiB on. An interval of 1 is not affected.
//! - **Intervals above 128 MiB** are refused: V8 cuts the distance to 2 GiB.
//! - **Sizes are those at allocation.** An array that was shortened, or an object whose unused
//!   slots V8 has cut off, counts in full for as long as it lives, and so do the 16 bytes that code
//!   which is not optimised puts behind object and array literals (an allocation memento).
//!   [`HeapTracker`] has true sizes.
//! - **Exact mode has what was asked for.** Built-in functions, and optimised code with folding on, ask
//!   for as much as the longest way through them needs. Where every object is sampled that counts:
//!   [`budget`] has figures.
//! - **Off the heap** are the contents of array buffers and external strings, and of typed arrays,
//!   however small, in the V8 that the crate `v8` links. They are in
//!   [`HeapStatistics::external`].
//!
//! # Terms
//!
//! - A **calling context** is a function as it was reached from the root by one path of calls: one
//!   [`Context`]. The same function reached by two paths is two contexts.
//! - The **call tree** keeps every context apart. It is what V8 records and what a flame graph
//!   draws: the [`Profile`] itself, from [`root`](Profile::root) on.
//! - The **call graph** has one vertex per function and one edge per pair of caller and callee.
//!   Recursion makes cycles in it: [`Callgraph`].
//! - **Self** is what a context or function allocated itself; **total** (inclusive) adds what it
//!   called. A function that stands on a stack more than once still counts a sample once.
//! - A **back edge** is a call that leads to a function which is being visited already, in a
//!   depth-first walk from the root: cutting them leaves a graph without cycles.
//!
//! # Features
//!
//! - `v8-152` (default), `v8-150`: collecting from an isolate of that version of the crate `v8`,
//!   which is [`v8`] here. If both are on, it is the newest. With neither
//!   (`default-features = false`) everything works but collecting: profiles that were written
//!   elsewhere, by this crate or by Node, Deno, Chrome or Go, can be read, rebuilt and looked at in
//!   tools that embed no V8.
//! - `formats`: reading profiles; writing pprof, flame graphs and the Firefox Profiler's format.
//!   The other [formats](mod@format) are written without it.
//! - `regex`: [`analysis::Pattern::regex`].
//! - `sourcemap`: source maps, [`Profile::map_sources`].

#![deny(missing_docs, missing_debug_implementations)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The documentation speaks of the sampler and of all formats whether or not they are compiled in.
#![cfg_attr(
    not(all(
        any(feature = "v8-150", feature = "v8-152"),
        feature = "formats",
        feature = "regex",
        feature = "sourcemap"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]

pub mod analysis;
pub mod budget;
mod estimate;
pub mod format;
mod graph;
#[cfg(any(feature = "v8-150", feature = "v8-152"))]
pub mod heap_limit;
mod model;
mod profile;
#[cfg(any(feature = "v8-150", feature = "v8-152"))]
mod remote;
#[cfg(any(feature = "v8-150", feature = "v8-152"))]
mod sampler;
#[cfg(any(feature = "v8-150", feature = "v8-152"))]
mod snapshot;
pub mod source;
mod stats;
#[cfg(any(feature = "v8-150", feature = "v8-152"))]
mod sys;
mod text;
#[cfg(any(feature = "v8-150", feature = "v8-152"))]
mod tracker;
mod tree;
#[cfg(any(feature = "v8-150", feature = "v8-152"))]
pub mod v8_flags;

pub use estimate::{Confidence, ConfidenceInterval, Estimate, Overhead, Precision, Uncertainty};
pub use graph::{Callgraph, FunctionNode};
pub use model::{
    Allocation, AnalysisError, Bytes, Counted, Error, Function, HeapGrowth, HeapStatistics,
    KeepDead, Name, Node, NodeId, Objects, Original, ProfileError, PseudoFrame, Sample, SampleId,
    SampleType, SamplerOptions, ScriptId, Timestamp,
};
pub use petgraph;
pub use profile::{
    Collection, Context, Contexts, Contradiction, HeapCheck, Label, LabelValue, Metadata,
    OrdinalSample, OwnWork, Profile, ProfileMerger, Row,
};
#[cfg(any(feature = "v8-150", feature = "v8-152"))]
pub use remote::{Gathered, Request, SamplerRegistry, SamplerRemote};
#[cfg(any(feature = "v8-150", feature = "v8-152"))]
pub use sampler::{CollectOptions, HeapSampler, SamplingSession};
#[cfg(any(feature = "v8-150", feature = "v8-152"))]
pub use tracker::{HeapTracker, TrackingSession};
#[cfg(all(feature = "v8-150", not(feature = "v8-152")))]
pub use v8_150 as v8;
#[cfg(feature = "v8-152")]
pub use v8_152 as v8;

/// The README's example is a test.
#[cfg(all(doctest, any(feature = "v8-150", feature = "v8-152")))]
#[doc = include_str!("../README.md")]
struct Readme;

/// The guide's examples are tests.
#[cfg(all(doctest, any(feature = "v8-150", feature = "v8-152")))]
#[doc = include_str!("../docs/not-your-isolate.md")]
struct NotYourIsolate;
