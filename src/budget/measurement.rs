//! What some work allocated and retained.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::amount::{Amounts, Counts, Measured};
use super::check::{OverBudget, check};
use super::limits::Budget;
use crate::callgraph::{CallTree, FunctionSums};
use crate::error::Error;
use crate::heap_profile::SampleType;
use crate::profile::{Bytes, Function, Node, NodeId, Profile, PseudoFrame, SamplerOptions};

/// What some work allocated, and what of it is alive after a full garbage collection: in all, and by
/// function.
///
/// In exact mode amounts are [`Counts`]; in sampled mode they are estimates, [`Usage`].
///
/// Displayed as the two totals and the functions that allocated most.
///
/// [`Usage`]: crate::Usage
///
/// ```
/// use v8_heap_sampler::budget::Measurement;
/// use v8_heap_sampler::{
///     Bytes, KeepDead, Node, NodeId, Objects, Profile, Sample, SampleId, SamplerOptions,
/// };
///
/// // Of a profile that comes from elsewhere; `measure` makes one of an isolate.
/// let mut nodes = vec![Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "render")];
/// nodes[0].child_ids.push(NodeId(2));
/// let samples = (1..=3).map(|id| Sample::new(NodeId(2), 64, SampleId(id), id == 1)).collect();
/// let options = SamplerOptions::exact().keep_dead(KeepDead::Both);
/// let measurement: Measurement = Measurement::from_profile(Profile::new(nodes, samples, options))?;
///
/// assert_eq!(measurement.allocated().objects, Objects(3));
/// assert_eq!(measurement.retained().space, Bytes(64));
/// let render = measurement.function("render").expect("it allocated");
/// assert_eq!(render.own.allocated.space, Bytes(192));
/// # Ok::<(), v8_heap_sampler::budget::MeasurementError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Measurement<A: Measured = Counts> {
    profile: Profile,
    tree: CallTree,
    nothing: Amounts<A>,
    /// Of contexts with samples; the others have `nothing`.
    own: HashMap<NodeId, Amounts<A>, RandomState>,
    /// Of subtrees, by rank.
    subtrees: Vec<Amounts<A>>,
    functions: Vec<FunctionAmounts<A>>,
    outside_javascript: Amounts<A>,
    javascript: Amounts<A>,
}

/// What a function allocated and retained, in all its contexts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FunctionAmounts<A> {
    /// Which function.
    pub function: Arc<Function>,
    /// What it allocated itself.
    pub own: Amounts<A>,
    /// What was allocated while it was on the stack: each object once, however often the function
    /// stands on its stack.
    pub total: Amounts<A>,
    /// In how many contexts it appears.
    pub contexts: u32,
}

/// What several functions allocated and retained together.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SelectionAmounts<A> {
    /// What they allocated themselves.
    pub own: Amounts<A>,
    /// What was allocated while one of them was on the stack: each object once.
    pub total: Amounts<A>,
    /// In how many contexts they appear.
    pub contexts: u32,
}

/// Why a profile cannot be taken for a measurement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeasurementError {
    /// Counts were asked for, but only some objects were sampled.
    #[error(
        "the profile was sampled every {interval_bytes} bytes, and counts need an interval of 1: \
         take it as Measurement<Usage>"
    )]
    NotExact {
        /// The interval, in bytes.
        interval_bytes: u64,
    },

    /// Samples of dead objects were not kept, so nobody knows what was allocated.
    #[error(
        "the samples of dead objects were not kept: it takes KeepDead::Both to know what was allocated"
    )]
    DeadNotKept,

    /// The profile does not fit together.
    #[error(transparent)]
    Profile(#[from] Error),
}

impl<A: Measured> Measurement<A> {
    /// A measurement of what a profile holds. O(n + s log s) in the numbers of its nodes and
    /// samples.
    ///
    /// What is retained is what is alive in the profile: whether there was a garbage collection
    /// before it was collected is for the caller to know.
    ///
    /// # Errors
    ///
    /// [`MeasurementError`] if the profile was not sampled as it must be, or does not fit together.
    pub fn from_profile(profile: Profile) -> Result<Self, MeasurementError> {
        let interval_bytes = profile.options.interval_bytes;
        if A::IS_EXACT && interval_bytes != SamplerOptions::MIN_INTERVAL_BYTES {
            return Err(MeasurementError::NotExact { interval_bytes });
        }
        if !profile.has_all_allocations() {
            return Err(MeasurementError::DeadNotKept);
        }
        Ok(Self::new(profile)?)
    }

    /// Of a profile that was sampled as it must be.
    pub(super) fn new(profile: Profile) -> Result<Self, Error> {
        profile.check()?;
        let tree = CallTree::from_nodes(&profile.nodes)?;
        let nothing = Amounts::none(&profile.options);
        let own = by_node(&profile, nothing);
        let of = |node: &Node| own.get(&node.id).copied().unwrap_or(nothing);
        let subtrees = tree.sum_up(of);
        let functions = tree.function_sums(nothing, of).into_iter().map(|sums| {
            let FunctionSums { function, own, total, contexts } = sums;
            FunctionAmounts { function, own, total, contexts }
        });
        let functions: Vec<_> = functions.collect();
        let (mut javascript, mut outside_javascript) = (nothing, nothing);
        for function in &functions {
            if is_outside_javascript(&function.function) {
                outside_javascript += function.own;
            } else {
                javascript += function.own;
            }
        }
        Ok(Self {
            nothing,
            own,
            subtrees,
            functions,
            outside_javascript,
            javascript,
            tree,
            profile,
        })
    }

    /// All that was allocated: by JavaScript, and by V8 and the embedder with no JavaScript running.
    #[must_use]
    pub fn allocated(&self) -> A {
        self.total().allocated
    }

    /// What of it is alive.
    #[must_use]
    pub fn retained(&self) -> A {
        self.total().retained
    }

    /// Both.
    #[must_use]
    pub fn total(&self) -> Amounts<A> {
        self.subtrees[0]
    }

    /// What was allocated with a JavaScript function on the stack, built-in ones included: by the
    /// functions, and by V8 for them. When a function is called for the first time, V8 compiles it
    /// and makes room for what it will learn about it, and that is the function's or its caller's.
    #[must_use]
    pub fn javascript(&self) -> Amounts<A> {
        self.javascript
    }

    /// What was allocated with no JavaScript function on the stack: compiling scripts, parsing, what
    /// the embedder made through V8's API.
    #[must_use]
    pub fn outside_javascript(&self) -> Amounts<A> {
        self.outside_javascript
    }

    /// The part of a pseudo frame, such as `(BYTECODE_COMPILER)`.
    ///
    /// The parts of all but [`PseudoFrame::Deopt`], which belongs to the function that was
    /// deoptimised, add up to [`outside_javascript`](Self::outside_javascript).
    #[must_use]
    pub fn pseudo_frame(&self, frame: PseudoFrame) -> Amounts<A> {
        let functions = self.functions.iter();
        let mut of_frame =
            functions.filter(|function| function.function.pseudo_frame() == Some(frame));
        of_frame.next().map_or(self.nothing, |function| function.own)
    }

    /// What each function allocated and retained, pseudo frames included, in the order in which a
    /// preorder walk of the [calling contexts](CallTree) meets them, the root first.
    ///
    /// A function that allocated nothing, nor anything that it called, is not among them.
    #[must_use]
    pub fn functions(&self) -> &[FunctionAmounts<A>] {
        &self.functions
    }

    /// The functions of a name, taken together; `None` if there is none that allocated anything, or
    /// called what did.
    ///
    /// Linear in the number of contexts.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<SelectionAmounts<A>> {
        self.functions_where(|function| function.name == *name)
    }

    /// The functions that `which` picks, taken together; `None` if there are none.
    ///
    /// Linear in the number of contexts.
    #[must_use]
    pub fn functions_where(
        &self,
        mut which: impl FnMut(&Function) -> bool,
    ) -> Option<SelectionAmounts<A>> {
        let mut sum = SelectionAmounts { own: self.nothing, total: self.nothing, contexts: 0 };
        let mut covered = 0;
        for node in &self.tree {
            if which(&node.function) {
                sum.contexts += 1;
                sum.own += self.context(node.id);
                if node.rank() >= covered {
                    sum.total += self.subtrees[node.rank()];
                    covered = node.rank() + node.descendants().len();
                }
            }
        }
        (sum.contexts > 0).then_some(sum)
    }

    /// What a calling context allocated itself; nothing, if there is no such context. Constant time.
    #[must_use]
    pub fn context(&self, node: NodeId) -> Amounts<A> {
        self.own.get(&node).copied().unwrap_or(self.nothing)
    }

    /// What a calling context and all below it allocated; nothing, if there is no such context.
    /// Constant time.
    #[must_use]
    pub fn context_total(&self, node: NodeId) -> Amounts<A> {
        self.tree.get(node).map_or(self.nothing, |node| self.subtrees[node.rank()])
    }

    /// The calling contexts, to look up [`context`](Self::context) and
    /// [`context_total`](Self::context_total) by.
    #[must_use]
    pub fn tree(&self) -> &CallTree {
        &self.tree
    }

    /// What was sampled, to be written in a [format](mod@crate::format) and looked at elsewhere.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Whether a stack was as deep as V8 was told to keep them, so that callers may be missing, and
    /// from the totals of functions what they called. Linear in the number of contexts.
    #[must_use]
    pub fn has_cut_stacks(&self) -> bool {
        let most = self.profile.options.stack_depth as usize;
        let mut depths: Vec<usize> = vec![0; self.tree.len()];
        self.tree.iter().any(|node| {
            let depth = node.parent().map_or(0, |parent| depths[parent.rank()] + 1);
            depths[node.rank()] = depth;
            depth >= most && !node.is_pseudo_frame()
        })
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
}

impl Measurement<Counts> {
    /// What V8's own counter counted beyond the samples: what its background threads allocated,
    /// compiled code mostly. Nothing where V8 runs on one thread.
    #[must_use]
    pub fn not_sampled(&self) -> Bytes {
        Bytes(self.profile.allocated().0.saturating_sub(self.allocated().space.0))
    }
}

/// Whether V8 found no JavaScript function on the stack. What deoptimisation materialises is the
/// deoptimised function's.
pub(super) fn is_outside_javascript(function: &Function) -> bool {
    function.pseudo_frame().is_some_and(|frame| frame != PseudoFrame::Deopt)
}

/// What each context allocated itself.
fn by_node<A: Measured>(
    profile: &Profile,
    nothing: Amounts<A>,
) -> HashMap<NodeId, Amounts<A>, RandomState> {
    // In an order of its own, so that sums of floating-point numbers do not depend on V8's.
    let key = |sample: &crate::profile::Sample| (sample.node_id, sample.size, sample.is_live);
    let mut samples: Vec<_> = profile.samples.iter().map(key).collect();
    samples.sort_unstable();
    let mut own: HashMap<NodeId, Amounts<A>, RandomState> = HashMap::default();
    for same in samples.chunk_by(|one, other| (one.0, one.1) == (other.0, other.1)) {
        let (node_id, size, _) = same[0];
        let live = same.iter().filter(|sample| sample.2).count() as u64;
        let amounts = own.entry(node_id).or_insert(nothing);
        amounts.allocated += A::of(same.len() as u64, size, &profile.options);
        if live > 0 {
            amounts.retained += A::of(live, size, &profile.options);
        }
    }
    own
}

/// How many functions [`Measurement`]'s table has.
const SHOWN: usize = 10;

impl<A: Measured> fmt::Display for Measurement<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = SampleType::AllocSpace;
        writeln!(f, "allocated {}", self.allocated().shown(what))?;
        writeln!(f, "retained  {}", self.retained().shown(what))?;
        let mut functions: Vec<_> = self
            .functions
            .iter()
            .filter(|function| function.own.allocated.value(what) > 0.0)
            .collect();
        // By name where they are equal, so that the table is the same each time.
        functions.sort_by(|one, other| {
            let value = |of: &FunctionAmounts<A>| of.own.allocated.value(what);
            value(other)
                .total_cmp(&value(one))
                .then_with(|| one.function.to_string().cmp(&other.function.to_string()))
        });
        let rows: Vec<[String; 3]> = functions
            .iter()
            .take(SHOWN)
            .map(|function| {
                let Amounts { allocated, retained } = function.own;
                [allocated.shown(what), retained.shown(what), function.function.to_string()]
            })
            .collect();
        let headers = ["allocated itself", "of it retained"];
        let widths = [0, 1].map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0).max(headers[column].len())
        });
        let [first, second] = widths;
        write!(f, "{:>first$}  {:>second$}  function", headers[0], headers[1])?;
        for [allocated, retained, function] in &rows {
            write!(f, "\n{allocated:>first$}  {retained:>second$}  {function}")?;
        }
        match functions.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            1 => write!(f, "\nand 1 more function"),
            more => write!(f, "\nand {more} more functions"),
        }
    }
}
