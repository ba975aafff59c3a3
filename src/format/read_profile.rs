//! Reads the JSON that serde writes of a profile that was collected.

use std::io::Read;

use jiter::Jiter;
use serde::de::DeserializeOwned;

use super::json_pull::{JsonPull, Problem, each_field, integer, of};
use super::read_error::ReadError;
use super::read_nodes::{Ids, read_list};
use super::read_options::ReadOptions;
use crate::model::{HeapStatistics, Node, NodeId, Sample, SampleId, SamplerOptions, Timestamp};
use crate::profile::{AllOptions, Collection, OrdinalSample, OwnWork, Profile, RowData, push};

/// Reads the rest of the object whose first key has been read.
pub(crate) fn read<R: Read>(
    json: &mut JsonPull<R>,
    mut key: String,
    options: &ReadOptions,
) -> Result<Profile, ReadError> {
    let mut members = Members::default();
    loop {
        if members.read(json, &key, options)? {
            return Err(json.field_error(key, "it is there twice"));
        }
        if !json.next_key(&mut key)? {
            break;
        }
    }
    json.finish()?;
    members.profile(|field| json.field_error(field, "the profile lacks it"))
}

/// The members of a profile that have been read.
#[derive(Default)]
struct Members {
    has_version: bool,
    options: Option<SamplerOptions>,
    started: Option<Timestamp>,
    collected: Option<Timestamp>,
    heap_at_start: Option<HeapStatistics>,
    heap: Option<HeapStatistics>,
    own_work: Option<OwnWork>,
    comments: Option<Vec<String>>,
    nodes: Option<Vec<Node>>,
    samples: Option<Vec<Sample>>,
    /// What nodes and samples hold, and what the heap profile of them will.
    held: usize,
}

impl Members {
    /// Reads the member of a key; whether it had been read already.
    fn read<R: Read>(
        &mut self,
        json: &mut JsonPull<R>,
        key: &str,
        options: &ReadOptions,
    ) -> Result<bool, ReadError> {
        let is_twice = match key {
            "version" => {
                check_version(json)?;
                std::mem::replace(&mut self.has_version, true)
            }
            "options" => {
                let all = value::<_, AllOptions>(json, "options")?;
                self.options.replace(all.into()).is_some()
            }
            "started" => self.started.replace(value(json, "started")?).is_some(),
            "collected" => self.collected.replace(value(json, "collected")?).is_some(),
            "heap_at_start" => self.heap_at_start.replace(value(json, "heap_at_start")?).is_some(),
            "heap" => self.heap.replace(value(json, "heap")?).is_some(),
            "own_work" => self.own_work.replace(value(json, "own_work")?).is_some(),
            "comments" => self.comments.replace(value(json, "comments")?).is_some(),
            "nodes" => {
                let list = read_list(json, "nodes", options, self.held, false)?;
                if list.ids == Ids::Texts {
                    return Err(json.field_error("nodes.id", "ids are numbers in a profile"));
                }
                self.held += list.bytes;
                self.nodes.replace(list.nodes).is_some()
            }
            "samples" => {
                let list = read_samples(json, self.held)?;
                self.held += list.capacity() * SAMPLE;
                self.samples.replace(list).is_some()
            }
            // What later versions may have beside it.
            _ => {
                json.skip()?;
                false
            }
        };
        Ok(is_twice)
    }

    /// The profile, if no member is `missing`.
    fn profile(self, missing: impl Fn(&str) -> ReadError) -> Result<Profile, ReadError> {
        if !self.has_version {
            return Err(missing("version"));
        }
        let nodes = self.nodes.ok_or_else(|| missing("nodes"))?;
        let samples = self.samples.ok_or_else(|| missing("samples"))?;
        let mut collection = Collection::new(self.options.ok_or_else(|| missing("options"))?);
        collection.started = self.started.ok_or_else(|| missing("started"))?;
        collection.collected = self.collected.ok_or_else(|| missing("collected"))?;
        collection.heap_at_start = self.heap_at_start.ok_or_else(|| missing("heap_at_start"))?;
        collection.heap = self.heap.ok_or_else(|| missing("heap"))?;
        collection.own_work = self.own_work.ok_or_else(|| missing("own_work"))?;
        let mut profile = Profile::of_nodes_and_samples(&nodes, samples, collection)?;
        profile.metadata.comments = self.comments.unwrap_or_default();
        Ok(profile)
    }
}

fn check_version<R: Read>(json: &mut JsonPull<R>) -> Result<(), ReadError> {
    let version = json.integer("version", 0, i64::MAX)?;
    if version == i64::from(Profile::VERSION) {
        return Ok(());
    }
    let found = format!(
        "a profile of version {version}, where this version of v8-heap-sampler reads {}",
        Profile::VERSION
    );
    Err(ReadError::UnknownFormat { found })
}

/// A value that is small.
fn value<R: Read, T: DeserializeOwned>(
    json: &mut JsonPull<R>,
    field: &'static str,
) -> Result<T, ReadError> {
    json.raw(|text| serde_json::from_slice(text).map_err(|error| error.to_string()), field)
}

/// What a sample takes, with those of the heap profile, its values, and the check of its number.
const SAMPLE: usize =
    size_of::<Sample>() + size_of::<OrdinalSample>() + size_of::<RowData>() + 16 + 20;

fn read_samples<R: Read>(json: &mut JsonPull<R>, held: usize) -> Result<Vec<Sample>, ReadError> {
    let mut samples = Vec::new();
    let mut more = json.enter_array("samples")?;
    while more {
        let sample = json.parse(read_sample)?;
        push(&mut samples, sample);
        json.check(held + samples.capacity() * SAMPLE)?;
        more = json.next_element()?;
    }
    Ok(samples)
}

fn read_sample(json: &mut Jiter<'_>) -> Result<Sample, Problem> {
    const FIELDS: [&str; 4] =
        ["samples.node_id", "samples.size", "samples.sample_id", "samples.is_live"];
    fn field_of(key: &str) -> Option<usize> {
        FIELDS.iter().position(|field| field["samples.".len()..] == *key)
    }
    let (mut node_id, mut size, mut sample_id, mut is_live) = (None, None, None, None);
    each_field(json, "samples", field_of, |field, json| {
        match field {
            0 => node_id = Some(integer(json, FIELDS[0], 0, u32::MAX.into())?),
            1 => size = Some(integer(json, FIELDS[1], 0, 1 << 53)?),
            2 => sample_id = Some(integer(json, FIELDS[2], 0, i64::MAX)?),
            _ => is_live = Some(json.next_bool().map_err(|e| of(FIELDS[3], e))?),
        }
        Ok(())
    })?;
    let missing =
        |field: usize| Problem::here(FIELDS[field], "the sample that ends here lacks it", json);
    Ok(Sample::new(
        NodeId(node_id.ok_or_else(|| missing(0))? as u32),
        size.ok_or_else(|| missing(1))? as u64,
        SampleId(sample_id.ok_or_else(|| missing(2))? as u64),
        is_live.ok_or_else(|| missing(3))?,
    ))
}
