//! The whole profile: all that a collection yields.

use std::collections::HashSet;
use std::time::Duration;

use foldhash::fast::RandomState;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    Bytes, HeapStatistics, KeepDead, Node, NodeId, Objects, Sample, SampleId, SamplerOptions,
    Timestamp,
};

/// All that a collection yields: nodes, samples, options, times, and the heap as a whole.
///
/// The samples are what V8 saw; [`estimates`](Self::estimates) says what they stand for, and how
/// sure that is. The nodes carry V8's own rounded counts beside it ([`Node::v8_estimate`]).
///
/// # serde
///
/// Written with a `version`, 1, in front, and its fields; read back with the checks of
/// [`check`](Self::check). Another version in front is an error that says so. Every field must be
/// there, those of the options and of the heap included: what is missing is not made up.
///
/// ```
/// # #[cfg(any(feature = "v8-150", feature = "v8-152"))] {
/// use v8_heap_sampler::{HeapSampler, KeepDead, Profile, SamplerOptions};
///
/// # let (mut isolate, realm) = fixtures::realm();
/// let options = SamplerOptions::new().interval_bytes(1024).keep_dead(KeepDead::Both);
/// let mut sampler = HeapSampler::with_options(&mut isolate, options)?;
/// # realm.run(&mut sampler, "a.js", "globalThis.kept = new Array(10000).fill(0); ''");
/// // ... run JavaScript ...
/// let profile = sampler.collect_profile()?;
/// println!("{} on the heap, {} off it", profile.heap.used, profile.heap.off_heap());
///
/// let total = profile.estimates()?.total();
/// println!("{} live", total.inuse_space()); // 12.3 MB ± 0.4
/// let allocated = total.alloc_space().expect("dead objects are kept");
/// assert!(allocated.value() >= total.inuse_space().value());
///
/// let json = serde_json::to_string(&profile).unwrap();
/// assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), profile);
/// # }
/// # Ok::<(), v8_heap_sampler::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Profile {
    /// The calling contexts, in preorder, with V8's rounded counts.
    pub nodes: Vec<Node>,
    /// The sampled objects, in the order of their allocation.
    pub samples: Vec<Sample>,
    /// The options that were in force.
    pub options: SamplerOptions,
    /// When sampling, or this window of it, started.
    pub started: Timestamp,
    /// When the profile was collected.
    pub collected: Timestamp,
    /// The isolate's heap when sampling, or this window of it, started.
    pub heap_at_start: HeapStatistics,
    /// The isolate's heap when the profile was collected, before V8 built it, and after the GC that
    /// [`force_gc`](SamplerOptions#structfield.force_gc) forces.
    pub heap: HeapStatistics,
    /// What was sampled because profiles were collected: V8's own work for them, which is in
    /// neither `nodes` nor `samples`.
    pub own_work: OwnWork,
}

impl Profile {
    /// The version of the form that serde writes.
    pub const VERSION: u32 = 1;

    /// A profile of `nodes` and `samples`, for tests and for readers of other formats; the rest is
    /// to be filled in.
    #[must_use]
    pub fn new(nodes: Vec<Node>, samples: Vec<Sample>, options: SamplerOptions) -> Self {
        let now = Timestamp::now();
        Self {
            nodes,
            samples,
            options,
            started: now,
            collected: now,
            heap_at_start: HeapStatistics::default(),
            heap: HeapStatistics::default(),
            own_work: OwnWork::default(),
        }
    }

    /// How long was sampled, by the monotonic clock.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.collected.since(&self.started)
    }

    /// Bytes that were allocated on the JavaScript heap between start and collection, by V8's
    /// counter: exact, by no function in particular, and with V8's own work in it.
    ///
    /// ```
    /// # #[cfg(any(feature = "v8-150", feature = "v8-152"))] {
    /// # use v8_heap_sampler::{HeapSampler, SamplerOptions};
    /// # let (mut isolate, realm) = fixtures::realm();
    /// let mut sampler = HeapSampler::with_options(&mut isolate, SamplerOptions::exact())?;
    /// # realm.run(&mut sampler, "a.js", "globalThis.kept = new Array(10000).fill(0); ''");
    /// // ... run JavaScript ...
    /// let profile = sampler.collect_profile()?;
    /// let sampled = profile.estimates()?.total().inuse_space().value();
    /// println!("{sampled} of {} bytes are accounted for", profile.allocated().0);
    /// # }
    /// # Ok::<(), v8_heap_sampler::Error>(())
    /// ```
    #[must_use]
    pub const fn allocated(&self) -> Bytes {
        let (before, after) = (self.heap_at_start.allocated_so_far, self.heap.allocated_so_far);
        Bytes(after.0.saturating_sub(before.0))
    }

    /// Whether every sample of the session or window is here, also those of dead objects, so that
    /// the profile says what was *allocated* and not only what is alive.
    #[must_use]
    pub const fn has_all_allocations(&self) -> bool {
        matches!(self.options.keep_dead, KeepDead::Both)
    }

    /// The highest number of a sample: what is sampled later has a higher one. `None` if there is
    /// no sample.
    #[must_use]
    pub fn last_sample_id(&self) -> Option<SampleId> {
        self.samples.iter().map(|sample| sample.sample_id).max()
    }

    /// Checks that nodes, samples and options fit together. Linear.
    ///
    /// # Errors
    ///
    /// [`ProfileError`] says what does not.
    pub fn check(&self) -> Result<(), ProfileError> {
        if self.options.interval_bytes == 0 {
            return Err(ProfileError::Interval);
        }
        let mut ids: HashSet<NodeId, RandomState> = HashSet::default();
        if let Some(node) = self.nodes.iter().find(|node| !ids.insert(node.id)) {
            return Err(ProfileError::DuplicateNode { node_id: node.id });
        }
        let mut seen: HashSet<SampleId, RandomState> = HashSet::default();
        for sample in &self.samples {
            let &Sample { node_id, sample_id, .. } = sample;
            if !ids.contains(&node_id) {
                return Err(ProfileError::UnknownNode { sample_id, node_id });
            }
            self.check_sample(sample)?;
            if !seen.insert(sample_id) {
                return Err(ProfileError::DuplicateSample { sample_id });
            }
        }
        Ok(())
    }

    /// Checks a sample by itself against the options.
    pub(crate) fn check_sample(&self, sample: &Sample) -> Result<(), ProfileError> {
        let &Sample { size, sample_id, is_live, .. } = sample;
        if size == 0 {
            return Err(ProfileError::NoSize { sample_id });
        }
        if !is_live && self.options.keep_dead == KeepDead::None {
            return Err(ProfileError::DeadSample { sample_id });
        }
        Ok(())
    }
}

/// What was sampled because profiles were collected.
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

/// What does not fit in a [`Profile`] that was made or read elsewhere.
///
/// ```
/// use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SamplerOptions};
///
/// let sample = Sample::new(NodeId(7), 64, SampleId(1), true);
/// let nodes = vec![Node::new(NodeId(1), "(root)")];
/// let error = Profile::new(nodes, vec![sample], SamplerOptions::new()).check().unwrap_err();
/// assert_eq!(error.to_string(), "sample 1 was allocated by node 7, which is not in the profile");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The interval is 0, of which no estimate can be made.
    #[error("the sampling interval is 0 bytes: the profile was not sampled")]
    Interval,

    /// Two nodes have the same id.
    #[error("two nodes have the id {node_id}")]
    DuplicateNode {
        /// The id.
        node_id: NodeId,
    },

    /// A sample names a node that is not there.
    #[error("sample {sample_id} was allocated by node {node_id}, which is not in the profile")]
    UnknownNode {
        /// The sample.
        sample_id: SampleId,
        /// The node that it names.
        node_id: NodeId,
    },

    /// A sample is of an object without a size.
    #[error("sample {sample_id} is of 0 bytes, and no object is")]
    NoSize {
        /// The sample.
        sample_id: SampleId,
    },

    /// A sample is of a dead object, though none was kept.
    #[error(
        "sample {sample_id} is of an object that has died, and by the options no such sample was kept"
    )]
    DeadSample {
        /// The sample.
        sample_id: SampleId,
    },

    /// The estimates add up to more than numbers can say exactly.
    #[error("the samples stand for more than 2^53 bytes in all")]
    TooMuch,

    /// Two samples have the same number.
    #[error("two samples have the number {sample_id}")]
    DuplicateSample {
        /// The number.
        sample_id: SampleId,
    },
}

impl Serialize for Profile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut profile = serializer.serialize_struct("Profile", 9)?;
        profile.serialize_field("version", &Self::VERSION)?;
        profile.serialize_field("options", &self.options)?;
        profile.serialize_field("started", &self.started)?;
        profile.serialize_field("collected", &self.collected)?;
        profile.serialize_field("heap_at_start", &self.heap_at_start)?;
        profile.serialize_field("heap", &self.heap)?;
        profile.serialize_field("own_work", &self.own_work)?;
        profile.serialize_field("nodes", &self.nodes)?;
        profile.serialize_field("samples", &self.samples)?;
        profile.end()
    }
}

/// The version, first: what follows can only be read if it is known.
struct Version;

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            Profile::VERSION => Ok(Self),
            version => Err(serde::de::Error::custom(format_args!(
                "the profile has version {version}, and this version of v8-heap-sampler reads {}",
                Profile::VERSION
            ))),
        }
    }
}

/// The options as they were in force: where they are not written, no default stands in.
#[derive(Deserialize)]
#[serde(rename = "SamplerOptions")]
pub(crate) struct AllOptions {
    interval_bytes: u64,
    stack_depth: u32,
    keep_dead: KeepDead,
    force_gc: bool,
}

impl From<AllOptions> for SamplerOptions {
    fn from(options: AllOptions) -> Self {
        let AllOptions { interval_bytes, stack_depth, keep_dead, force_gc } = options;
        Self::new()
            .interval_bytes(interval_bytes)
            .stack_depth(stack_depth)
            .keep_dead(keep_dead)
            .force_gc(force_gc)
    }
}

/// [`Profile`] as it is written.
#[derive(Deserialize)]
#[serde(rename = "Profile")]
struct WrittenProfile {
    #[serde(rename = "version")]
    _version: Version,
    options: AllOptions,
    started: Timestamp,
    collected: Timestamp,
    heap_at_start: HeapStatistics,
    heap: HeapStatistics,
    own_work: OwnWork,
    nodes: Vec<Node>,
    samples: Vec<Sample>,
}

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let WrittenProfile {
            _version: Version,
            options,
            started,
            collected,
            heap_at_start,
            heap,
            own_work,
            nodes,
            samples,
        } = WrittenProfile::deserialize(deserializer)?;
        let options = options.into();
        let profile =
            Self { nodes, samples, options, started, collected, heap_at_start, heap, own_work };
        profile.check().map_err(serde::de::Error::custom)?;
        Ok(profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        let nodes = vec![Node::new(NodeId(1), "(root)")];
        let samples = (1..3).map(|id| Sample::new(NodeId(1), 64, SampleId(id), id == 1)).collect();
        Profile::new(nodes, samples, SamplerOptions::exact().keep_dead(KeepDead::Both))
    }

    #[test]
    fn profiles_come_back_from_json() {
        let profile = profile();
        let json = serde_json::to_string(&profile).unwrap();
        assert!(json.starts_with(r#"{"version":1,"options":{"interval_bytes":1,"#), "{json}");
        assert!(
            json.contains(r#""samples":[{"node_id":1,"size":64,"sample_id":1,"is_live":true},"#)
        );
        assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), profile);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut json = serde_json::to_value(profile()).unwrap();
            change(&mut json);
            serde_json::from_value::<Profile>(json).unwrap_err().to_string()
        };
        assert_eq!(
            refused(&|json| json["version"] = 7.into()),
            "the profile has version 7, and this version of v8-heap-sampler reads 1"
        );
        assert!(refused(&|json| json["options"]["interval_bytes"] = 0.into()).contains("0 bytes"));
        assert!(refused(&|json| json["samples"][1]["node_id"] = 9.into()).contains("node 9"));
        assert!(refused(&|json| json["samples"][1]["size"] = 0.into()).contains("of 0 bytes"));
        assert!(
            refused(&|json| json["samples"][1]["sample_id"] = 1.into()).contains("two samples")
        );
        assert!(refused(&|json| json["samples"][1]["size"] = (-1).into()).contains("-1"));
        assert!(refused(&|json| json["options"]["keep_dead"] = "none".into()).contains("has died"));
        let twice = |json: &mut serde_json::Value| {
            let node = json["nodes"][0].clone();
            json["nodes"].as_array_mut().unwrap().push(node);
        };
        assert!(refused(&twice).contains("two nodes have the id 1"));
        let whole = serde_json::to_value(profile()).unwrap();
        for part in ["", "/options", "/heap", "/own_work", "/started", "/samples/0"] {
            for field in whole.pointer(part).unwrap().as_object().unwrap().keys() {
                let remove = |json: &mut serde_json::Value| {
                    json.pointer_mut(part).unwrap().as_object_mut().unwrap().remove(field);
                };
                assert!(refused(&remove).contains(&format!("missing field `{field}`")), "{field}");
            }
        }
    }
}
