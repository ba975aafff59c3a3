//! The profile before the crash: who has filled the heap of an isolate, and from when on.
//!
//! A [`HeapLimitMonitor`] watches an isolate that is being sampled. Near the heap's limit it takes
//! the profile once, gives it to a function or writes it to a file, and then does as it was told:
//! grants the heap one fixed ceiling, terminates the script, or lets V8 end the process. As the heap
//! near its limit has often lost what filled it, profiles of the time before are kept as well.
//!
//! ```
//! # fixtures::init();
//! use v8_heap_sampler::heap_limit::{AtLimit, HeapLimitMonitor, HeapLimitOptions};
//! use v8_heap_sampler::{SamplerOptions, SamplingSession};
//!
//! let mut isolate = v8::Isolate::new(v8::CreateParams::default().heap_limits(0, 32 << 20));
//! let _session = SamplingSession::start(&mut isolate, SamplerOptions::live_heap())?;
//! let options = HeapLimitOptions::new().at_limit(AtLimit::Terminate);
//! let monitor = HeapLimitMonitor::install(&mut isolate, options)?;
//! # let realm = fixtures::Realm::new(&mut isolate);
//! // ... a script that keeps all that it makes ...
//! # let _ = realm.try_run(&mut isolate, "leak.js",
//! #     "const kept = []; (function leak() { for (;;) kept.push({ at: kept.length }); })()");
//! if let Some(report) = monitor.take_report() {
//!     println!("{report}"); // 27.6 MB of 33.6 MB in use: the script was terminated; who has them; ...
//! #   assert!(report.profile.is_ok() && report.to_string().contains("leak leak.js"), "{report}");
//! }
//! # Ok::<(), v8_heap_sampler::Error>(())
//! ```
//!
//! # When it acts
//!
//! Once, at the first of these, and again only after the heap has come down to four fifths of the
//! share:
//!
//! - A garbage collection of the whole heap has left more than a [share](HeapLimitOptions::share) of
//!   the old generation's limit in use. V8 gives up before the limit if collections find next to
//!   nothing ("Ineffective mark-compacts near heap limit"), or where it finds no room for the
//!   survivors of a collection; so this comes earlier. It happens when JavaScript goes on, by an
//!   interrupt, or in [`poll`](HeapLimitMonitor::poll).
//! - V8 has reached the limit and asks for more (`v8::Isolate::add_near_heap_limit_callback`).
//! - What is off the heap, the contents of array buffers and external strings, has passed the
//!   [limit](HeapLimitOptions::external_limit) that was set for it. V8 asks nobody there.
//!
//! # The limit
//!
//! The limit is raised in V8's callback alone, and to one ceiling: the bytes asked for above the
//! limit that V8 had, or above what V8 has taken by then if that is more. Where V8 collects garbage
//! and calls back while the profile is taken, parts of that same ceiling are granted. When the heap
//! has come down, V8 restores the limit that it began with
//! (`v8::Isolate::AutomaticallyRestoreInitialHeapLimit`).
//!
//! # Callbacks of others
//!
//! V8 calls the callback that was added last, and no other. Once the monitor has acted it takes its
//! own away until the heap has come down, so that V8 calls the one that was there before: the
//! embedder's goes on working, only later. One that is added after the monitor is what V8 calls, and
//! the monitor acts at its share all the same.
//!
//! # Memory
//!
//! The profile is taken where there is none left. On V8's heap it needs the names of functions and
//! scripts that V8 has not interned yet: nothing to some kilobytes, once; long names of thousands
//! of scripts come from the ceiling. Off the heap V8 and the crate together need some 350 bytes a
//! calling context while it is taken (`cargo test --test it -- heap_limit::the_capture --nocapture`
//! prints it), and the [profile](crate::Profile) that stays is smaller. Of those from before there
//! are no more than [`history`](HeapLimitOptions::history) allows.

mod file;
mod history;
mod monitor;
mod options;
mod report;

pub use monitor::HeapLimitMonitor;
pub use options::{AtLimit, HeapLimitOptions};
pub use report::{HeapLimitReport, LimitCause};
