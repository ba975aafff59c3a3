//! The allocations of some work, measured.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::amounts::{Amounts, in_full};
use super::check::{OverBudget, check};
use super::limits::Budget;
use crate::analysis::Pattern;
use crate::estimate::Uncertainty;
use crate::model::{AnalysisError, Bytes, Counted, Function, PseudoFrame, SampleType};
use crate::profile::{Context, Evidence, Profile, group_sums};
use crate::text::Table;
use crate::tree::NONE;

/// The objects that some work allocated, and those of them that are alive after a full garbage
/// collection: in all, and by function.
///
/// In exact mode amounts are counts ([`Estimate::exact`](crate::Estimate::exact)); in sampled mode
/// they are estimates.
///
/// Displayed as the two totals and the functions that allocated most. Written by serde as its
/// profile, if that is a whole one that was collected.
///
/// ```
/// use v8_heap_sampler::budget::Measurement;
/// use v8_heap_sampler::{
///     Bytes, KeepDead, Node, NodeId, Objects, Profile, Sample, SampleId, SamplerOptions,
/// };
///
/// // Of a profile that comes from elsewhere; `MeasureOptions` make one of an isolate.
/// let mut nodes = [Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "render")];
/// nodes[0].child_ids.push(NodeId(2));
/// let samples = (1..=3).map(|id| Sample::new(NodeId(2), 64, SampleId(id), id == 1));
/// let options = SamplerOptions::exact().keep_dead(KeepDead::Both);
/// let measurement = Measurement::new(Profile::from_samples(&nodes, samples, &options)?)?;
///
/// assert_eq!(measurement.total().allocated_objects, Objects(3));
/// assert_eq!(measurement.total().retained_bytes, Bytes(64));
/// let render = measurement.function("render").expect("it allocated");
/// assert_eq!(render.own.allocated_bytes, Bytes(192));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Measurement {
    profile: Profile,
}

/// The amounts of one function in all its contexts, or of several functions together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FunctionAmounts {
    /// The function; of several, the one that comes first in preorder.
    pub function: Arc<Function>,
    /// The amount that it allocated itself.
    pub own: Amounts,
    /// The amount that was allocated while it was on the stack: each object once, however often the
    /// function stands on its stack.
    pub total: Amounts,
    /// The number of contexts in which it appears.
    pub contexts: u32,
}

impl Measurement {
    /// A measurement of what a profile holds. Linear in its contexts.
    ///
    /// Objects are retained if they are alive in the profile: whether there was a garbage
    /// collection before it was collected is for the caller to know.
    ///
    /// # Errors
    ///
    /// [`AnalysisError`] if the profile was not sampled as it must be.
    pub fn new(profile: Profile) -> Result<Self, AnalysisError> {
        for sample_type in SampleType::ALL {
            profile.require(sample_type)?;
            if let Some(Uncertainty::Unknown | Uncertainty::Difference) =
                profile.uncertainty(sample_type)
            {
                return Err(AnalysisError::Unsure { sample_type });
            }
        }
        Ok(Self { profile })
    }

    /// The amounts of everything: by JavaScript, and by V8 and the embedder with no JavaScript
    /// running.
    pub fn total(&self) -> Amounts {
        self.amounts_of(|_| true)
    }

    /// Tells whether every object was sampled, so that all amounts are counts.
    pub fn is_exact(&self) -> bool {
        self.profile.uncertainty(SampleType::AllocSpace) == Some(Uncertainty::Exact)
    }

    /// The objects that were allocated with a JavaScript function on the stack, built-in ones
    /// included: by the functions, and by V8 for them. When a function is called for the first
    /// time, V8 compiles it and makes room for what it will learn about it, and that is the
    /// function's or its caller's.
    pub fn javascript(&self) -> Amounts {
        self.amounts_of(|function| !is_outside_javascript(function))
    }

    /// The objects that were allocated with no JavaScript function on the stack: compiling scripts,
    /// parsing, what the embedder made through V8's API.
    pub fn outside_javascript(&self) -> Amounts {
        self.amounts_of(is_outside_javascript)
    }

    /// The part of a pseudo frame, such as `(BYTECODE_COMPILER)`.
    ///
    /// The parts of all but [`PseudoFrame::Deopt`], which belongs to the function that was
    /// deoptimised, add up to [`outside_javascript`](Self::outside_javascript).
    pub fn pseudo_frame(&self, frame: PseudoFrame) -> Amounts {
        self.amounts_of(|function| function.pseudo_frame() == Some(frame))
    }

    /// The amounts of each function, pseudo frames included, in the order in which a preorder walk
    /// of the calling contexts meets them, the root first. Linear in the number of contexts.
    ///
    /// A function that allocated nothing, nor anything that it called, is not among them.
    pub fn functions(&self) -> Vec<FunctionAmounts> {
        self.by_function(&self.rows(|_| true))
    }

    /// The functions of a name, or those that a pattern selects, taken together; `None` if there is
    /// none that allocated anything, or called what did.
    ///
    /// Linear in the number of contexts.
    #[must_use]
    pub fn function(&self, functions: impl Into<Pattern>) -> Option<FunctionAmounts> {
        let pattern = functions.into();
        let functions = self.profile.functions().iter();
        let group_of: Vec<u32> =
            functions.map(|function| if pattern.matches(function) { 0 } else { NONE }).collect();
        let first = group_of.iter().position(|&group| group == 0)?;
        let first = &self.profile.functions()[first..=first];
        self.by_group(first, &group_of, &self.rows(|_| true)).pop()
    }

    /// The profile, to be analysed, or written in a [format](mod@crate::format) and looked at
    /// elsewhere.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Tells whether a stack was as deep as V8 was told to keep them, so that callers may be missing,
    /// and from the totals of functions what they called: they are below
    /// [`Profile::cut_stacks`].
    pub fn has_cut_stacks(&self) -> bool {
        self.profile.cut_at().is_some()
    }

    /// The depth at which stacks were cut of what was allocated, or of what is retained.
    pub(super) fn cut_at(&self, counted: Counted) -> Option<u32> {
        let depth = self.profile.cut_at()?;
        if let Some(cut) = self.profile.cut_stacks() {
            cut.total(counted.space()).filter(|total| total.value() > 0.0)?;
        }
        match self.profile.collection() {
            // The tracker's limit is that of retained objects alone.
            Some(of) if counted == Counted::Allocated => Some(of.options.stack_depth),
            _ => Some(depth),
        }
    }

    /// Tells whether retained objects are those that V8's tracker found alive, each with its true
    /// size, and not samples, which have the size of the allocation.
    ///
    /// So it is where [`MeasureOptions::exact`](super::MeasureOptions::exact) measured and V8 can
    /// [track](crate::HeapTracker#escape-analysis).
    pub fn is_tracked(&self) -> bool {
        self.profile.is_counted()
    }

    /// The bytes that were allocated without being sampled, by V8's own
    /// [counters](crate::Collection::allocated): by its background threads, as compiled code mostly.
    /// Ends of pages, or of buffers, that nothing was put in are in it, whichever are less. Nothing
    /// where V8 runs on one thread; `None` unless amounts are counts of what was collected here.
    pub fn not_sampled(&self) -> Option<Bytes> {
        let sampled = self.total().allocated_bytes.exact()?;
        let collection = self.profile.collection().filter(|_| !self.profile.is_part())?;
        collection.is_of_v8().then(|| Bytes(collection.allocated().0.saturating_sub(sampled)))
    }

    /// The bytes that the same work allocated in the last run of the
    /// [warm-up](super::MeasureOptions::warm_up), when nobody sampled it: by the growth of the heap
    /// between garbage collections, what background threads allocated included. `None` without a
    /// warm-up, and in sampled mode.
    ///
    /// Some built-in functions allocate more while every object is sampled, see
    /// [`budget`](crate::budget#counts-and-estimates). So a budget of all that is allocated is exceeded
    /// only if this is above its limit, too.
    pub fn unsampled(&self) -> Option<Bytes> {
        self.profile.collection().filter(|_| self.is_exact())?.unsampled
    }

    /// The same, of a run that nobody sampled.
    #[cfg(any(feature = "v8-150", feature = "v8-152"))]
    pub(super) fn with_unsampled(mut self, unsampled: Option<Bytes>) -> Self {
        self.profile.set_unsampled(unsampled);
        self
    }

    /// Checks the measurement against a [`Budget`], or an array or a slice of them.
    ///
    /// In exact mode an amount must not be above its limit. In sampled mode it fails where it is
    /// surely above: where the lower limit of the interval at the budget's
    /// [`confidence`](Budget::confidence), 95 % unless told otherwise, is; with
    /// [`Budget::strict`], where it is not surely within.
    ///
    /// # Errors
    ///
    /// [`OverBudget`] lists all limits that were not kept, and who is to blame.
    pub fn check(&self, budgets: impl AsRef<[Budget]>) -> Result<(), OverBudget> {
        check(self, budgets.as_ref())
    }

    /// Fails the test if a budget is not kept: [`check`](Self::check), for tests.
    ///
    /// # Panics
    ///
    /// With the message of [`OverBudget`].
    #[track_caller]
    pub fn assert(&self, budgets: impl AsRef<[Budget]>) {
        if let Err(over) = self.check(budgets) {
            panic!("{over}");
        }
    }

    /// The values of a sample type, row by row.
    pub(super) fn evidence(&self, sample_type: SampleType) -> Evidence<'_> {
        Evidence::new(&self.profile, sample_type).expect("a measurement has all four values")
    }

    /// The places of the rows of the contexts that `is_in` picks, by context; it is asked about each
    /// in preorder.
    pub(super) fn rows(&self, mut is_in: impl FnMut(Context<'_>) -> bool) -> Vec<Range<usize>> {
        let contexts = self.profile.contexts_with_rows();
        contexts.map(|(context, rows)| if is_in(context) { rows } else { 0..0 }).collect()
    }

    /// The amounts of rows.
    pub(super) fn amounts(&self, rows: &[Range<usize>]) -> Amounts {
        Amounts::new(SampleType::ALL.map(|sample_type| {
            let evidence = self.evidence(sample_type);
            evidence.estimate(evidence.of_rows(rows.iter().cloned().flatten()))
        }))
    }

    /// What functions allocated themselves, of those that `is_in` picks.
    fn amounts_of(&self, is_in: impl Fn(&Function) -> bool) -> Amounts {
        self.amounts(&self.rows(|context| is_in(context.function())))
    }

    /// The parts of functions in the amounts of rows; those that have none are left out.
    pub(super) fn by_function(&self, rows: &[Range<usize>]) -> Vec<FunctionAmounts> {
        let functions = self.profile.functions();
        let numbers: Vec<u32> = (0..functions.len() as u32).collect();
        self.by_group(functions, &numbers, rows)
    }

    /// The same by groups, of which the first functions are given, and the numbers by function.
    fn by_group(
        &self,
        firsts: &[Arc<Function>],
        group_of: &[u32],
        rows: &[Range<usize>],
    ) -> Vec<FunctionAmounts> {
        let sums = SampleType::ALL.map(|sample_type| {
            let evidence = self.evidence(sample_type);
            let own = |rank: u32| evidence.of_rows(rows[rank as usize].clone());
            let sums = group_sums(&self.profile, firsts.len(), group_of, own);
            let estimates = sums
                .into_iter()
                .map(|of| (evidence.estimate(of.own), evidence.estimate(of.total), of.contexts));
            estimates.collect::<Vec<_>>()
        });
        let functions = firsts.iter().enumerate().map(|(group, function)| FunctionAmounts {
            function: Arc::clone(function),
            own: Amounts::new(sums.each_ref().map(|of| of[group].0)),
            total: Amounts::new(sums.each_ref().map(|of| of[group].1)),
            contexts: sums[0][group].2,
        });
        functions.filter(|function| !function.total.is_nothing()).collect()
    }
}

impl<'de> Deserialize<'de> for Measurement {
    /// Reads a profile, with the checks of [`Measurement::new`].
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Profile::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Whether V8 found no JavaScript function on the stack. What deoptimisation materialises is the
/// deoptimised function's, and what was cut off a stack are functions.
pub(super) fn is_outside_javascript(function: &Function) -> bool {
    let frame = function.pseudo_frame();
    frame.is_some_and(|frame| !matches!(frame, PseudoFrame::Deopt | PseudoFrame::Cut))
}

/// The number of functions in [`Measurement`]'s table.
const SHOWN: usize = 10;

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        write!(f, "allocated {}", total.shown(SampleType::AllocSpace))?;
        if let Some(unsampled) = self.unsampled().filter(|&bytes| total.allocated_bytes != bytes) {
            write!(f, " ({} when nobody samples)", in_full(unsampled.0, SampleType::AllocSpace))?;
        }
        writeln!(f)?;
        writeln!(f, "retained  {}", total.shown(SampleType::InuseSpace))?;
        let value = |of: &FunctionAmounts| of.own.allocated_bytes.value();
        let mut functions = self.functions();
        functions.retain(|function| value(function) > 0.0);
        // By name where they are equal, so that the table is the same each time.
        functions.sort_by(|one, other| {
            let by_name = || one.function.to_string().cmp(&other.function.to_string());
            value(other).total_cmp(&value(one)).then_with(by_name)
        });
        let mut table = Table::new(["allocated itself", "of it retained", "function"]);
        for FunctionAmounts { function, own, .. } in functions.iter().take(SHOWN) {
            let [allocated, retained] =
                [SampleType::AllocSpace, SampleType::InuseSpace].map(|what| own.shown(what));
            table.push([allocated, retained, function.to_string()]);
        }
        f.write_str(table.to_string().trim_end())?;
        match functions.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            1 => write!(f, "\nand 1 more function"),
            more => write!(f, "\nand {more} more functions"),
        }
    }
}
