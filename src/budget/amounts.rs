//! Objects and bytes, allocated and retained.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::estimate::Estimate;
use crate::model::SampleType;

/// The objects that were allocated and those of them that are retained, with their bytes: counted,
/// or estimated from the same samples.
///
/// Objects that were allocated are *allocations*: optimised code can allocate neighbouring objects
/// in one go, and V8 samples such a group as one object. [`budget`](crate::budget) says what is
/// counted and what is estimated.
///
/// Displayed as `1,203,456 bytes in 14,003 objects allocated, 0 bytes in 0 objects retained` if
/// they are counts, to the last digit; as `1.20 MB ± 0.17 in 14003 objects ± 900 allocated, ...` if
/// they are estimates.
///
/// ```
/// use v8_heap_sampler::budget::Measurement;
/// use v8_heap_sampler::{
///     Bytes, KeepDead, Node, NodeId, Objects, Profile, Sample, SampleId, SamplerOptions,
/// };
///
/// # let nodes = [Node::new(NodeId(1), "(root)")];
/// let samples = (1..=1000).map(|id| Sample::new(NodeId(1), 64, SampleId(id), id == 1));
/// let options = SamplerOptions::exact().keep_dead(KeepDead::Both);
/// let total = Measurement::new(Profile::from_samples(&nodes, samples, &options)?)?.total();
/// assert_eq!(total.allocated_bytes, Bytes(64_000));
/// assert_eq!(total.allocated_objects, Objects(1000));
/// assert_eq!(
///     total.to_string(),
///     "64,000 bytes in 1,000 objects allocated, 64 bytes in 1 object retained"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Amounts {
    /// The number of objects that were allocated, dead or alive, as V8 allocated them.
    #[serde(deserialize_with = "estimate_of::<0, _>")]
    pub allocated_objects: Estimate,
    /// Their bytes.
    #[serde(deserialize_with = "estimate_of::<1, _>")]
    pub allocated_bytes: Estimate,
    /// The number of those that were still alive after a full garbage collection at the end.
    #[serde(deserialize_with = "estimate_of::<2, _>")]
    pub retained_objects: Estimate,
    /// Their bytes.
    #[serde(deserialize_with = "estimate_of::<3, _>")]
    pub retained_bytes: Estimate,
}

impl Amounts {
    /// Of estimates in the order of [`SampleType::ALL`].
    pub(super) const fn new(estimates: [Estimate; 4]) -> Self {
        let [allocated_objects, allocated_bytes, retained_objects, retained_bytes] = estimates;
        Self { allocated_objects, allocated_bytes, retained_objects, retained_bytes }
    }

    /// The amount of a sample type: `Inuse...` is what is retained.
    pub const fn of(&self, what: SampleType) -> Estimate {
        match what {
            SampleType::AllocObjects => self.allocated_objects,
            SampleType::AllocSpace => self.allocated_bytes,
            SampleType::InuseObjects => self.retained_objects,
            SampleType::InuseSpace => self.retained_bytes,
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        SampleType::ALL.iter().all(|&what| self.of(what).value() == 0.0)
    }

    /// The text for people: what is asked for first, then the objects or bytes beside it.
    pub(super) fn shown(&self, what: SampleType) -> String {
        let [objects, space] = [what.counted().objects(), what.counted().space()].map(|what| {
            let estimate = self.of(what);
            estimate.exact().map_or_else(|| estimate.to_string(), |number| in_full(number, what))
        });
        if what.is_bytes() {
            format!("{space} in {objects}")
        } else {
            format!("{objects} of {space}")
        }
    }
}

/// Reads the estimate of a sample type, by its place in [`SampleType::ALL`].
fn estimate_of<'de, const WHAT: usize, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Estimate, D::Error> {
    let estimate = Estimate::deserialize(deserializer)?;
    let (found, wanted) = (estimate.sample_type(), SampleType::ALL[WHAT]);
    if found == wanted {
        Ok(estimate)
    } else {
        Err(de::Error::custom(format_args!("an estimate of {found} in the place of {wanted}")))
    }
}

impl fmt::Display for Amounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [allocated, retained] =
            [SampleType::AllocSpace, SampleType::InuseSpace].map(|what| self.shown(what));
        write!(f, "{allocated} allocated, {retained} retained")
    }
}

/// A limit or a count in the unit of `what`, to the last digit, with a comma before every third
/// digit from the end.
pub(super) fn in_full(number: u64, what: SampleType) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + match (what.is_bytes(), number) {
        (true, 1) => " byte",
        (true, _) => " bytes",
        (false, 1) => " object",
        (false, _) => " objects",
    }
}
