//! The isolates of a process.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::sampler_remote::SamplerRemote;
use crate::model::Error;
use crate::profile::{Label, Profile};
use crate::v8;

/// The isolates of a process, whose profiles one call gathers.
///
/// An isolate is registered on its own thread, with labels that tell it from the others. From then
/// on any thread can [`gather`](Self::gather) the profiles of all: busy isolates are interrupted,
/// idle ones are served when their owners call [`SamplerRemote::poll`]. An isolate that has gone or
/// is stuck holds up none of the others.
///
/// ```
/// use std::time::Duration;
/// use v8_heap_sampler::{Label, Profile, SampleType, SamplerOptions, SamplerRegistry};
///
/// let registry = SamplerRegistry::default();
/// // On the thread of each isolate:
/// # let (mut isolate, realm) = fixtures::realm();
/// let remote = registry.register(&mut isolate, [Label::text("tenant", "42")]);
/// let session = v8_heap_sampler::SamplingSession::start(&mut isolate, SamplerOptions::exact())?;
/// # realm.run(&mut isolate, "a.js", "globalThis.kept = new Array(10000).fill(0); ''");
/// // ... in its event loop ...
/// # let gathering = std::thread::spawn(move || {
/// #   let gathered =
/// // Anywhere:
/// registry.gather(Duration::from_secs(10))
/// # ; gathered });
/// # while !gathering.is_finished() {
/// remote.poll(&mut isolate)?;
/// # }
/// # let gathered = gathering.join().unwrap();
/// for (labels, error) in &gathered.missing {
///     eprintln!("no profile of {labels:?}: {error}");
/// }
/// let all = Profile::merge(&gathered.profiles).expect("one at least");
/// # assert!(gathered.missing.is_empty());
/// # assert!(all.total(SampleType::InuseSpace) > Some(80_000.0));
/// # Ok::<(), v8_heap_sampler::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct SamplerRegistry {
    remotes: Arc<Mutex<Vec<SamplerRemote>>>,
}

/// The profiles that [`SamplerRegistry::gather`] got, and those that it did not get.
#[derive(Debug)]
#[non_exhaustive]
pub struct Gathered {
    /// The profiles, each with the labels of its isolate, in the order of registration.
    pub profiles: Vec<Profile>,
    /// The labels of the isolates that there is no profile of, with the reason:
    /// [`Error::NotSampling`], [`Error::TimedOut`] for one that is stuck or idle, and
    /// [`Error::IsolateGone`], once, for one that has been disposed.
    pub missing: Vec<(Vec<Label>, Error)>,
}

impl SamplerRegistry {
    /// Registers an isolate with labels, and hands out its remote control; registered already, it
    /// gets the labels as well. It leaves the registry when it is disposed.
    pub fn register(
        &self,
        isolate: &mut v8::Isolate,
        labels: impl IntoIterator<Item = Label>,
    ) -> SamplerRemote {
        let remote = SamplerRemote::of(isolate);
        labels.into_iter().for_each(|label| remote.add_label(label));
        let mut remotes = self.lock();
        if !remotes.iter().any(|other| other.is_same(&remote)) {
            remotes.push(remote.clone());
        }
        remote
    }

    /// Removes an isolate from the registry; its remote control works as before.
    pub fn remove(&self, remote: &SamplerRemote) {
        self.lock().retain(|other| !other.is_same(remote));
    }

    /// The remote controls of the isolates, in the order of registration: to start and stop
    /// sampling in them, or to gather profiles asynchronously.
    pub fn remotes(&self) -> Vec<SamplerRemote> {
        self.lock().clone()
    }

    /// The profiles of all isolates, as far as they come in time: all are asked at once.
    ///
    /// To be called on a thread that has none of the isolates, as it waits for them.
    pub fn gather(&self, timeout: Duration) -> Gathered {
        let asked: Vec<_> = self
            .remotes()
            .into_iter()
            .map(|remote| {
                let profile = remote.profile(timeout);
                (remote, profile)
            })
            .collect();
        let mut gathered =
            Gathered { profiles: Vec::with_capacity(asked.len()), missing: Vec::new() };
        for (remote, profile) in asked {
            match profile.wait() {
                Ok(profile) => gathered.profiles.push(profile),
                Err(error) => gathered.missing.push((remote.labels(), error)),
            }
        }
        self.lock().retain(|remote| !remote.is_closed());
        gathered
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<SamplerRemote>> {
        self.remotes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SamplerRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.remotes()).finish()
    }
}
