//! The most that may be allocated and retained.

use serde::{Deserialize, Serialize, Serializer, ser};

use super::check::Scope;
use crate::analysis::Pattern;
use crate::estimate::Confidence;
use crate::model::SampleType;

/// Limits of what may be allocated and retained: in all, or by a function.
///
/// A measurement is checked against one budget or several: [`Measurement::check`] takes a budget,
/// an array or a slice.
///
/// Written by serde as its scope with its limits, and read back so, for budgets in a file beside
/// the tests. Keys that mean nothing are refused; all but `scope` may be left out. Functions must
/// be selected by name: a budget of another pattern cannot be written.
///
/// ```
/// use v8_heap_sampler::analysis::Pattern;
/// use v8_heap_sampler::budget::Budget;
///
/// let budgets = [
///     Budget::all().retained_bytes(1_000_000),
///     Budget::total("renderRow").retained_bytes(200_000),
///     Budget::own("escape").allocated_objects(1_000).may_be_absent(),
/// ];
/// // Only the functions of one file:
/// let of_file = Pattern::new("row of view.js", |function| {
///     function.name == "row" && function.script_name.ends_with("/view.js")
/// });
/// let of_file = Budget::total(of_file).allocated_bytes(50_000);
///
/// // The same as the first three:
/// let file = r#"[
///     { "scope": "all", "retained_bytes": 1000000 },
///     { "scope": { "total": "renderRow" }, "retained_bytes": 200000 },
///     { "scope": { "own": "escape" }, "allocated_objects": 1000, "may_be_absent": true }
/// ]"#;
/// let read: Vec<Budget> = serde_json::from_str(file)?;
/// assert_eq!(format!("{read:?}"), format!("{budgets:?}"));
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// [`Measurement::check`]: super::Measurement::check
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use]
pub struct Budget {
    pub(super) scope: Scope,
    /// Selects the functions of the scope, where their name does not.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "unnamed")]
    pattern: Option<Pattern>,
    #[serde(default)]
    allocated_bytes: Option<u64>,
    #[serde(default)]
    allocated_objects: Option<u64>,
    #[serde(default)]
    retained_bytes: Option<u64>,
    #[serde(default)]
    retained_objects: Option<u64>,
    #[serde(default)]
    pub(super) may_be_absent: bool,
    #[serde(default)]
    pub(super) confidence: Confidence,
    #[serde(default)]
    pub(super) strict: bool,
}

fn unnamed<S: Serializer>(pattern: &Option<Pattern>, _: S) -> Result<S::Ok, S::Error> {
    let pattern = pattern.as_ref().map_or_else(String::new, Pattern::to_string);
    Err(ser::Error::custom(format_args!(
        "only budgets of functions that are selected by name can be written: {pattern}"
    )))
}

impl Budget {
    /// A budget of everything that is allocated: by JavaScript, by V8 and by the embedder.
    ///
    /// This and the others begin without limits: set some, as a budget that has none is never kept.
    pub const fn all() -> Self {
        Self::new(Scope::All, None)
    }

    /// A budget of what is allocated with a JavaScript function on the stack
    /// ([`Measurement::javascript`](super::Measurement::javascript)), without what V8 and the
    /// embedder allocate beside it.
    pub const fn javascript() -> Self {
        Self::new(Scope::JavaScript, None)
    }

    /// A budget of functions and all that they call: of all with a name, or of those that a
    /// pattern selects.
    ///
    /// The message of a budget that finds no function of a name lists similar ones.
    pub fn total(functions: impl Into<Pattern>) -> Self {
        Self::of(Scope::Total, functions.into())
    }

    /// A budget of functions, without what other functions allocate that they call: of all with a
    /// name, or of those that a pattern selects.
    ///
    /// Built-in functions are functions, too: what `map` allocates is not its caller's own.
    pub fn own(functions: impl Into<Pattern>) -> Self {
        Self::of(Scope::Own, functions.into())
    }

    fn of(scope: fn(String) -> Scope, functions: Pattern) -> Self {
        let text = functions.to_string();
        Self::new(scope(text), Some(functions).filter(|pattern| pattern.as_name().is_none()))
    }

    const fn new(scope: Scope, pattern: Option<Pattern>) -> Self {
        Self {
            scope,
            pattern,
            allocated_bytes: None,
            allocated_objects: None,
            retained_bytes: None,
            retained_objects: None,
            may_be_absent: false,
            confidence: Confidence::P95,
            strict: false,
        }
    }

    /// Limits the bytes that are allocated, of objects dead or alive.
    pub const fn allocated_bytes(mut self, most: u64) -> Self {
        self.allocated_bytes = Some(most);
        self
    }

    /// Limits the objects that are allocated, dead or alive.
    ///
    /// Optimised code allocates neighbouring objects in one go, and V8 counts the group as one.
    pub const fn allocated_objects(mut self, most: u64) -> Self {
        self.allocated_objects = Some(most);
        self
    }

    /// Limits the bytes that are alive in the end.
    pub const fn retained_bytes(mut self, most: u64) -> Self {
        self.retained_bytes = Some(most);
        self
    }

    /// Limits the objects that are alive in the end.
    ///
    /// Optimised code allocates neighbouring objects in one go, and V8 counts the group as one.
    pub const fn retained_objects(mut self, most: u64) -> Self {
        self.retained_objects = Some(most);
        self
    }

    /// Lets the budget of a function pass if the measurement contains no such function.
    ///
    /// A function that allocated nothing, and called nothing that did, leaves no trace, and neither
    /// does one whose name is misspelt. Without this, both fail.
    pub const fn may_be_absent(mut self) -> Self {
        self.may_be_absent = true;
        self
    }

    /// Sets the confidence that an estimate must have. Default: 95 %. Counts are always sure.
    ///
    /// The limits of an interval at 95 % are missed by 2.5 % to either side: a limit that is just
    /// kept is reported as surely exceeded once in forty runs. Each limit is checked by itself, so
    /// with many of them, or many runs, ask for more: [`Confidence::P99`] or higher.
    pub const fn confidence(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }

    /// Makes an estimate fail unless it is surely within the limit. Without this, it fails if it is
    /// surely above. Counts are always sure.
    ///
    /// What no sample was seen of is estimated as 0 with an upper limit of about 3.7 times the
    /// sampling interval, so that lower limits cannot be kept.
    pub const fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// The functions that the budget is of, if it is of some.
    pub(super) fn functions(&self) -> Option<Pattern> {
        match &self.scope {
            Scope::All | Scope::JavaScript => None,
            Scope::Total(name) | Scope::Own(name) => {
                Some(self.pattern.clone().unwrap_or_else(|| Pattern::name(&**name)))
            }
        }
    }

    /// The limits that are set: what is retained first, and bytes before objects.
    pub(super) fn limits(&self) -> impl Iterator<Item = (SampleType, u64)> {
        let limits = [
            (SampleType::InuseSpace, self.retained_bytes),
            (SampleType::InuseObjects, self.retained_objects),
            (SampleType::AllocSpace, self.allocated_bytes),
            (SampleType::AllocObjects, self.allocated_objects),
        ];
        limits.into_iter().filter_map(|(what, limit)| Some((what, limit?)))
    }
}

impl AsRef<[Budget]> for Budget {
    /// The budget as the only one.
    fn as_ref(&self) -> &[Budget] {
        std::slice::from_ref(self)
    }
}
