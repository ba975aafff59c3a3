//! The allocations of some work, measured.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::amounts::{Amounts, Usage};
use super::check::{OverBudget, check};
use super::limits::Budget;
use crate::analysis::Pattern;
use crate::estimate::{Sum, Uncertainty};
use crate::model::{AnalysisError, Bytes, Counted, Function, PseudoFrame, SampleType};
use crate::profile::{Context, Evidence, GroupSums, Profile, of_groups};
use crate::text::Table;

/// The objects that some work allocated, and those of them that are alive after a full garbage
/// collection: in all, and by function.
///
/// In exact mode amounts are counts ([`Estimate::exact`](crate::Estimate::exact)); in sampled mode
/// they are estimates.
///
/// Displayed as the two totals and the functions that allocated most.
///
/// ```
/// use v8_heap_sampler::budget::Measurement;
/// use v8_heap_sampler::{
///     Bytes, KeepDead, Node, NodeId, Objects, Profile, Sample, SampleId, SamplerOptions,
/// };
///
/// // Of a profile that comes from elsewhere; `measure` makes one of an isolate.
/// let mut nodes = [Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "render")];
/// nodes[0].child_ids.push(NodeId(2));
/// let samples = (1..=3).map(|id| Sample::new(NodeId(2), 64, SampleId(id), id == 1));
/// let options = SamplerOptions::exact().keep_dead(KeepDead::Both);
/// let measurement = Measurement::new(Profile::from_samples(&nodes, samples, &options)?)?;
///
/// assert_eq!(measurement.allocated().objects, Objects(3));
/// assert_eq!(measurement.retained().space, Bytes(64));
/// let render = measurement.function("render").expect("it allocated");
/// assert_eq!(render.own.allocated.space, Bytes(192));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Measurement {
    profile: Profile,
}

/// The amounts of one function in all its contexts, or of several functions together.
#[derive(Clone, Debug, PartialEq)]
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

    /// All that was allocated: by JavaScript, and by V8 and the embedder with no JavaScript
    /// running.
    pub fn allocated(&self) -> Usage {
        self.total().allocated
    }

    /// The part of it that is alive.
    pub fn retained(&self) -> Usage {
        self.total().retained
    }

    /// The amounts allocated and retained in all.
    pub fn total(&self) -> Amounts {
        self.amounts(|_| true)
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
        self.amounts(|context| !is_outside_javascript(context.function()))
    }

    /// The objects that were allocated with no JavaScript function on the stack: compiling scripts,
    /// parsing, what the embedder made through V8's API.
    pub fn outside_javascript(&self) -> Amounts {
        self.amounts(|context| is_outside_javascript(context.function()))
    }

    /// The part of a pseudo frame, such as `(BYTECODE_COMPILER)`.
    ///
    /// The parts of all but [`PseudoFrame::Deopt`], which belongs to the function that was
    /// deoptimised, add up to [`outside_javascript`](Self::outside_javascript).
    pub fn pseudo_frame(&self, frame: PseudoFrame) -> Amounts {
        self.amounts(|context| context.function().pseudo_frame() == Some(frame))
    }

    /// The amounts of each function, pseudo frames included, in the order in which a preorder walk
    /// of the calling contexts meets them, the root first. Linear in the number of contexts.
    ///
    /// A function that allocated nothing, nor anything that it called, is not among them.
    pub fn functions(&self) -> Vec<FunctionAmounts> {
        let functions = self.profile.functions();
        let numbers: Vec<u32> = (0..functions.len() as u32).collect();
        let [alloc_objects, alloc_space, inuse_objects, inuse_space] =
            SampleType::ALL.map(|sample_type| {
                let evidence = self.evidence(sample_type);
                let sums = of_groups(&self.profile, &evidence, functions.len(), &numbers);
                let estimates = sums.into_iter().map(move |GroupSums { own, total, contexts }| {
                    (evidence.estimate(own), evidence.estimate(total), contexts)
                });
                estimates.collect::<Vec<_>>()
            });
        let of_function = |at: usize| {
            let [ao, aspace, io, is] =
                [&alloc_objects, &alloc_space, &inuse_objects, &inuse_space].map(|of| of[at]);
            FunctionAmounts {
                function: Arc::clone(&functions[at]),
                own: Amounts::new(Usage::new(ao.0, aspace.0), Usage::new(io.0, is.0)),
                total: Amounts::new(Usage::new(ao.1, aspace.1), Usage::new(io.1, is.1)),
                contexts: ao.2,
            }
        };
        (0..functions.len()).map(of_function).collect()
    }

    /// The functions of a name, or those that a pattern selects, taken together; `None` if there is
    /// none that allocated anything, or called what did.
    ///
    /// Linear in the number of contexts.
    #[must_use]
    pub fn function(&self, functions: impl Into<Pattern>) -> Option<FunctionAmounts> {
        let pattern = functions.into();
        let is_picked: Vec<bool> =
            self.profile.functions().iter().map(|of| pattern.matches(of)).collect();
        let is_picked = |context: Context<'_>| is_picked[context.function_number()];
        let has_values =
            |context: Context<'_>| !self.profile.rows_of(context.index()..context.end()).is_empty();
        let is_found = |context: &Context<'_>| is_picked(*context) && has_values(*context);
        let first = self.profile.contexts().find(is_found)?;
        let mut covered = 0;
        let total = self.amounts(|context| {
            if is_picked(context) {
                covered = covered.max(context.end());
            }
            context.index() < covered
        });
        Some(FunctionAmounts {
            function: Arc::clone(first.function()),
            own: self.amounts(is_picked),
            total,
            contexts: self.profile.contexts().filter(is_found).count() as u32,
        })
    }

    /// The profile, to be analysed, or written in a [format](mod@crate::format) and looked at
    /// elsewhere.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Tells whether a stack was as deep as V8 was told to keep them, so that callers may be missing,
    /// and from the totals of functions what they called. Linear in the number of contexts.
    pub fn has_cut_stacks(&self) -> bool {
        self.profile.cut_at().is_some()
    }

    /// The bytes that V8's own counter counted beyond the samples: what its background threads
    /// allocated, compiled code mostly. Nothing where V8 runs on one thread; `None` unless amounts
    /// are counts of what was collected here.
    pub fn not_sampled(&self) -> Option<Bytes> {
        let sampled = self.allocated().space.exact()?;
        let collection = self.profile.collection().filter(|_| !self.profile.is_part())?;
        collection.is_of_v8().then(|| Bytes(collection.allocated().0.saturating_sub(sampled)))
    }

    /// Checks the measurement against a budget.
    ///
    /// In exact mode an amount must not be above its limit. In sampled mode it fails where it is
    /// surely above: where the lower limit of the interval at the budget's
    /// [`confidence`](Budget::confidence), 95 % unless told otherwise, is; with
    /// [`Budget::strict`], where it is not surely within.
    ///
    /// # Errors
    ///
    /// [`OverBudget`] lists all limits that were not kept, and who is to blame.
    pub fn check(&self, budget: &Budget) -> Result<(), OverBudget> {
        check(self, budget)
    }

    /// Fails the test if the measurement is not within a budget: [`check`](Self::check), for tests.
    ///
    /// # Panics
    ///
    /// With the message of [`OverBudget`], if it is not.
    #[track_caller]
    pub fn assert(&self, budget: &Budget) {
        if let Err(over) = self.check(budget) {
            panic!("{over}");
        }
    }

    /// The values of a sample type, row by row.
    pub(super) fn evidence(&self, sample_type: SampleType) -> Evidence<'_> {
        Evidence::new(&self.profile, sample_type).expect("a measurement has all four values")
    }

    /// The amounts of what no sample was seen of.
    pub(super) fn nothing(&self) -> Amounts {
        self.amounts(|_| false)
    }

    /// The amounts of the contexts that `is_in` picks; it is asked about each in preorder.
    fn amounts(&self, mut is_in: impl FnMut(Context<'_>) -> bool) -> Amounts {
        let mut rows: Vec<Range<usize>> = Vec::new();
        for (context, of_context) in self.profile.contexts_with_rows() {
            if is_in(context) && !of_context.is_empty() {
                match rows.last_mut() {
                    Some(last) if last.end == of_context.start => last.end = of_context.end,
                    _ => rows.push(of_context),
                }
            }
        }
        let of = |sample_type: SampleType| {
            let evidence = self.evidence(sample_type);
            let sum: Sum = evidence.of_rows(rows.iter().cloned().flatten());
            evidence.estimate(sum)
        };
        let usage = |counted: Counted| Usage::new(of(counted.objects()), of(counted.space()));
        Amounts::new(usage(Counted::Allocated), usage(Counted::InUse))
    }
}

/// Whether V8 found no JavaScript function on the stack. What deoptimisation materialises is the
/// deoptimised function's.
pub(super) fn is_outside_javascript(function: &Function) -> bool {
    function.pseudo_frame().is_some_and(|frame| frame != PseudoFrame::Deopt)
}

/// The number of functions in [`Measurement`]'s table.
const SHOWN: usize = 10;

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "allocated {}", self.allocated())?;
        writeln!(f, "retained  {}", self.retained())?;
        let value = |of: &FunctionAmounts| of.own.allocated.space.value();
        let mut functions = self.functions();
        functions.retain(|function| value(function) > 0.0);
        // By name where they are equal, so that the table is the same each time.
        functions.sort_by(|one, other| {
            let by_name = || one.function.to_string().cmp(&other.function.to_string());
            value(other).total_cmp(&value(one)).then_with(by_name)
        });
        let mut table = Table::new(["allocated itself", "of it retained", "function"]);
        for FunctionAmounts { function, own: Amounts { allocated, retained }, .. } in
            functions.iter().take(SHOWN)
        {
            table.push([allocated.to_string(), retained.to_string(), function.to_string()]);
        }
        f.write_str(table.to_string().trim_end())?;
        match functions.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            1 => write!(f, "\nand 1 more function"),
            more => write!(f, "\nand {more} more functions"),
        }
    }
}
