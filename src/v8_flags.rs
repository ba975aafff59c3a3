//! Flags of V8's that make figures true, or the same in every run.
//!
//! Flags are the process's, and are frozen when V8 starts: [`set`] them before. The embedder's own
//! are not touched. Several of the constants can be set, one after the other.
//!
//! | flags | for | cost |
//! | --- | --- | --- |
//! | [`NO_ALLOCATION_FOLDING`] | live bytes and objects of optimised code | `cargo bench --bench flags` measures it |
//! | [`NO_INLINING`] | each function's bytes under its own name | several times on some programs |
//! | [`NO_ESCAPE_ANALYSIS`] | [`HeapTracker`](crate::HeapTracker) on optimised code | objects that were elided are made |
//! | [`STABLE`] | heap tests: the same bytes in every run | no optimised code |
//! | [`STABLE_OPTIMIZED`] | heap tests of optimised code | one thread |
//!
//! ```
//! use v8_heap_sampler::v8_flags;
//!
//! v8_flags::set(v8_flags::NO_ALLOCATION_FOLDING)?;
//! v8::V8::initialize_platform(v8::new_default_platform(0, false).make_shared());
//! v8::V8::initialize();
//! // From here on it is too late.
//! assert!(v8_flags::set(v8_flags::NO_INLINING).is_err());
//! # Ok::<(), v8_heap_sampler::Error>(())
//! ```

use crate::model::{Error, Result};
use crate::sys;
use crate::v8;

/// Allocation folding off, in both optimising compilers: each object lives and dies by itself.
///
/// With folding, which is V8's default, optimised code allocates neighbouring objects in one go.
/// V8 samples such a group as one object, of all their bytes, that lives for as long as its first
/// member. What is *allocated* is right all the same. What is *in use* is not, in functions of which
/// some objects live on and others do not: a temporary that comes first takes what is kept with it,
/// and one that comes later is kept with what came first.
///
/// `--no-turbo-allocation-folding --maglev-allocation-folding=0`
pub const NO_ALLOCATION_FOLDING: &str =
    "--no-turbo-allocation-folding --maglev-allocation-folding=0";

/// Inlining off, in both optimising compilers: what a function allocates is under its own name.
///
/// With inlining, which is V8's default, it is under the name of the function that it was inlined
/// into, in this and every other tool that asks V8. Numeric code with small methods is several times
/// slower without: for investigations, not for production.
///
/// `--no-turbo-inlining --no-maglev-inlining`
pub const NO_INLINING: &str = "--no-turbo-inlining --no-maglev-inlining";

/// Escape analysis off, in the optimising compiler: [`HeapTracker`](crate::HeapTracker) is safe.
///
/// With escape analysis, which is V8's default, optimised code does not make the objects that it can
/// do without, and makes them up if it is left. V8's tracker can crash the process in that moment.
/// [`STABLE`] makes tracking safe as well.
///
/// `--no-turbo-escape`
pub const NO_ESCAPE_ANALYSIS: &str = "--no-turbo-escape";

/// Flags with which the same work allocates the same, to the byte: in the same isolate once it is warm, in fresh
/// isolates, and in another process.
///
/// For a test binary that needs nothing else. See [`budget`](crate::budget) for what each is for,
/// and for work that must be measured as it is optimised.
///
/// `--single-threaded --disable-optimizing-compilers --random-seed=1`
pub const STABLE: &str = "--single-threaded --disable-optimizing-compilers --random-seed=1";

/// Flags with which all that V8 allocates for optimised code is counted, compiled code included, and
/// each object by itself.
///
/// Amounts are as stable as optimising is: see [`budget`](crate::budget).
///
/// `--single-threaded --no-turbo-allocation-folding --maglev-allocation-folding=0 --random-seed=1`
pub const STABLE_OPTIMIZED: &str = "--single-threaded --no-turbo-allocation-folding \
                                    --maglev-allocation-folding=0 --random-seed=1";

/// Sets flags, separated by spaces, for the whole process.
///
/// # Errors
///
/// [`Error::V8HasStarted`] if V8 has frozen them; none is set then. [`Error::UnknownFlags`] if this
/// version of V8 does not know some; the others are set then.
pub fn set(flags: &str) -> Result<()> {
    if sys::flags_are_frozen() {
        return Err(Error::V8HasStarted { flags: flags.into() });
    }
    // The first is the program's name.
    let words = std::iter::once("v8").chain(flags.split_ascii_whitespace());
    let mut unknown = v8::V8::set_flags_from_command_line(words.map(str::to_owned).collect());
    unknown.remove(0);
    if unknown.is_empty() { Ok(()) } else { Err(Error::UnknownFlags { flags: unknown.join(" ") }) }
}
