//! Reasons why an isolate cannot be sampled.

use super::{ProfileError, SamplerOptions};

/// The result of what needs an isolate.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// A reason why an isolate cannot be sampled, or its profile not be taken.
///
/// ```
/// # #[cfg(any(feature = "v8-150", feature = "v8-152"))] {
/// use v8_heap_sampler::{Error, HeapSampler};
///
/// # let mut isolate = fixtures::isolate();
/// match HeapSampler::new(&mut isolate, 0, 64) {
///     Err(error @ Error::Interval { .. }) => println!("{error}"),
///     other => panic!("{other:?}"),
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The sampling interval is 0 (V8 would abort the process) or longer than V8 can sample
    /// without a bias.
    #[error(
        "sampling interval of {interval_bytes} bytes: it must be from {} to {} bytes",
        SamplerOptions::MIN_INTERVAL_BYTES,
        SamplerOptions::MAX_INTERVAL_BYTES
    )]
    Interval {
        /// The interval that was asked for, in bytes.
        interval_bytes: u64,
    },

    /// The stack depth is 0 (V8 would keep no frame) or so great that V8 could overflow the stack.
    #[error(
        "stack depth of {stack_depth} frames: it must be from {} to {} frames",
        SamplerOptions::MIN_STACK_DEPTH,
        SamplerOptions::MAX_STACK_DEPTH
    )]
    StackDepth {
        /// The depth that was asked for, in frames.
        stack_depth: u32,
    },

    /// The isolate's one sampling session is taken: by another sampler, by one that was leaked, or
    /// by DevTools. It goes on untouched.
    #[error(
        "the isolate is being sampled already (by another session, by a leaked HeapSampler, or by \
         DevTools), and V8 has one sampling session per isolate: stop that one first"
    )]
    AlreadySampling,

    /// Sampling had stopped: by an earlier `stop`, or by someone else, such as DevTools. V8 throws
    /// the samples away when that happens, so start again with a new sampler.
    #[error(
        "the isolate is not being sampled any more (stopped before, or by someone else such as \
         DevTools), so there is nothing to collect: start sampling again"
    )]
    NotSampling,

    /// V8 may be in the middle of a garbage collection: it called a callback around one
    /// (`v8::Isolate::add_gc_prologue_callback` and its kin), or a finalizer. JavaScript may not
    /// run there. Nothing was read or changed.
    #[error(
        "the isolate may be in a garbage collection (a callback around one, a finalizer, or \
         wherever JavaScript is disallowed), where V8's sampler can be neither \
         started nor stopped: do so when the callback has returned"
    )]
    InGarbageCollection,

    /// The isolate is not the one that sampling was started on: another was passed to a
    /// [`SamplingSession`](crate::SamplingSession), or it was replaced under a
    /// [`HeapSampler`](crate::HeapSampler) through `DerefMut`, as by `std::mem::swap`.
    #[error(
        "the isolate is not the one that sampling was started on (another was passed to the \
         session, or it was replaced under a HeapSampler, as by std::mem::swap): nothing was read \
         from it or stopped in it"
    )]
    OtherIsolate,

    /// The program is linked with a V8 that this crate has not been checked against.
    #[error("V8 {found} is linked, but this version of v8-heap-sampler supports {supported}")]
    UnsupportedV8 {
        /// What the linked V8 calls itself.
        found: String,
        /// What is supported.
        supported: &'static str,
    },

    /// The samples that V8 returned are not those of this session: somebody else, such as
    /// DevTools, stopped it and started one of their own in its place. Theirs is left alone, also
    /// when the guard is dropped: the isolate stays sampled until they stop, or it is disposed.
    ///
    /// This is noticed by what does not fit: counts that belong to another interval, or node ids
    /// that mean other functions than before. V8 gives sessions no identity, so a session with the
    /// same interval, put in place of one that was never collected, is taken for it.
    #[error(
        "the isolate's sampling session is not the one that was started here ({check}): it was \
         replaced by someone else's, such as DevTools', which is left alone; start again when that \
         one has ended"
    )]
    ForeignSession {
        /// What gave it away.
        check: String,
    },

    /// V8's data does not have the shape that this crate knows, and nothing was read from
    /// it on trust. Please report it, with the V8 version and the target.
    #[error("V8's allocation profile failed a check and was not trusted: {check}")]
    UnexpectedProfile {
        /// Which check failed, with the values it saw.
        check: String,
    },

    /// The optimising compiler may elide objects, and V8's tracker of heap objects crashes the
    /// process when it reads the stack of optimised code that is left while closures are elided.
    #[error(
        "V8's tracker of heap objects can crash the process unless escape analysis is off: set \
         v8_flags::NO_ESCAPE_ANALYSIS, or v8_flags::STABLE, before V8 starts"
    )]
    EscapeAnalysis,

    /// The isolate's heap objects are being tracked: by another tracker, by one that was leaked, or
    /// by DevTools. That goes on untouched.
    #[error(
        "the isolate's heap objects are being tracked already (by another session, by a leaked \
         HeapTracker, or by DevTools; or it is sampled at every byte, which looks the same), and V8 \
         has one tracker per isolate: stop that one first, and start tracking before sampling"
    )]
    AlreadyTracking,

    /// Tracking had stopped: by an earlier `stop`, or by someone else, such as DevTools, who may
    /// have started a tracker of their own, which is left alone.
    #[error(
        "the isolate's heap objects are not being tracked any more (stopped before, or by someone \
         else such as DevTools), so there is nothing to collect: start tracking again"
    )]
    NotTracking,

    /// The heap snapshot that V8 wrote does not have the form that this crate knows. Please report
    /// it, with the V8 version.
    #[error("V8's heap snapshot could not be read: {check}")]
    UnexpectedSnapshot {
        /// What is wrong, and where.
        check: String,
    },

    /// A request to an isolate that runs elsewhere was not served in time: it runs no JavaScript, and
    /// its owner did not poll. Nothing has changed in it, and nothing will.
    #[error(
        "the isolate did not serve the request within {timeout:?}: it runs no JavaScript that could \
         be interrupted, and its owner did not call SamplerRemote::poll (see set_waker)"
    )]
    TimedOut {
        /// The time that the request was given.
        timeout: std::time::Duration,
    },

    /// The isolate that a request was put to has been disposed.
    #[error("the isolate has been disposed: there is nothing to sample any more")]
    IsolateGone,

    /// The isolate's heap limit is watched already. That monitor goes on.
    #[error(
        "the isolate has a HeapLimitMonitor already, and V8 calls one callback near the limit: \
         remove that one first"
    )]
    AlreadyMonitored,

    /// The share of the heap limit at which a monitor is to act is none.
    #[error("a share of {share} of the heap limit: it must be more than 0, and 1 at most")]
    HeapLimitShare {
        /// The share that was asked for.
        share: f64,
    },

    /// V8 has started, and frozen its flags.
    #[error(
        "V8 has started, and its flags are frozen: set {flags} before \
         `v8::V8::initialize` is called"
    )]
    V8HasStarted {
        /// The flags that were to be set.
        flags: String,
    },

    /// This version of V8 does not know flags.
    #[error("V8 does not know the flags {flags}; the others are set")]
    UnknownFlags {
        /// Those that it does not know.
        flags: String,
    },

    /// The samples stand for more than numbers can say exactly.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}
