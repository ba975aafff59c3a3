//! Reads the JSON that serde writes of a profile that was collected.

use std::io::Read;

use jiter::Jiter;

use super::json_pull::{JsonPull, Problem, all_fields, field, integer, number, of, small_value};
use super::nodes::{Ids, read_list};
use super::{ReadError, ReadOptions};
use crate::model::{
    Bytes, HeapGrowth, HeapStatistics, Node, NodeId, Sample, SampleId, SamplerOptions, Timestamp,
};
use crate::profile::{
    AllOptions, Collection, Label, OrdinalSample, OwnWork, Profile, RowData, WrittenCount,
    WrittenCounts,
};

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
    heap_before_gc: Option<Option<HeapStatistics>>,
    growth: Option<Option<HeapGrowth>>,
    growth_between_gcs: Option<Option<Bytes>>,
    unsampled: Option<Option<Bytes>>,
    own_work: Option<OwnWork>,
    comments: Option<Vec<String>>,
    labels: Option<Vec<Label>>,
    nodes: Option<Vec<Node>>,
    samples: Option<Vec<Sample>>,
    counted: Option<Option<WrittenCounts>>,
    rows: Option<Vec<WrittenCount>>,
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
                let all = json.value::<AllOptions>("options")?;
                self.options.replace(all.into()).is_some()
            }
            "started" => self.started.replace(json.value("started")?).is_some(),
            "collected" => self.collected.replace(json.value("collected")?).is_some(),
            "heap_at_start" => self.heap_at_start.replace(json.value("heap_at_start")?).is_some(),
            "heap" => self.heap.replace(json.value("heap")?).is_some(),
            "heap_before_gc" => {
                self.heap_before_gc.replace(json.value("heap_before_gc")?).is_some()
            }
            "growth" => self.growth.replace(json.value("growth")?).is_some(),
            "growth_between_gcs" => {
                self.growth_between_gcs.replace(json.value("growth_between_gcs")?).is_some()
            }
            "unsampled" => self.unsampled.replace(json.value("unsampled")?).is_some(),
            "own_work" => self.own_work.replace(json.value("own_work")?).is_some(),
            "comments" => self.comments.replace(json.value("comments")?).is_some(),
            "labels" => self.labels.replace(json.value("labels")?).is_some(),
            "nodes" => {
                let list = read_list(json, "nodes", options, self.held, false)?;
                if list.ids == Ids::Texts {
                    return Err(json.field_error("nodes.id", "ids are numbers in a profile"));
                }
                self.held += list.bytes;
                self.nodes.replace(list.nodes).is_some()
            }
            "samples" => {
                let list = json.list("samples", self.held, SAMPLE, read_sample)?;
                self.held += list.capacity() * SAMPLE;
                self.samples.replace(list).is_some()
            }
            "counted" => self.counted.replace(json.value("counted")?).is_some(),
            "rows" => {
                let list = json.list("rows", self.held, ROW, |json| small_value(json, "rows"))?;
                self.held += list.capacity() * ROW;
                self.rows.replace(list).is_some()
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
        collection.heap_before_gc = self.heap_before_gc.flatten();
        collection.growth = self.growth.flatten();
        collection.growth_between_gcs = self.growth_between_gcs.flatten();
        collection.unsampled = self.unsampled.flatten();
        let mut profile = match self.counted.flatten() {
            Some(counted) => counted.profile(self.rows.unwrap_or_default(), &nodes, collection)?,
            None => Profile::of_nodes_and_samples(&nodes, samples, collection)?,
        };
        profile.metadata.comments = self.comments.unwrap_or_default();
        self.labels.into_iter().flatten().for_each(|label| profile.add_label(label));
        Ok(profile)
    }
}

fn check_version<R: Read>(json: &mut JsonPull<R>) -> Result<(), ReadError> {
    let version = json.parse(|json| integer(json, "version", 0, i64::MAX))?;
    if (1..=i64::from(Profile::VERSION)).contains(&version) {
        return Ok(());
    }
    let found = format!(
        "a profile of version {version}, where this version of v8-heap-sampler reads 1 to {}",
        Profile::VERSION
    );
    Err(ReadError::UnknownFormat { found })
}

/// What a row takes, with that of the heap profile, its values, and the allocator's needs for these.
const ROW: usize = size_of::<WrittenCount>() + size_of::<RowData>() + 4 * size_of::<u64>() + 16;

/// What a sample takes, with those of the heap profile, its values, and the check of its number.
const SAMPLE: usize =
    size_of::<Sample>() + size_of::<OrdinalSample>() + size_of::<RowData>() + 16 + 20;

fn read_sample(json: &mut Jiter<'_>) -> Result<Sample, Problem> {
    const FIELDS: [&str; 4] =
        ["samples.node_id", "samples.size", "samples.sample_id", "samples.is_live"];
    let sample = Sample::new(NodeId(0), 0, SampleId(0), true);
    all_fields(json, "samples", &FIELDS, "sample", sample, |key| match key {
        "node_id" => {
            field(1, |sample, json| number(json, FIELDS[0]).map(|id| sample.node_id = NodeId(id)))
        }
        "size" => field(2, |sample, json| {
            integer(json, FIELDS[1], 0, 1 << 53).map(|size| sample.size = size as u64)
        }),
        "sample_id" => field(4, |sample, json| {
            let id = integer(json, FIELDS[2], 0, i64::MAX)?;
            sample.sample_id = SampleId(id as u64);
            Ok(())
        }),
        "is_live" => field(8, |sample, json| {
            sample.is_live = json.next_bool().map_err(|e| of(FIELDS[3], e))?;
            Ok(())
        }),
        _ => None,
    })
}
