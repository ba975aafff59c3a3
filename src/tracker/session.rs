//! A tracking session that has no isolate of its own.

use crate::model::{Result, SamplerOptions, Timestamp};
use crate::profile::{Collection, Profile};
use crate::sys::{TrackedHeap, Tracking};
use crate::v8;

/// A tracking session that does not borrow its isolate: each call takes it.
///
/// To a [`HeapTracker`](crate::HeapTracker), whose documentation holds here, it is what a
/// [`SamplingSession`](crate::SamplingSession) is to a [`HeapSampler`](crate::HeapSampler). Each call
/// checks that the isolate is the one that the session was started on. A session that is dropped
/// leaves V8 tracking until the next one is started on the isolate, or the isolate is disposed: call
/// [`stop`](Self::stop).
///
/// ```standalone_crate
/// # fixtures::init_with_flags(v8_heap_sampler::v8_flags::STABLE);
/// use v8_heap_sampler::{SampleType, TrackingSession};
///
/// # let (mut isolate, realm) = fixtures::realm();
/// let session = TrackingSession::start(&mut isolate)?;
/// # realm.run(&mut isolate, "a.js", "globalThis.kept = Array.from({ length: 100 }, () => ({}));");
/// // ... whoever has the isolate runs JavaScript ...
/// let profile = session.finish(&mut isolate)?;
/// println!("{}", profile.top(SampleType::InuseSpace).expect("it has what is in use"));
/// # Ok::<(), v8_heap_sampler::Error>(())
/// ```
#[derive(Debug)]
pub struct TrackingSession(Tracking);

impl TrackingSession {
    /// Whether tracking can be started now.
    pub(crate) fn check_start(isolate: &mut v8::Isolate) -> Result<()> {
        Tracking::check_start(isolate)
    }

    /// Starts tracking, after a full garbage collection.
    ///
    /// # Errors
    ///
    /// As [`HeapTracker::new`](crate::HeapTracker::new).
    pub fn start(isolate: &mut v8::Isolate) -> Result<Self> {
        Tracking::start(isolate).map(Self)
    }

    /// The objects that were allocated since tracking began, and are alive after a full garbage
    /// collection. Tracking goes on.
    ///
    /// # Errors
    ///
    /// As [`HeapTracker::profile`](crate::HeapTracker::profile), and
    /// [`Error::OtherIsolate`](crate::Error::OtherIsolate).
    pub fn profile(&self, isolate: &mut v8::Isolate) -> Result<Profile> {
        let TrackedHeap { snapshot, last_id_before, own_id, started, heap_at_start, heap } =
            self.0.collect(isolate)?;
        let options = SamplerOptions::exact().stack_depth(Profile::TRACKED_FRAMES).force_gc(true);
        let mut collection = Collection::new(options);
        (collection.started, collection.collected) = (started, Timestamp::now());
        (collection.heap_at_start, collection.heap) = (heap_at_start, heap);
        Ok(snapshot.profile(|id| id > last_id_before && id != own_id, collection)?)
    }

    /// Stops tracking.
    ///
    /// # Errors
    ///
    /// [`Error::NotTracking`](crate::Error::NotTracking) if it had been stopped,
    /// [`Error::OtherIsolate`](crate::Error::OtherIsolate), or
    /// [`Error::InGarbageCollection`](crate::Error::InGarbageCollection).
    pub fn stop(&self, isolate: &mut v8::Isolate) -> Result<()> {
        self.0.stop(isolate)
    }

    /// Collects the profile and stops tracking.
    ///
    /// # Errors
    ///
    /// As [`profile`](Self::profile); tracking goes on in that case.
    pub fn finish(self, isolate: &mut v8::Isolate) -> Result<Profile> {
        let profile = self.profile(isolate)?;
        self.stop_if_possible(isolate);
        Ok(profile)
    }

    /// Stops tracking silently, if that is possible now.
    pub(crate) fn stop_if_possible(&self, isolate: &mut v8::Isolate) {
        self.0.stop_if_possible(isolate);
    }
}
