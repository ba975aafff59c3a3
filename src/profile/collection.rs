//! The circumstances in which a profile was collected here.

use serde::{Deserialize, Serialize};

use super::profile::Metadata;
use crate::model::{
    Bytes, HeapGrowth, HeapStatistics, Objects, SampleType, SamplerOptions, Timestamp,
};

/// The circumstances in which a profile was collected: options, times, the isolate's heap as a
/// whole, and what V8's own work for profiles took.
///
/// ```
/// # #[cfg(any(feature = "v8-150", feature = "v8-152"))] {
/// use v8_heap_sampler::{HeapSampler, SamplerOptions};
///
/// # let (mut isolate, realm) = fixtures::realm();
/// let mut sampler = HeapSampler::with_options(&mut isolate, SamplerOptions::exact())?;
/// # realm.run(&mut sampler, "a.js", "globalThis.kept = new Array(10000).fill(0); ''");
/// // ... run JavaScript ...
/// let profile = sampler.profile()?;
/// let collection = profile.collection().expect("it was collected here");
/// println!("{} on the heap, {} off it", collection.heap.used, collection.heap.off_heap());
/// println!("{} were allocated", collection.allocated());
/// # }
/// # Ok::<(), v8_heap_sampler::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collection {
    /// The options that were in force.
    pub options: SamplerOptions,
    /// The moment when sampling, or this window of it, started.
    pub started: Timestamp,
    /// The moment when the profile was collected.
    pub collected: Timestamp,
    /// The isolate's heap when sampling, or this window of it, started.
    pub heap_at_start: HeapStatistics,
    /// The isolate's heap when the profile was collected, before V8 built it, and after the GC that
    /// [`force_gc`](SamplerOptions#structfield.force_gc) forces.
    pub heap: HeapStatistics,
    /// The isolate's heap before that GC, garbage included; `None` where none was forced.
    pub heap_before_gc: Option<HeapStatistics>,
    /// The growth of the heap since sampling, or this window of it, started, with a full GC on both
    /// sides; `None` unless both were forced by [`force_gc`](SamplerOptions#structfield.force_gc).
    pub growth: Option<HeapGrowth>,
    /// The bytes that were allocated on the heap, by its growth between garbage collections; `None`
    /// where that was not watched. See [`allocated`](Self::allocated).
    pub growth_between_gcs: Option<Bytes>,
    /// The bytes that the same work allocated in a run before that nobody sampled:
    /// [`Measurement::unsampled`](crate::budget::Measurement::unsampled).
    pub unsampled: Option<Bytes>,
    /// V8's own work for profiles, which is in no context and no sample.
    pub own_work: OwnWork,
}

impl Collection {
    /// A collection with `options` that starts and ends now, of an unknown heap.
    #[must_use]
    pub fn new(options: SamplerOptions) -> Self {
        let now = Timestamp::now();
        Self {
            options,
            started: now,
            collected: now,
            heap_at_start: HeapStatistics::default(),
            heap: HeapStatistics::default(),
            heap_before_gc: None,
            growth: None,
            growth_between_gcs: None,
            unsampled: None,
            own_work: OwnWork::default(),
        }
    }

    /// The metadata of what was collected.
    pub(crate) fn metadata(&self) -> Metadata {
        Metadata {
            interval: Some(Bytes(self.options.interval_bytes)),
            started: Some(self.started.wall),
            duration: Some(self.collected.since(&self.started)),
            default_sample_type: Some(SampleType::InuseSpace),
            ..Metadata::default()
        }
    }

    /// Whether V8 has filled it, and not whoever made a profile of samples.
    pub(crate) fn is_of_v8(&self) -> bool {
        self.heap != HeapStatistics::default()
    }

    /// What is said of memory off the heap that objects on it keep alive, where it is much.
    pub(crate) fn note_of_external(&self) -> Option<String> {
        const MUCH: Bytes = Bytes(1_000_000);
        let HeapStatistics { external, used, .. } = self.heap;
        let is_much = external >= MUCH && external.0 >= used.0 / 10;
        is_much.then(|| {
            format!(
                "besides, {external} are off the heap, in array buffers and external strings, by no \
                 function"
            )
        })
    }

    /// The bytes that were allocated on the JavaScript heap between start and collection, by V8's
    /// counters: by no function in particular, those of the compilers' background threads included.
    ///
    /// The lesser of two that are both too high. V8's
    /// [counter](HeapStatistics#structfield.allocated_so_far) adds up large objects, and of all others
    /// the buffers that they are allocated in, whole, when one is begun (`MainAllocator::ResetLab`): in
    /// an isolate that does little these are most of it. The [growth](Self::growth_between_gcs) of the used heap
    /// between garbage collections has the ends of pages in it that no object fits in, and the buffers
    /// that background threads are using at the moment.
    ///
    /// So it is a count where every object is sampled ([`SamplerOptions::exact`]), as buffers then hold
    /// one object, and V8 runs on one thread.
    pub fn allocated(&self) -> Bytes {
        let (before, after) = (self.heap_at_start.allocated_so_far, self.heap.allocated_so_far);
        let counted = Bytes(after.0.saturating_sub(before.0));
        self.growth_between_gcs.map_or(counted, |watched| watched.min(counted))
    }
}

/// V8's own work for profiles, as far as it was sampled.
///
/// V8 interns names, and finds the lines of each script, on the JavaScript heap while it builds a
/// profile, and it samples that like any allocation: at the stack from which the profile was asked
/// for, so that it would look like the doing of the function there. It is told apart and left out.
/// Some of it stays alive for as long as the script: it is part of [`HeapStatistics::used`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OwnWork {
    /// Sampled objects that were left out, of this collection and the earlier ones of the session
    /// or window: exact, and samples, not the objects they stand for.
    pub samples: Objects,
    /// The bytes of these samples.
    pub bytes: Bytes,
    /// Samples that may be V8's own work as well and count as the program's, at most: a callback of
    /// the program's around a garbage collection made handles meanwhile, and the two could not be
    /// told apart.
    pub in_doubt: Objects,
}
