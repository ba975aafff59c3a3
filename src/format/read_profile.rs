//! Reads the JSON that serde writes of a profile that was collected.

use std::io::Read;

use jiter::Jiter;
use serde::de::DeserializeOwned;

use super::json_pull::{JsonPull, Problem, each_field, integer, of};
use super::read::ReadOptions;
use super::read_error::ReadError;
use super::read_nodes::{Ids, read_list};
use crate::heap_profile::{
    AllOptions, Collection, HeapProfile, OrdinalSample, OwnWork, ProfileError, RowData, push,
};
use crate::profile::{HeapStatistics, Node, NodeId, Sample, SampleId, SamplerOptions, Timestamp};

/// Reads the rest of the object whose first key has been read.
pub(crate) fn read<R: Read>(
    json: &mut JsonPull<R>,
    mut key: String,
    options: &ReadOptions,
) -> Result<HeapProfile, ReadError> {
    let mut has_version = false;
    let mut sampler_options: Option<SamplerOptions> = None;
    let (mut started, mut collected) = (None, None);
    let (mut heap_at_start, mut heap, mut own_work) = (None, None, None);
    let (mut nodes, mut samples): (Option<Vec<Node>>, Option<Vec<Sample>>) = (None, None);
    // What nodes and samples hold, and what the heap profile of them will.
    let mut held = 0;
    loop {
        let is_twice = match &*key {
            "version" => {
                check_version(json)?;
                std::mem::replace(&mut has_version, true)
            }
            "options" => {
                let all = value::<_, AllOptions>(json, "options")?;
                sampler_options.replace(all.into()).is_some()
            }
            "started" => started.replace(value::<_, Timestamp>(json, "started")?).is_some(),
            "collected" => collected.replace(value::<_, Timestamp>(json, "collected")?).is_some(),
            "heap_at_start" => {
                let read = value::<_, HeapStatistics>(json, "heap_at_start")?;
                heap_at_start.replace(read).is_some()
            }
            "heap" => heap.replace(value::<_, HeapStatistics>(json, "heap")?).is_some(),
            "own_work" => own_work.replace(value::<_, OwnWork>(json, "own_work")?).is_some(),
            "nodes" => {
                let list = read_list(json, "nodes", options, held, false)?;
                if list.ids == Ids::Texts {
                    return Err(json.field_error("nodes.id", "ids are numbers in a profile"));
                }
                held += list.bytes;
                nodes.replace(list.nodes).is_some()
            }
            "samples" => {
                let list = read_samples(json, held)?;
                held += list.capacity() * SAMPLE;
                samples.replace(list).is_some()
            }
            // What later versions may have beside it.
            _ => {
                json.skip()?;
                false
            }
        };
        if is_twice {
            return Err(json.field_error(key, "it is there twice"));
        }
        if !json.next_key(&mut key)? {
            break;
        }
    }
    json.finish()?;
    let missing = |field: &str| json.field_error(field, "the profile lacks it");
    if !has_version {
        return Err(missing("version"));
    }
    let nodes = nodes.ok_or_else(|| missing("nodes"))?;
    let samples = samples.ok_or_else(|| missing("samples"))?;
    let mut collection = Collection::new(sampler_options.ok_or_else(|| missing("options"))?);
    collection.started = started.ok_or_else(|| missing("started"))?;
    collection.collected = collected.ok_or_else(|| missing("collected"))?;
    collection.heap_at_start = heap_at_start.ok_or_else(|| missing("heap_at_start"))?;
    collection.heap = heap.ok_or_else(|| missing("heap"))?;
    collection.own_work = own_work.ok_or_else(|| missing("own_work"))?;
    HeapProfile::of_nodes_and_samples(&nodes, samples, collection).map_err(|error| match error {
        ProfileError::Nodes(error) => error.into(),
        error => error.into(),
    })
}

fn check_version<R: Read>(json: &mut JsonPull<R>) -> Result<(), ReadError> {
    let version = json.integer("version", 0, i64::MAX)?;
    if version == i64::from(HeapProfile::VERSION) {
        return Ok(());
    }
    let found = format!(
        "a profile of version {version}, where this version of v8-heap-sampler reads {}",
        HeapProfile::VERSION
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
