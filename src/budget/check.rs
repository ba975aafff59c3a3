//! Holds a measurement against a budget, and says who is to blame.

use std::fmt;
use std::sync::Arc;

use super::amounts::{Amounts, Usage, in_full};
use super::limits::{Budget, FunctionBudget};
use super::measurement::{Measurement, is_outside_javascript};
use crate::estimate::{ConfidenceInterval, Sum};
use crate::model::{Counted, Function, SampleType, plain_text};
use crate::profile::Context;

/// The budget was not kept: what was exceeded, and by whom.
///
/// The message lists every limit that was not kept, and for each the functions that allocated most
/// of it, with the calls that led to the biggest part.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub struct OverBudget {
    /// The violations, in the order of the budget; never empty.
    pub violations: Vec<Violation>,
}

/// A part of a budget that was not kept.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Violation {
    /// There is more than there may be.
    Exceeded(Exceeded),
    /// The function that the budget is of allocated nothing that is known of, or is called
    /// something else.
    Absent {
        /// What the budget calls it.
        function: String,
        /// Functions with similar names, the most similar first.
        near: Vec<Arc<Function>>,
        /// Whether counts say so. Of estimates it can be that no sample was taken there.
        is_exact: bool,
    },
    /// Stacks were cut at the depth that the options allow, so that the function's total may lack
    /// what was called at greater depths, and is not known to be within its limits.
    CutStacks {
        /// What the budget calls the function.
        function: String,
        /// How many frames of a stack were kept.
        stack_depth: u32,
    },
    /// The budget, or that of a function, has no limit that could be kept.
    NoLimit {
        /// What the budget calls the function; `None` for the whole.
        function: Option<String>,
    },
}

/// The scope of a limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// Everything.
    All,
    /// Everything with a JavaScript function on the stack.
    JavaScript,
    /// A function, or several, and what they call.
    Total(String),
    /// A function, or several, without what they call.
    Own(String),
}

/// A limit, and how it was exceeded.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Exceeded {
    /// Whose limit it is.
    pub scope: Scope,
    /// The values that are limited: `Inuse...` is what was retained.
    pub what: SampleType,
    /// The most that was allowed, in bytes or objects.
    pub limit: u64,
    /// The amount that there is. Whole, if it was counted.
    pub found: f64,
    /// The interval of the truth, if the amount is an estimate.
    pub interval: Option<ConfidenceInterval>,
    /// The functions that have most of it, the one with the most first; five at most.
    pub offenders: Vec<Offender>,
    /// The number of functions that have some of it.
    pub functions: usize,
    shown: String,
    strict: bool,
}

/// A function that has a part in what was exceeded.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Offender {
    /// The function.
    pub function: Arc<Function>,
    /// The amount that it allocated itself, or retains of that.
    pub found: f64,
    /// The calls that led to it where it allocated most: its caller first, the outermost last,
    /// without the root.
    pub callers: Vec<Arc<Function>>,
    shown: String,
}

/// How many offenders are listed for a limit.
const OFFENDERS: usize = 5;

/// How many callers of the first one are shown.
const CALLERS: usize = 8;

/// How many similar names are listed.
const NEAR: usize = 3;

pub(super) fn check(measurement: &Measurement, budget: &Budget) -> Result<(), OverBudget> {
    let mut violations = Vec::new();
    if budget.limits.is_empty() && budget.functions.is_empty() {
        violations.push(Violation::NoLimit { function: None });
    }
    let (scope, amounts) = if budget.javascript_only {
        (Scope::JavaScript, measurement.javascript())
    } else {
        (Scope::All, measurement.total())
    };
    for (what, limit) in budget.limits.iter() {
        let exceeded = exceeded(measurement, budget, &scope, amounts, what, limit, |context| {
            !(budget.javascript_only && is_outside_javascript(context.function()))
        });
        violations.extend(exceeded.map(Violation::Exceeded));
    }
    for function in &budget.functions {
        check_function(measurement, budget, function, &mut violations);
    }
    if violations.is_empty() { Ok(()) } else { Err(OverBudget { violations }) }
}

fn check_function(
    measurement: &Measurement,
    budget: &Budget,
    function: &FunctionBudget,
    violations: &mut Vec<Violation>,
) {
    let name = || function.functions.to_string();
    if function.limits.is_empty() {
        violations.push(Violation::NoLimit { function: Some(name()) });
    }
    let found = measurement.function(&function.functions);
    if found.is_none() && !function.may_be_absent {
        let near = near(measurement, function);
        violations.push(Violation::Absent {
            function: name(),
            near,
            is_exact: measurement.is_exact(),
        });
        return;
    }
    let scope = if function.own { Scope::Own(name()) } else { Scope::Total(name()) };
    let amounts = found.map(|found| if function.own { found.own } else { found.total });
    // Of one that is not there, samples may be missing.
    let amounts = amounts.unwrap_or_else(|| measurement.nothing());
    let before = violations.len();
    for (what, limit) in function.limits.iter() {
        let mut covered = 0;
        let exceeded = exceeded(measurement, budget, &scope, amounts, what, limit, |context| {
            let is_it = function.functions.matches(context.function());
            if is_it && !function.own {
                covered = covered.max(context.end());
            }
            is_it || context.index() < covered
        });
        violations.extend(exceeded.map(Violation::Exceeded));
    }
    if violations.len() == before
        && !function.own
        && let Some(stack_depth) = measurement.profile().cut_at()
    {
        violations.push(Violation::CutStacks { function: name(), stack_depth });
    }
}

/// Whether `amounts` are above the limit; if so, by whom. `is_in` is asked about each context in
/// preorder.
fn exceeded(
    measurement: &Measurement,
    budget: &Budget,
    scope: &Scope,
    amounts: Amounts,
    what: SampleType,
    limit: u64,
    is_in: impl FnMut(Context<'_>) -> bool,
) -> Option<Exceeded> {
    let usage = amounts.of(what);
    let estimate = usage.of(what);
    let interval = match estimate.exact() {
        Some(_) => None,
        None => estimate.interval(budget.confidence),
    };
    let decisive = match interval {
        None => estimate.value(),
        Some(interval) => {
            let bound = if budget.strict { interval.upper } else { interval.lower };
            // Sums of floating-point numbers: their last digits are not above anything.
            bound * (1.0 - 1e-9)
        }
    };
    if decisive <= limit as f64 {
        return None;
    }
    let (offenders, functions) = offenders(measurement, what, is_in);
    Some(Exceeded {
        scope: scope.clone(),
        what,
        limit,
        found: estimate.value(),
        interval,
        offenders,
        functions,
        shown: usage.shown(what),
        strict: budget.strict,
    })
}

/// The functions that have most in the contexts of a scope, and the number of those that have some.
fn offenders(
    measurement: &Measurement,
    what: SampleType,
    mut is_in: impl FnMut(Context<'_>) -> bool,
) -> (Vec<Offender>, usize) {
    /// Sums of bytes or objects, as asked for, and of the other.
    struct Part<'p> {
        sums: [Sum; 2],
        /// The context with the most.
        biggest: Context<'p>,
        of_biggest: f64,
    }
    let counted = what.counted();
    let other = if what.is_bytes() { counted.objects() } else { counted.space() };
    let evidence = [what, other].map(|sample_type| measurement.evidence(sample_type));
    let profile = measurement.profile();
    // By number of a function.
    let mut place = vec![usize::MAX; profile.functions().len()];
    let mut parts: Vec<Part<'_>> = Vec::new();
    for (context, rows) in profile.contexts_with_rows() {
        let sums = [0, 1].map(|at| evidence[at].of_rows(rows.clone()));
        let value = sums[0].value();
        if !is_in(context) || value == 0.0 {
            continue;
        }
        let place = &mut place[context.function_number()];
        if let Some(part) = parts.get_mut(*place) {
            part.sums = [0, 1].map(|at| part.sums[at].plus(&sums[at]));
            if value > part.of_biggest {
                (part.biggest, part.of_biggest) = (context, value);
            }
        } else {
            *place = parts.len();
            parts.push(Part { sums, biggest: context, of_biggest: value });
        }
    }
    let functions = parts.len();
    // Stable, so that equal ones stay in the order of the tree.
    parts.sort_by(|one, other| other.sums[0].value().total_cmp(&one.sums[0].value()));
    let offenders = parts.into_iter().take(OFFENDERS).map(|part| {
        let [asked, other] = [0, 1].map(|at| evidence[at].estimate(part.sums[at]));
        let usage =
            if what.is_bytes() { Usage::new(other, asked) } else { Usage::new(asked, other) };
        Offender {
            function: Arc::clone(part.biggest.function()),
            found: asked.value(),
            callers: callers(part.biggest),
            shown: usage.shown(what),
        }
    });
    (offenders.collect(), functions)
}

fn callers(context: Context<'_>) -> Vec<Arc<Function>> {
    std::iter::successors(context.parent(), |context| context.parent())
        .filter(|caller| caller.parent().is_some())
        .map(|caller| Arc::clone(caller.function()))
        .collect()
}

/// The functions whose names are most like the one that was not found.
fn near(measurement: &Measurement, wanted: &FunctionBudget) -> Vec<Arc<Function>> {
    let Some(wanted) = wanted.functions.as_name() else { return Vec::new() };
    let functions = measurement.profile().functions().iter();
    let mut near: Vec<(usize, &Arc<Function>)> = functions
        .filter_map(|function| Some((distance(wanted, &function.name)?, function)))
        .collect();
    near.sort_by_key(|&(distance, _)| distance);
    near.into_iter().take(NEAR).map(|(_, function)| Arc::clone(function)).collect()
}

/// How many letters must be added, removed or replaced to make one name of the other; `None` if
/// they are not similar. Upper and lower case are the same, as are `a.b` and `b`, and names are
/// similar if one is a part of the other.
fn distance(wanted: &str, name: &str) -> Option<usize> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or(name).to_lowercase();
    let (wanted, name) = (last(wanted), last(name));
    if wanted.is_empty() || name.is_empty() {
        return None;
    }
    let contains = |one: &str, other: &str| other.chars().count() >= 3 && one.contains(other);
    let distance = strsim::levenshtein(&wanted, &name);
    let is_similar = distance <= 1 + wanted.chars().count() / 4;
    (is_similar || contains(&wanted, &name) || contains(&name, &wanted)).then_some(distance)
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("heap budget not kept")?;
        self.violations.iter().try_for_each(|violation| write!(f, "\n- {violation}"))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exceeded(exceeded) => exceeded.fmt(f),
            Self::Absent { function, near, is_exact } => {
                let why = if *is_exact {
                    "it allocated nothing, nor did what it called, or it has another name"
                } else {
                    "nothing of it was sampled, or it has another name"
                };
                let function = plain_text(function);
                write!(f, "{function}: no such function in the measurement: {why}")?;
                for (at, function) in near.iter().enumerate() {
                    write!(f, "{}{function}", if at == 0 { "; there is " } else { ", " })?;
                }
                f.write_str(" (may_be_absent() allows for it)")
            }
            Self::CutStacks { function, stack_depth } => write!(
                f,
                "{}: not known to be within its limits, as stacks were cut at {stack_depth} \
                 frames, and it may stand below: allow for a greater stack depth, or limit what it \
                 allocates itself",
                plain_text(function)
            ),
            Self::NoLimit { function: None } => f.write_str("the budget has no limit"),
            Self::NoLimit { function: Some(function) } => {
                write!(f, "{}: its budget has no limit", plain_text(function))
            }
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("in all"),
            Self::JavaScript => f.write_str("by JavaScript"),
            Self::Total(function) => write!(f, "by {} and what it calls", plain_text(function)),
            Self::Own(function) => write!(f, "by {} itself", plain_text(function)),
        }
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.what.counted() {
            Counted::Allocated => "allocated",
            Counted::InUse => "retained",
        };
        let limit = in_full(self.limit, self.what);
        write!(f, "{verb} {}: {}, budget {limit}", self.scope, self.shown)?;
        if let Some(interval) = &self.interval {
            let (is, bound) = if self.strict {
                ("not surely within", interval.upper)
            } else {
                ("surely above", interval.lower)
            };
            let side = if self.strict { "at most" } else { "at least" };
            let bound = in_full(bound.round() as u64, self.what);
            write!(f, " ({is}: {side} {bound} at {})", interval.confidence)?;
        }
        for (at, offender) in self.offenders.iter().enumerate() {
            write!(f, "\n    {}  {}", offender.shown, offender.function)?;
            if at == 0 {
                for caller in offender.callers.iter().take(CALLERS) {
                    write!(f, "\n        called by {caller}")?;
                }
                if let more @ 1.. = offender.callers.len().saturating_sub(CALLERS) {
                    write!(f, "\n        and {more} more")?;
                }
            }
        }
        match self.functions - self.offenders.len() {
            0 => Ok(()),
            1 => f.write_str("\n    and 1 more function"),
            more => write!(f, "\n    and {more} more functions"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::analysis::Pattern;
    use crate::estimate::Confidence;
    use crate::model::{
        KeepDead, Node, NodeId, PseudoFrame, Sample, SampleId, SamplerOptions, ScriptId,
    };
    use crate::profile::Profile;

    /// `(root)` -> `(PARSER)` and `main` -> `rows` -> `row` -> `rows` -> `row`, and `main` ->
    /// `row`.
    fn profile(options: SamplerOptions) -> Profile {
        let names = ["(root)", "(PARSER)", "main", "rows", "row", "rows", "row", "row"];
        let children: [&[u32]; 8] = [&[2, 3], &[], &[4, 8], &[5], &[6], &[7], &[], &[]];
        let mut nodes: Vec<Node> =
            (1..).zip(names).map(|(id, name)| Node::new(NodeId(id), name)).collect();
        for (node, children) in nodes.iter_mut().zip(children) {
            node.child_ids.extend(children.iter().map(|&id| NodeId(id)));
            if !node.name.starts_with('(') {
                node.script_id = ScriptId::new(3);
                node.script_name = "app.js".into();
                node.line_number = NonZeroU32::new(node.name.len() as u32);
            }
        }
        // Contexts, how many objects of how many bytes, and how many of them are alive.
        let objects = [
            (2, 2, 500, 1),
            (3, 1, 100, 1),
            (4, 10, 40, 0),
            (5, 20, 24, 20),
            (7, 30, 24, 30),
            (8, 5, 1000, 0),
        ];
        let samples = objects
            .iter()
            .flat_map(|&(id, n, size, alive)| (0..n).map(move |at| (id, size, at < alive)))
            .zip(1..)
            .map(|((id, size, is_live), at)| Sample::new(NodeId(id), size, SampleId(at), is_live));
        Profile::from_samples(&nodes, samples, &options).unwrap()
    }

    fn every(interval: u64) -> SamplerOptions {
        SamplerOptions::new().interval_bytes(interval).stack_depth(64).keep_dead(KeepDead::Both)
    }

    fn exact() -> Measurement {
        Measurement::new(profile(every(1))).unwrap()
    }

    /// Objects and bytes, counted.
    fn counts(usage: Usage) -> (u64, u64) {
        (usage.objects.exact().unwrap(), usage.space.exact().unwrap())
    }

    #[test]
    fn each_object_is_counted_once() {
        let exact = exact();
        assert!(exact.is_exact());
        assert_eq!(counts(exact.allocated()), (68, 7700));
        assert_eq!(counts(exact.retained()), (52, 1800));
        let rows = exact.function("rows").unwrap();
        assert_eq!(counts(rows.own.allocated), (10, 400));
        assert_eq!(counts(rows.own.retained), (0, 0));
        assert_eq!((counts(rows.total.allocated), rows.contexts), ((60, 1600), 2));
        let row = exact.function("row").unwrap();
        assert_eq!(counts(row.own.allocated), (55, 6200));
        assert_eq!(counts(row.total.retained), (50, 1200));
        let both = exact.function(Pattern::new("rows", |of| of.name.starts_with("row"))).unwrap();
        assert_eq!(counts(both.own.allocated), (65, 6600));
        assert_eq!(counts(both.total.allocated), (65, 6600));
        assert_eq!(both.contexts, 5);
        assert_eq!(exact.function("none"), None);
        let inner = exact.profile().contexts().find(|context| context.id() == Some(NodeId(6)));
        let inner = inner.unwrap();
        assert_eq!(inner.own(SampleType::AllocSpace).unwrap().exact(), Some(0));
        assert_eq!(inner.total(SampleType::AllocObjects).unwrap().exact(), Some(30));
        assert_eq!(inner.total(SampleType::AllocSpace).unwrap().exact(), Some(720));
        // By function the same as for all that are called so.
        let functions = exact.functions();
        let of_rows = functions.iter().find(|function| function.function.name == "rows").unwrap();
        assert_eq!(*of_rows, rows);
        assert_eq!(counts(exact.javascript().allocated), (66, 6700));
        assert_eq!(counts(exact.outside_javascript().retained), (1, 500));
        assert_eq!(counts(exact.pseudo_frame(PseudoFrame::Parser).allocated), (2, 1000));
        assert_eq!(counts(exact.pseudo_frame(PseudoFrame::Gc).allocated), (0, 0));
    }

    #[test]
    fn the_message_has_the_offenders_and_their_calls() {
        let budget = Budget::new()
            .retained_bytes(1799)
            .allocated_objects(68)
            .function(FunctionBudget::total("rows").retained_bytes(1000).retained_objects(50))
            .function(FunctionBudget::own("row").allocated_objects(54));
        let over = exact().check(&budget).unwrap_err();
        assert_eq!(
            over.to_string(),
            "heap budget not kept\n\
             - retained in all: 1,800 bytes in 52 objects, budget 1,799 bytes\n    \
                 1,200 bytes in 50 objects  row app.js:3\n        \
                     called by rows app.js:4\n        \
                     called by row app.js:3\n        \
                     called by rows app.js:4\n        \
                     called by main app.js:4\n    \
                 500 bytes in 1 object  (PARSER)\n    \
                 100 bytes in 1 object  main app.js:4\n\
             - retained by rows and what it calls: 1,200 bytes in 50 objects, budget 1,000 bytes\n    \
                 1,200 bytes in 50 objects  row app.js:3\n        \
                     called by rows app.js:4\n        \
                     called by row app.js:3\n        \
                     called by rows app.js:4\n        \
                     called by main app.js:4\n\
             - allocated by row itself: 55 objects of 6,200 bytes, budget 54 objects\n    \
                 55 objects of 6,200 bytes  row app.js:3\n        \
                     called by rows app.js:4\n        \
                     called by row app.js:3\n        \
                     called by rows app.js:4\n        \
                     called by main app.js:4"
        );
        let Violation::Exceeded(exceeded) = &over.violations[1] else { panic!("{over:?}") };
        assert_eq!(exceeded.scope, Scope::Total("rows".to_owned()));
        assert_eq!((exceeded.what, exceeded.limit), (SampleType::InuseSpace, 1000));
        assert_eq!((exceeded.found, exceeded.interval), (1200.0, None));
        assert_eq!(exceeded.offenders[0].callers.len(), 4);
    }

    #[test]
    fn limits_are_kept_to_the_byte() {
        let exact = exact();
        exact.assert(&Budget::new().retained_bytes(1800).allocated_objects(68));
        let javascript = Budget::new().javascript_only();
        exact.assert(&javascript.clone().allocated_bytes(6700));
        let over = exact.check(&javascript.allocated_bytes(6699)).unwrap_err().to_string();
        assert!(over.contains("allocated by JavaScript: 6,700 bytes"), "{over}");
        assert!(!over.contains("(PARSER)"), "{over}");
    }

    #[test]
    #[should_panic(expected = "retained in all: 52 objects of 1,800 bytes, budget 51 objects")]
    fn assert_panics() {
        exact().assert(&Budget::new().retained_objects(51));
    }

    #[test]
    fn a_misspelt_function_is_no_function() {
        let exact = exact();
        let of =
            |name: &str| Budget::new().function(FunctionBudget::own(name).retained_bytes(9999));
        let message = |name: &str| exact.check(&of(name)).unwrap_err().to_string();
        assert_eq!(
            message("Row"),
            "heap budget not kept\n\
             - Row: no such function in the measurement: it allocated nothing, nor did what it called, \
             or it has another name; there is row app.js:3, rows app.js:4 (may_be_absent() allows \
             for it)"
        );
        assert!(message("renderRow").contains("there is row"), "{}", message("renderRow"));
        assert!(!message("elsewhere").contains("there is"));
        assert_eq!(distance("kitt", "sit"), Some(2));
        assert_eq!(distance("startNodeAr", "pp$2.startNodeAt"), Some(1));
        assert_eq!(distance("startNode", "pp$2.startNodeAt"), Some(2));
        assert_eq!(distance("pp.startNode", "startNode"), Some(0));
        assert_eq!(distance("renderRow", "row"), Some(6));
        assert_eq!(distance("", "row").or(distance("row", "")), None);
        exact.assert(&of("row"));
        let allowed = FunctionBudget::total("elsewhere").retained_bytes(0).may_be_absent();
        exact.assert(&Budget::new().function(allowed));
    }

    #[test]
    fn a_budget_without_limits_is_never_kept() {
        let exact = exact();
        let empty = exact.check(&Budget::new()).unwrap_err();
        assert_eq!(empty.violations, [Violation::NoLimit { function: None }]);
        let budget = Budget::new().function(FunctionBudget::own("row"));
        assert_eq!(
            exact.check(&budget).unwrap_err().to_string(),
            "heap budget not kept\n- row: its budget has no limit"
        );
    }

    #[test]
    fn cut_stacks_let_no_total_pass() {
        let cut = Measurement::new(profile(every(1).stack_depth(5))).unwrap();
        let total = FunctionBudget::total("row").allocated_bytes(9999);
        assert!(cut.has_cut_stacks());
        let over = cut.check(&Budget::new().function(total)).unwrap_err();
        let function = "row".to_owned();
        assert_eq!(over.violations, [Violation::CutStacks { function, stack_depth: 5 }]);
        cut.assert(&Budget::new().function(FunctionBudget::own("row").allocated_bytes(9999)));
        assert!(!exact().has_cut_stacks());
    }

    #[test]
    fn stacks_that_were_cut_stay_cut_in_parts_and_sums() {
        use crate::analysis::Query;
        let cut = profile(every(1).stack_depth(5));
        let whole = profile(every(1));
        let sum = Profile::merge([&whole, &cut]).unwrap();
        let part = cut.query(&Query::new().hide("rows")).unwrap();
        let total = || FunctionBudget::total("row").allocated_bytes(99_999);
        for of in [sum, part] {
            let measurement = Measurement::new(of).unwrap();
            let over = measurement.check(&Budget::new().function(total())).unwrap_err();
            let function = "row".to_owned();
            assert_eq!(over.violations, [Violation::CutStacks { function, stack_depth: 5 }]);
        }
        let part = whole.query(&Query::new().hide("rows")).unwrap();
        Measurement::new(part).unwrap().assert(&Budget::new().function(total()));
    }

    #[test]
    fn of_a_part_nobody_knows_what_was_not_sampled() {
        let whole = profile(every(1));
        let small = |sample: &&crate::OrdinalSample| sample.size() == Some(crate::Bytes(24));
        let part = Measurement::new(whole.filter_samples(small).unwrap()).unwrap();
        assert_eq!(part.not_sampled(), None);
        assert_eq!(counts(part.allocated()), (50, 1200));
        assert_eq!(part.function("main").unwrap().contexts, 1);
        assert_eq!(part.function("(PARSER)"), None);
    }

    #[test]
    fn estimates_fail_where_they_are_surely_above() {
        let sampled = Measurement::new(profile(every(1000))).unwrap();
        let retained = sampled.retained().space;
        let interval = retained.interval(Confidence::P95).unwrap();
        let between = (retained.value() as u64 + interval.upper as u64) / 2;
        let (below, above) = (interval.lower as u64 - 1, interval.upper as u64 + 1);
        let check = |budget: Budget| sampled.check(&budget);
        assert!(check(Budget::new().retained_bytes(below)).is_err());
        check(Budget::new().retained_bytes(between)).unwrap();
        assert!(check(Budget::new().retained_bytes(between).strict()).is_err());
        check(Budget::new().retained_bytes(above).strict()).unwrap();
        // At a higher confidence it is less sure.
        check(Budget::new().retained_bytes(below).confidence(Confidence::P99)).unwrap();

        let over = check(Budget::new().retained_bytes(below)).unwrap_err().to_string();
        let first = over.lines().nth(1).unwrap();
        assert!(first.starts_with("- retained in all: "), "{over}");
        assert!(
            first.contains(" (surely above: at least ") && first.ends_with(" at 95 %)"),
            "{over}"
        );
        // What was not sampled could still be there.
        let absent = |budget| Budget::new().strict().function(budget);
        let none = FunctionBudget::own("elsewhere").may_be_absent();
        assert!(check(absent(none.clone().allocated_bytes(3000))).is_err());
        check(absent(none.allocated_bytes(4000))).unwrap();
    }

    #[test]
    fn what_is_certain_is_kept_to_the_byte_in_estimates_too() {
        let sampled = Measurement::new(profile(every(2))).unwrap();
        let budget = Budget::new().function(FunctionBudget::own("main").retained_bytes(100));
        sampled.assert(&budget.clone().strict());
        let less = Budget::new().function(FunctionBudget::own("main").retained_bytes(99));
        assert!(sampled.check(&less).is_err());
    }

    #[test]
    fn estimates_are_those_of_the_profile() {
        let profile = profile(every(1000));
        let sampled = Measurement::new(profile.clone()).unwrap();
        assert!(!sampled.is_exact());
        assert_eq!(profile.estimate(SampleType::InuseSpace), Some(sampled.retained().space));
        assert_eq!(profile.estimate(SampleType::AllocObjects), Some(sampled.allocated().objects));
    }

    #[test]
    fn profiles_that_do_not_say_it_are_refused() {
        let live = profile(every(1).keep_dead(KeepDead::MajorGc));
        let refused = Measurement::new(live).unwrap_err().to_string();
        assert!(refused.contains("KeepDead::Both"), "{refused}");
    }

    #[test]
    fn the_table_has_the_functions_that_allocated_most() {
        assert_eq!(
            exact().to_string(),
            "allocated 7,700 bytes in 68 objects\n\
             retained  1,800 bytes in 52 objects\n         \
                     allocated itself             of it retained  function\n\
             6,200 bytes in 55 objects  1,200 bytes in 50 objects  row app.js:3\n \
              1,000 bytes in 2 objects      500 bytes in 1 object  (PARSER)\n  \
               400 bytes in 10 objects       0 bytes in 0 objects  rows app.js:4\n    \
                 100 bytes in 1 object      100 bytes in 1 object  main app.js:4"
        );
    }
}
