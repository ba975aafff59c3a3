//! Flags of V8's that make figures true, or the same in every run.
//!
//! Flags are the process's, and are frozen when V8 starts: [`set`] them before. The embedder's own
//! are not touched. Several of the constants can be set, one after the other.
//!
//! | flags | for | cost |
//! | --- | --- | --- |
//! | [`NO_ALLOCATION_FOLDING`] | live bytes and objects of optimised code | little, see below |
//! | [`NO_INLINING`] | each function's bytes under its own name | a third, and several times on kernels |
//! | [`NO_ESCAPE_ANALYSIS`] | [`HeapTracker`](crate::HeapTracker) on optimised code | objects that were elided are made |
//! | [`STABLE`] | heap tests: the same bytes in every run | no optimised code |
//! | [`STABLE_OPTIMIZED`] | heap tests of optimised code | one thread |
//!
//! Time on processors against default flags without a sampler, V8 15.2, median and middle half of 9
//! (`bash .ci/fixtures`, then `cargo bench --bench flags`, on a shared machine with 2 processors: what
//! is within the ranges is noise):
//!
//! | program | folding off | inlining off | sampled (512 KiB) | folding off, sampled |
//! | --- | --: | --: | --: | --: |
//! | acorn | 1.10 (0.77 to 1.52) | 1.45 (1.01 to 2.02) | 0.96 (0.78 to 1.78) | 1.22 (1.01 to 1.38) |
//! | handlebars | 1.00 (0.92 to 1.19) | 1.38 (1.20 to 1.62) | 1.00 (0.94 to 1.02) | 1.09 (0.97 to 1.22) |
//! | marked | 1.04 (1.00 to 1.22) | 1.24 (1.06 to 1.51) | 0.95 (0.86 to 1.30) | 1.03 (0.70 to 1.21) |
//! | TypeScript | 1.00 (0.97 to 1.24) | 1.32 (0.99 to 1.33) | 1.16 (1.13 to 1.36) | 1.18 (1.02 to 1.28) |
//! | kernel: objects | 0.99 (0.87 to 1.25) | 1.02 (0.86 to 1.43) | 0.95 (0.91 to 1.43) | 1.04 (1.00 to 1.19) |
//! | kernel: small vectors | 1.17 (0.73 to 1.24) | 4.76 (3.56 to 4.77) | 0.78 (0.71 to 1.15) | 0.97 (0.89 to 1.58) |
//! | kernel: numbers | 0.92 (0.90 to 0.97) | 7.78 (6.89 to 8.40) | 1.01 (0.88 to 1.02) | 0.97 (0.91 to 1.01) |
//! | kernel: iterators | 1.20 (1.02 to 1.29) | 1.04 (0.96 to 1.26) | 1.13 (1.00 to 1.14) | 1.24 (1.12 to 1.40) |
//! | kernel: dispatch | 1.03 (0.89 to 1.11) | 2.47 (2.21 to 2.54) | 1.00 (0.99 to 1.07) | 1.00 (0.76 to 1.08) |
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
