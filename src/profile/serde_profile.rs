//! A profile that was collected, to and from serde.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::build::Builder;
use super::collection::{Collection, OwnWork};
use super::from_nodes::ContextTree;
use super::labels::{LabelSet, LabelSets};
use super::profile::Profile;
use super::row::{Label, RowData};
use crate::model::{
    Bytes, HeapGrowth, HeapStatistics, KeepDead, Node, NodeId, ProfileError, Sample, SampleId,
    SampleType, SampleTypes, SamplerOptions, Timestamp,
};
use crate::tree::inverted;

impl Profile {
    /// The version of the form that serde writes.
    ///
    /// 2 has profiles of rows, which 1 had not; both are read.
    pub const VERSION: u32 = 2;

    /// The contexts as flat nodes, in preorder, without allocations.
    fn nodes(&self) -> impl Iterator<Item = Node> + Clone {
        (0..self.len()).map(|rank| {
            let context = self.context(rank as u32);
            let mut node = Node::of(self.id(rank), std::sync::Arc::clone(context.function()));
            node.child_ids.extend(context.children().map(|child| self.id(child.index())));
            node
        })
    }
}

impl Serialize for Profile {
    /// Writes a whole profile that was collected here, with its labels and comments: with its
    /// samples, or, if it is of tracked objects, with its values.
    ///
    /// # Errors
    ///
    /// If it is something else: the [formats](mod@crate::format) write that.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let refused = || {
            serde::ser::Error::custom(
                "only a whole profile that was collected here can be written so: write parts, and \
                 what was read or merged, as pprof",
            )
        };
        let collection = self.collection().filter(|_| !self.is_part()).ok_or_else(refused)?;
        let samples = self.samples().filter(|_| self.sampled_every().is_some());
        // With samples one set: what was sampled is labelled as a whole.
        let mut label_sets = self.label_sets();
        let labels = label_sets.next().filter(|_| label_sets.next().is_none());
        let (samples, labels) = match (samples, labels) {
            (Some(samples), Some(labels)) => (Some(samples), labels),
            (None, _) if self.is_counted() => (None, &[][..]),
            _ => return Err(refused()),
        };
        let comments = &self.metadata.comments;
        // Formats that do not name fields need all of them.
        let has_all = !serializer.is_human_readable();
        let has_comments = !comments.is_empty() || has_all;
        let has_labels = !labels.is_empty() || has_all;
        let has_rows = samples.is_none() || has_all;
        let (before_gc, growth) = (&collection.heap_before_gc, &collection.growth);
        let (watched, unsampled) = (&collection.growth_between_gcs, &collection.unsampled);
        let has = [before_gc.is_some(), growth.is_some(), watched.is_some(), unsampled.is_some()];
        let [has_before, has_growth, has_watched, has_unsampled] = has.map(|has| has || has_all);
        // Rows are two.
        let optional = [has_comments, has_labels, has_rows, has_rows].into_iter().chain([
            has_before,
            has_growth,
            has_watched,
            has_unsampled,
        ]);
        let fields = 9 + optional.map(usize::from).sum::<usize>();
        let mut profile = serializer.serialize_struct("Profile", fields)?;
        profile.serialize_field("version", &Self::VERSION)?;
        profile.serialize_field("options", &collection.options)?;
        profile.serialize_field("started", &collection.started)?;
        profile.serialize_field("collected", &collection.collected)?;
        profile.serialize_field("heap_at_start", &collection.heap_at_start)?;
        profile.serialize_field("heap", &collection.heap)?;
        if has_before {
            profile.serialize_field("heap_before_gc", before_gc)?;
        }
        if has_growth {
            profile.serialize_field("growth", growth)?;
        }
        if has_watched {
            profile.serialize_field("growth_between_gcs", watched)?;
        }
        if has_unsampled {
            profile.serialize_field("unsampled", unsampled)?;
        }
        profile.serialize_field("own_work", &collection.own_work)?;
        if has_comments {
            profile.serialize_field("comments", comments)?;
        }
        if has_labels {
            profile.serialize_field("labels", labels)?;
        }
        profile.serialize_field("nodes", &Sequence(self.nodes()))?;
        let samples_of = samples.unwrap_or_default().iter().map(|sample| {
            let size = sample.size().map_or(0, |size| size.0);
            Sample::new(
                self.id(sample.context as usize),
                size,
                SampleId(sample.ordinal),
                !sample.is_dead,
            )
        });
        profile.serialize_field("samples", &Sequence(samples_of))?;
        if has_rows {
            let counted = samples.is_none().then(|| WrittenCounts::of(self));
            profile.serialize_field("counted", &counted)?;
            let types: Vec<SampleType> = self.sample_types().collect();
            let rows = self.rows.iter().filter(|_| counted.is_some());
            let rows = rows.map(|row| WrittenCount::of(self, row, &types));
            profile.serialize_field("rows", &Sequence(rows))?;
        }
        profile.end()
    }
}

/// What is written of a profile that has counts and no samples, beside its rows.
#[derive(Serialize, Deserialize)]
pub(crate) struct WrittenCounts {
    sample_types: Vec<SampleType>,
    /// Where stacks were cut that the options did not cut.
    cut_at: Option<u32>,
    label_sets: Vec<Vec<Label>>,
}

/// A context's own objects, of one size and under one set of labels, as they are written.
#[derive(Serialize, Deserialize)]
pub(crate) struct WrittenCount {
    node_id: NodeId,
    /// The place of the set.
    labels: u32,
    size: u64,
    /// In the order of the sample types; objects, or bytes.
    values: Vec<u64>,
}

impl WrittenCount {
    fn of(profile: &Profile, row: &RowData, types: &[SampleType]) -> Self {
        Self {
            node_id: profile.id(row.context as usize),
            labels: row.labels,
            size: row.raw_size(),
            values: types.iter().map(|&of| row.value(of) as u64).collect(),
        }
    }
}

impl WrittenCounts {
    fn of(profile: &Profile) -> Self {
        Self {
            sample_types: profile.sample_types().collect(),
            cut_at: profile.cut_at,
            label_sets: profile.labels().iter().map(<[Label]>::to_vec).collect(),
        }
    }

    /// The profile of counts.
    pub(crate) fn profile(
        self,
        rows: Vec<WrittenCount>,
        nodes: &[Node],
        collection: Collection,
    ) -> Result<Profile, ProfileError> {
        let Self { sample_types, cut_at, label_sets } = self;
        let (topology, tree) = ContextTree::of_nodes(nodes)?;
        let ranks = topology.positions.as_deref().map(inverted);
        let mut totals = [0_u64; 4];
        let mut data = Vec::with_capacity(rows.len());
        for WrittenCount { node_id, labels, size, values } in rows {
            let is_row = labels < label_sets.len() as u32 && values.len() == sample_types.len();
            let position = topology.index.get(node_id).filter(|_| is_row && size > 0);
            let position = position.ok_or(ProfileError::UnknownCounts { node_id })?;
            let mut by_type = [0.0; 4];
            for (of, value) in sample_types.iter().zip(values) {
                let total = &mut totals[of.index()];
                *total = total.saturating_add(value);
                if *total > Profile::MOST {
                    return Err(ProfileError::TooMuch);
                }
                by_type[of.index()] = value as f64;
            }
            let context = ranks.as_ref().map_or(position, |ranks| ranks[position as usize]);
            data.push(RowData::of_values(context, labels, size, by_type));
        }
        if collection.options.interval_bytes != SamplerOptions::MIN_INTERVAL_BYTES {
            return Err(ProfileError::Interval);
        }
        let types = SampleTypes::of(sample_types);
        let mut sets = label_sets.into_iter().map(|labels| LabelSet { labels, interval: None });
        let sets = match sets.next() {
            Some(first) => std::iter::once(first).chain(sets).collect(),
            None => LabelSets::default(),
        };
        let builder = Builder::of_contexts(tree).with_rows(data);
        let mut profile = builder.finish(types, sets, false, collection.metadata());
        // They were given when it was written.
        profile.ids = None;
        (profile.cut_at, profile.collection) = (cut_at, Some(Box::new(collection)));
        Ok(profile)
    }
}

/// The items of an iterator, written one by one.
struct Sequence<I>(I);

impl<I: Iterator<Item: Serialize> + Clone> Serialize for Sequence<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone())
    }
}

/// The version, first: what follows can only be read if it is known.
struct Version;

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            1..=Profile::VERSION => Ok(Self),
            version => Err(serde::de::Error::custom(format_args!(
                "the profile has version {version}, and this version of v8-heap-sampler reads 1 to {}",
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

/// A profile as it is written.
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
    #[serde(default)]
    heap_before_gc: Option<HeapStatistics>,
    #[serde(default)]
    growth: Option<HeapGrowth>,
    #[serde(default)]
    growth_between_gcs: Option<Bytes>,
    #[serde(default)]
    unsampled: Option<Bytes>,
    own_work: OwnWork,
    #[serde(default)]
    comments: Vec<String>,
    #[serde(default)]
    labels: Vec<Label>,
    nodes: Vec<Node>,
    samples: Vec<Sample>,
    #[serde(default)]
    counted: Option<WrittenCounts>,
    #[serde(default)]
    rows: Vec<WrittenCount>,
}

impl<'de> Deserialize<'de> for Profile {
    /// Reads a profile that was collected, with the checks of [`Profile::from_samples`].
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = WrittenProfile::deserialize(deserializer)?;
        let collection = Collection {
            options: written.options.into(),
            started: written.started,
            collected: written.collected,
            heap_at_start: written.heap_at_start,
            heap: written.heap,
            heap_before_gc: written.heap_before_gc,
            growth: written.growth,
            growth_between_gcs: written.growth_between_gcs,
            unsampled: written.unsampled,
            own_work: written.own_work,
        };
        let (nodes, samples) = (written.nodes, written.samples);
        let profile = match written.counted {
            Some(counted) => counted.profile(written.rows, &nodes, collection),
            None => Self::of_nodes_and_samples(&nodes, samples, collection),
        };
        let mut profile = profile.map_err(serde::de::Error::custom)?;
        profile.metadata.comments = written.comments;
        written.labels.into_iter().for_each(|label| profile.add_label(label));
        Ok(profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        let nodes = [Node::new(NodeId(1), "(root)")];
        let samples = (1..3).map(|id| Sample::new(NodeId(1), 64, SampleId(id), id == 1));
        let options = SamplerOptions::exact().keep_dead(KeepDead::Both);
        Profile::from_samples(&nodes, samples, &options).unwrap()
    }

    #[test]
    fn profiles_come_back_from_json() {
        let profile = profile();
        let json = serde_json::to_string(&profile).unwrap();
        assert!(json.starts_with(r#"{"version":2,"options":{"interval_bytes":1,"#), "{json}");
        assert!(
            json.contains(r#""samples":[{"node_id":1,"size":64,"sample_id":1,"is_live":true},"#)
        );
        assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), profile);
    }

    #[test]
    fn nothing_is_lost_silently() {
        let mut profile = profile();
        profile.metadata.comments.push("after the third request".to_owned());
        profile.add_label(Label::text("isolate", "3"));
        profile.add_label(Label::number("shard", -1, "of 8"));
        let json = serde_json::to_string(&profile).unwrap();
        assert!(json.contains(r#""labels":[{"key":"isolate","value":{"text":"3"}},"#), "{json}");
        assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), profile);
        let part = profile.filter_samples(|sample| !sample.is_dead).unwrap();
        assert!(serde_json::to_string(&part).unwrap_err().to_string().contains("pprof"));
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
            "the profile has version 7, and this version of v8-heap-sampler reads 1 to 2"
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
        assert!(refused(&twice).contains("node id 1 is used twice"));
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
