//! How much may be allocated and retained.

use crate::analysis::Pattern;
use crate::estimate::Confidence;
use crate::model::SampleType;

/// At most so much of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Limits([Option<u64>; 4]);

impl Limits {
    const fn set(mut self, what: SampleType, most: u64) -> Self {
        self.0[what.index()] = Some(most);
        self
    }

    /// Those that are set: what is retained first, and bytes before objects.
    pub(super) fn iter(self) -> impl Iterator<Item = (SampleType, u64)> {
        let what = [
            SampleType::InuseSpace,
            SampleType::InuseObjects,
            SampleType::AllocSpace,
            SampleType::AllocObjects,
        ];
        what.into_iter().filter_map(move |what| Some((what, self.0[what.index()]?)))
    }

    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// The four setters of everything that has limits.
macro_rules! limits {
    () => {
        /// Limits the bytes that are allocated, of objects dead or alive.
        pub const fn allocated_bytes(mut self, most: u64) -> Self {
            self.limits = self.limits.set(SampleType::AllocSpace, most);
            self
        }

        /// Limits the objects that are allocated, dead or alive.
        ///
        /// Optimised code allocates neighbouring objects in one go, and V8 counts the group as one.
        pub const fn allocated_objects(mut self, most: u64) -> Self {
            self.limits = self.limits.set(SampleType::AllocObjects, most);
            self
        }

        /// Limits the bytes that are alive in the end.
        pub const fn retained_bytes(mut self, most: u64) -> Self {
            self.limits = self.limits.set(SampleType::InuseSpace, most);
            self
        }

        /// Limits the objects that are alive in the end.
        ///
        /// Optimised code allocates neighbouring objects in one go, and V8 counts the group as one.
        pub const fn retained_objects(mut self, most: u64) -> Self {
            self.limits = self.limits.set(SampleType::InuseObjects, most);
            self
        }
    };
}

/// Limits of what some work may allocate and retain, in all and by function.
///
/// ```
/// use v8_heap_sampler::budget::{Budget, FunctionBudget};
///
/// let budget = Budget::new()
///     .retained_bytes(1_000_000)
///     .function(FunctionBudget::total("renderRow").retained_bytes(200_000))
///     .function(FunctionBudget::own("escape").allocated_objects(1_000).may_be_absent());
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Budget {
    pub(super) limits: Limits,
    pub(super) functions: Vec<FunctionBudget>,
    pub(super) javascript_only: bool,
    pub(super) confidence: Confidence,
    pub(super) strict: bool,
}

impl Budget {
    /// A budget without limits: set some, as one that has none is never kept.
    pub fn new() -> Self {
        Self::default()
    }

    limits!();

    /// Adds the budget of a function.
    pub fn function(mut self, function: FunctionBudget) -> Self {
        self.functions.push(function);
        self
    }

    /// Restricts the limits of the whole to what was allocated with a JavaScript function on the
    /// stack ([`Measurement::javascript`](super::Measurement::javascript)), and not what V8 and the
    /// embedder allocated beside it. The limits of functions are the same.
    pub const fn javascript_only(mut self) -> Self {
        self.javascript_only = true;
        self
    }

    /// Sets the confidence that an estimate must have. Default: 95 %. Counts are always sure.
    ///
    /// The limits of an interval at 95 % are missed by 2.5 % to either side: a limit that is just
    /// kept is reported as surely exceeded once in forty runs. Each limit of a budget is checked by
    /// itself, so with many of them, or many runs, ask for more: [`Confidence::P99`] or higher.
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
}

/// The limits of one function, or of several together.
///
/// ```
/// use v8_heap_sampler::analysis::Pattern;
/// use v8_heap_sampler::budget::FunctionBudget;
///
/// let kept = FunctionBudget::total("renderRow").retained_bytes(200_000);
/// let nothing = FunctionBudget::own("renderRow").allocated_objects(0).may_be_absent();
/// // Only that of one file:
/// let of_file = Pattern::new("row of view.js", |function| {
///     function.name == "row" && function.script_name.ends_with("/view.js")
/// });
/// let of_file = FunctionBudget::total(of_file).allocated_bytes(50_000);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct FunctionBudget {
    pub(super) limits: Limits,
    pub(super) functions: Pattern,
    pub(super) own: bool,
    pub(super) may_be_absent: bool,
}

impl FunctionBudget {
    /// The budget of functions and all that they call: of all with a name, or of those that a
    /// pattern selects.
    ///
    /// The message of a budget that finds no function of a name lists similar ones.
    pub fn total(functions: impl Into<Pattern>) -> Self {
        Self::new(functions.into(), false)
    }

    /// The budget of functions, without what other functions allocated that they call: of all with
    /// a name, or of those that a pattern selects.
    ///
    /// Built-in functions are functions, too: what `map` allocates is not its caller's own.
    pub fn own(functions: impl Into<Pattern>) -> Self {
        Self::new(functions.into(), true)
    }

    fn new(functions: Pattern, own: bool) -> Self {
        Self { limits: Limits::default(), functions, own, may_be_absent: false }
    }

    limits!();

    /// Lets the budget pass if the measurement contains no such function.
    ///
    /// A function that allocated nothing, and called nothing that did, leaves no trace, and neither
    /// does one whose name is misspelt. Without this, both fail.
    pub const fn may_be_absent(mut self) -> Self {
        self.may_be_absent = true;
        self
    }
}
