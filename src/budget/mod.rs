//! Heap tests: what a script may allocate and retain, as a test that fails with the names of those
//! who took more.
//!
//! [`MeasureOptions::measure`] runs work in an isolate and counts what it allocates, and what of
//! that is alive after a full garbage collection; a [`Budget`] says how much that may be;
//! [`Measurement::assert`] fails the test if it is more, and [`Measurement::check`] tells as an
//! error what is over and by whom. All of it can be written by serde and read back.
//!
//! ```standalone_crate
//! # #[cfg(any(feature = "v8-150", feature = "v8-152"))] {
//! use v8_heap_sampler::budget::{Budget, MeasureOptions};
//!
//! # fixtures::init_with_flags(v8_heap_sampler::v8_flags::STABLE);
//! # let (mut isolate, realm) = fixtures::realm();
//! # realm.run(&mut isolate, "app.js", "
//! #     var page;
//! #     function renderRow(i) { return { i, cells: [i, i] }; }
//! #     function render() { page = Array.from({ length: 100 }, (_, i) => renderRow(i)); }");
//! # let render = realm.function(&mut isolate, "render");
//! let options = MeasureOptions::exact().warm_up(20);
//! let (_, measurement) = options.measure(&mut isolate, |isolate| {
//!     // ... call the script's function `render` ...
//! #   realm.call(isolate, &render);
//! })?;
//!
//! measurement.assert([
//!     Budget::all().allocated_bytes(100_000),
//!     Budget::total("render").retained_bytes(50_000),
//!     Budget::own("renderRow").allocated_objects(300),
//! ]);
//!
//! let over = measurement.check(Budget::all().retained_objects(10)).unwrap_err();
//! println!("{over}");
//! assert!(over.to_string().contains("retained in all"));
//! # }
//! # Ok::<(), v8_heap_sampler::Error>(())
//! ```
//!
//! The message of the last check, when `render` keeps 100 rows of three objects, reads
//!
//! ```text
//! heap budget not kept
//! - retained in all: 401 objects of 16,080 bytes, budget 10 objects
//!     300 objects of 12,000 bytes  renderRow app.js:3:23
//!         called by (anonymous) app.js:4:72
//!         called by from
//!         called by render app.js:4:25
//!     ...
//! ```
//!
//! # Counts and estimates
//!
//! In exact mode, [`MeasureOptions::exact`], amounts are counts
//! ([`Estimate::exact`](crate::Estimate::exact)).
//!
//! - **Allocated** is what V8 samples at an interval of 1 byte: every object. (It misses one of 16
//!   bytes, the smallest there is, once in nine million.) Code that is not optimised puts 16 bytes
//!   behind object and array literals, for V8 to learn where they are made: they are allocated.
//! - **Retained** is what V8's [tracker](crate::HeapTracker) finds alive: each object with the size
//!   that it has, its class, and its function. In all that is what V8's used heap has grown by, to
//!   the byte, if the work removes nothing that was there before (`cargo test --test budget --
//!   tracking --nocapture` prints both for objects, arrays, classes, closures, strings, maps, dates,
//!   promises, JSON, and arrays that shrink).
//!
//! JavaScript that allocates much runs 20 to 50 times slower, and a measurement takes a heap
//! snapshot. In V8 15.2 the allocated bytes of a few built-in functions are more than when nobody
//! looks: of `filter`, `Object.groupBy` and `Map.groupBy` 16 bytes a call, of `new Map(iterable)` 8
//! or 32. Their code asks for as much as the longest way through it needs, and takes what it does need (`MemoryLowering` in
//! V8's compiler). Only what asks V8's runtime is sampled, which every request does here, and a
//! sample is of what was asked for. (`cargo run --release -p v8-heap-sampler-trials --bin builtins`
//! runs 248 built-in functions, and prints what they allocate in exact mode, sampled, and by the growth
//! of the heap without a sampler. The others agree within 0.5 %.) After a warm-up
//! [`Measurement::unsampled`] has the truth in all, and a budget of all counts it.
//!
//! V8 must be told before it starts that its tracker may be used, by
//! [`v8_flags::STABLE`](crate::v8_flags::STABLE) or
//! [`v8_flags::NO_ESCAPE_ANALYSIS`](crate::v8_flags::NO_ESCAPE_ANALYSIS); there is no other danger in
//! it, see [there](crate::HeapTracker#escape-analysis). Where it was not told, retained objects are
//! those of the samples that are alive, with the sizes that they were allocated with: more than they
//! have where they were shortened or V8 put something behind them, and, in optimised code, not the
//! right ones. [`Measurement::is_tracked`] tells which it is.
//!
//! In sampled mode, [`MeasureOptions::sampled`], amounts are estimates with their uncertainty, and
//! retained ones of allocated sizes, as above; a limit is exceeded if the truth is surely above, or
//! with [`Budget::strict`] if it is not surely within. [`Measurement::is_exact`] tells counts from
//! estimates.
//!
//! [`Measurement::profile`] has all of it for every view and format: by script, for instance, or
//! what is retained by class.
//!
//! ```standalone_crate
//! # #[cfg(any(feature = "v8-150", feature = "v8-152"))] {
//! use v8_heap_sampler::SampleType;
//! use v8_heap_sampler::analysis::{GroupBy, TopOptions};
//! use v8_heap_sampler::budget::MeasureOptions;
//!
//! # fixtures::init_with_flags(v8_heap_sampler::v8_flags::STABLE);
//! # let (mut isolate, realm) = fixtures::realm();
//! let (_, measurement) = MeasureOptions::exact().measure(&mut isolate, |isolate| {
//!     // ... call a function of the script's ...
//! #   realm.run(isolate, "app.js", "globalThis.kept = [new Date(), new Map(), new Map()]; ''");
//! })?;
//! let by_class = TopOptions::new(SampleType::InuseObjects).by(GroupBy::Label("class".into()));
//! let classes = measurement.profile().top(by_class).expect("a measurement has all four values");
//! let maps = classes.rows.iter().find(|row| row.name == "Map").expect("there are some");
//! assert_eq!(maps.own.exact(), Some(2));
//! # }
//! # Ok::<(), v8_heap_sampler::Error>(())
//! ```
//!
//! # What is counted
//!
//! - **All that is allocated on the JavaScript heap** while the work runs, whoever asks for it:
//!   [`Measurement::total`]. On one thread that is what V8's own counter counts, to the byte; what
//!   background threads allocate, compiled code mostly, is [`Measurement::not_sampled`].
//! - With a JavaScript function on the stack it is **that function's**, and its callers' in total,
//!   be it objects that the function makes, or what V8 needs to run it: when a function is first
//!   called it is compiled, and room is made for what V8 will learn about it. A
//!   [warm-up](MeasureOptions::warm_up) takes that out.
//! - With none it is a **pseudo frame's**: compiling a script is `(BYTECODE_COMPILER)`'s, making
//!   strings through the API `(V8 API)`'s. [`Measurement::pseudo_frame`] has each,
//!   [`Measurement::outside_javascript`] all, [`Measurement::javascript`] the rest, of which
//!   [`Budget::javascript`] is a budget. To leave out the compiling of a script, compile it before,
//!   and let the work call its functions.
//! - **Retained** is what is alive at the end, of what was allocated by the work; what the work
//!   removed of older things is not taken off. What it put in place of things that are as large
//!   counts in full. What V8 made of its own accord while no JavaScript ran is the root's, but for
//!   what the embedder made, which is `(V8 API)`'s: V8's tracker tells no more of it.
//! - Retained objects are known by the innermost 64 frames of their stacks, and by the whole stack
//!   where samples show which it was. [`Violation::CutStacks`] says where that cannot be told.
//! - **Not counted** is what lies off the heap, such as the contents of array buffers
//!   ([`Collection::heap`](crate::Collection#structfield.heap) has it for the whole isolate), and
//!   the peak in between.
//! - **Objects that were allocated are allocations.** Optimised code allocates neighbouring objects in
//!   one go, and built-in functions an array and its elements: limit bytes, or set the flags below.
//!   Objects that are retained are objects.
//!
//! # The same numbers each time
//!
//! JavaScript does not allocate the same each time. The first run of a function compiles it; until
//! V8 has seen it a few times there is no feedback vector, and inline caches grow in it when new
//! kinds of objects come by; from the interpreter it moves to a baseline compiler, Sparkplug, and
//! to the optimising ones, Maglev and TurboFan, which make code objects, *remove* allocations of
//! objects that do not escape, allocate neighbouring ones in one go, and go back when their guess
//! was wrong. They work on background threads, whose allocations are not sampled, and finish when
//! they will. Weak caches empty, unused bytecode is flushed, and arrays learn how large to be, when
//! a garbage collection comes by. And scripts use random numbers.
//!
//! V8's flags can take that away. They are the process's and must be set before V8 starts, so heap
//! tests are a test binary of their own, which first calls
//! `v8_flags::set(v8_flags::STABLE)`. With V8 15.2 on Linux x86-64, ten
//! runs in each of three isolates after a warm-up of 20 are so far apart (`cargo test --test budget
//! -- --nocapture` prints it for the small scripts):
//!
//! | | [`STABLE`](crate::v8_flags::STABLE) | [`STABLE_OPTIMIZED`](crate::v8_flags::STABLE_OPTIMIZED) | none |
//! | --- | --- | --- | --- |
//! | small scripts: objects, maps, classes, strings, promises; bytes allocated | the same | 0 to 2 % apart | 0 to 7 % |
//! | the same, bytes retained | the same | 0 to 5 % | 0 to 7 %, once 80 % of 7 kB |
//! | the same, objects | the same | 0 to 0.6 % | up to four times: allocated in one go or not |
//! | the parser acorn, 650 kB; bytes allocated | the same | 5 % | 0.5 %, and 100 kB to 1 MB not sampled |
//! | the same, bytes retained | the same | 1.1 % | 0.6 % |
//! | in another process | the same, also without warm-up | small scripts: the same | as between isolates |
//!
//! So the flags of [`v8_flags::STABLE`](crate::v8_flags::STABLE) and what they are for:
//!
//! - `--disable-optimizing-compilers` is what makes the difference: the interpreter and the
//!   baseline compiler allocate each object that the script makes, each time and by itself.
//! - `--random-seed=1` matters to scripts that use random numbers: they are the same in every
//!   process. In one isolate they go on, so that runs still differ. It also decides which objects
//!   are sampled in sampled mode.
//! - `--single-threaded` made no difference beside the first flag. It stays, because V8 may come to
//!   do more on threads whose allocations nobody sees.
//!
//! Tried and found to make no difference beside these: `--no-sparkplug`, `--no-flush-bytecode`, and
//! `--no-lazy-feedback-allocation`, with which acorn is steady two runs earlier. Tried without the
//! first, and found not to help: `--predictable`, `--no-use-osr`, `--random-seed`, `--hash-seed`.
//!
//! A warm-up still matters: acorn allocates some 925 kB when it first parses, and 645,688 bytes in
//! each of 40 runs after a warm-up of 20. [`Runs::steady`] says whether work has come to its steady
//! state.
//!
//! Without flags, leave room: for small amounts a factor of two, as one array that V8 makes for
//! itself may be as large as all that a small script retains. Budgets are for what grows with the
//! work.

mod amounts;
mod check;
mod limits;
#[cfg(any(feature = "v8-150", feature = "v8-152"))]
mod measure;
mod measurement;
mod runs;

pub use amounts::Amounts;
pub use check::{OverBudget, Scope, Violation};
pub use limits::Budget;
#[cfg(any(feature = "v8-150", feature = "v8-152"))]
pub use measure::{MeasureOptions, Measuring};
pub use measurement::{FunctionAmounts, Measurement};
pub use runs::Runs;
