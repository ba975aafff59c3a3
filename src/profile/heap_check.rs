//! What samples say is alive, held against V8's own counters.

use std::fmt;

use super::profile::Profile;
use crate::estimate::{Confidence, Estimate};
use crate::model::{Bytes, HeapGrowth, SampleType};

/// The bytes that are in use by samples, beside the growth of V8's used heap over the same time: see
/// [`Profile::heap_check`].
///
/// Displayed in a line, as `the used heap has grown by 6.4 MB, of which 0.1 MB is compiled code;
/// samples are of 3.1 kB`, with what that means where [both cannot be true](Self::contradiction).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct HeapCheck {
    /// The growth of the heap: V8's counters.
    pub growth: HeapGrowth,
    /// The bytes that are in use, of what was allocated meanwhile, by samples.
    pub in_use: Estimate,
    /// The used heap when sampling started: no more than that can have gone.
    pub used_at_start: Bytes,
}

/// The kind of a contradiction between samples and V8's counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Contradiction {
    /// More is alive than the samples say.
    TooLittle,
    /// Less is alive than the samples say.
    TooMuch,
}

/// The part of the growth that samples may lack beside compiled code: of libraries that load and
/// work, with default flags, they lack some percent at most.
const MAY_LACK: f64 = 0.1;

/// The part of what samples say that may be more than there is: code that is not optimised puts 16
/// bytes behind literals, which samples count as alive.
const MAY_EXCEED: f64 = 0.25;

/// The bytes that V8 may have made for itself.
const V8S_OWN: f64 = 256.0 * 1024.0;

impl HeapCheck {
    /// The contradiction, if samples and counters cannot both be true; `None` if they can.
    ///
    /// What is alive of what was allocated meanwhile is at least the growth of the used heap without
    /// that of compiled code, which samples may not see; and at most the growth and all that was
    /// there before, which may have gone. Samples contradict that if no value in their interval (of
    /// 99.9 %) comes within a tenth of it and a quarter of a megabyte: so much V8 itself may have
    /// made. Code that is not optimised may make samples count a quarter too much.
    ///
    /// Not noticed is what cancels out: one function's objects that are missing, and another's that
    /// are counted for too long.
    pub fn contradiction(&self) -> Option<Contradiction> {
        let HeapGrowth { used, compiled_code } = self.growth;
        let sure = Confidence::new(0.999).expect("between 0 and 1");
        let interval = self.in_use.interval(sure)?;
        let least = (used - compiled_code.max(0)) as f64;
        let most = used as f64 + self.used_at_start.0 as f64;
        if interval.upper < least * (1.0 - MAY_LACK) - V8S_OWN {
            Some(Contradiction::TooLittle)
        } else if interval.lower * (1.0 - MAY_EXCEED) > most + V8S_OWN {
            Some(Contradiction::TooMuch)
        } else {
            None
        }
    }
}

impl fmt::Display for HeapCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |bytes: i64| SampleType::InuseSpace.display(bytes as f64).to_string();
        let HeapGrowth { used, compiled_code } = self.growth;
        write!(f, "the used heap has grown by {}", bytes(used))?;
        if compiled_code > 0 {
            write!(f, ", of which {} is compiled code", bytes(compiled_code))?;
        }
        write!(f, "; in use by samples is {}", self.in_use)?;
        f.write_str(match self.contradiction() {
            None => "",
            Some(Contradiction::TooLittle) => {
                ": objects are missing that optimised code allocated together with others \
                 (v8_flags::NO_ALLOCATION_FOLDING)"
            }
            Some(Contradiction::TooMuch) => {
                ": dead objects count that optimised code allocated together with others \
                 (v8_flags::NO_ALLOCATION_FOLDING)"
            }
        })
    }
}

impl Profile {
    /// The samples of what is in use held against V8's own counters; `None` unless the profile is a
    /// whole one that was collected here with a garbage collection at both ends
    /// ([`SamplerOptions::force_gc`](crate::SamplerOptions#structfield.force_gc)).
    ///
    /// If they [contradict](HeapCheck::contradiction) each other, tables of what is in use say so, and
    /// so does a comment of the profile.
    ///
    /// ```
    /// # #[cfg(any(feature = "v8-150", feature = "v8-152"))] {
    /// use v8_heap_sampler::{HeapSampler, SamplerOptions};
    ///
    /// # let (mut isolate, realm) = fixtures::realm();
    /// let options = SamplerOptions::live_heap().interval_bytes(4096).force_gc(true);
    /// let mut sampler = HeapSampler::with_options(&mut isolate, options)?;
    /// # realm.run(&mut sampler, "a.js", "globalThis.kept = new Array(100000).fill(0); ''");
    /// // ... run JavaScript ...
    /// let check = sampler.profile()?.heap_check().expect("garbage was collected");
    /// println!("{check}");
    /// assert_eq!(check.contradiction(), None);
    /// # }
    /// # Ok::<(), v8_heap_sampler::Error>(())
    /// ```
    pub fn heap_check(&self) -> Option<HeapCheck> {
        let collection = self.collection().filter(|_| !self.is_part())?;
        Some(HeapCheck {
            growth: collection.growth?,
            in_use: self.estimate(SampleType::InuseSpace)?,
            used_at_start: collection.heap_at_start.used,
        })
    }
}
