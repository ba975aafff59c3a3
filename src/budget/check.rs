//! Checks of a measurement against budgets, and who is to blame.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::amounts::{Amounts, in_full};
use super::limits::Budget;
use super::measurement::{FunctionAmounts, Measurement, is_outside_javascript};
use crate::estimate::Confidence;
use crate::model::{Bytes, Counted, Function, SampleType, plain_text};

/// The limits that were not kept, and who is to blame.
///
/// The message lists every limit that was not kept, and for each the functions that allocated most
/// of it, with the calls that led to the biggest part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub struct OverBudget {
    /// The violations, in the order of the budgets; never empty.
    #[serde(deserialize_with = "one_at_least")]
    pub violations: Vec<Violation>,
}

/// A part of a budget that was not kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "most are of the large kind")]
#[non_exhaustive]
pub enum Violation {
    /// There is more than there may be.
    Exceeded {
        /// The scope of the limit.
        scope: Scope,
        /// The values that are limited: `Inuse...` is what was retained.
        what: SampleType,
        /// The most that was allowed, in bytes or objects.
        limit: u64,
        /// The amounts that there are in the scope.
        amounts: Amounts,
        /// The bytes that were allocated when nobody sampled, of a limit of all, if they are known.
        unsampled: Option<Bytes>,
        /// The confidence that an estimate must have.
        confidence: Confidence,
        /// The functions that have most of it themselves, the one with the most first; five at
        /// most. Their amounts are those in the scope.
        offenders: Vec<FunctionAmounts>,
        /// The calls that led to the first of them where it allocated most: its caller first, the
        /// outermost last, without the root.
        callers: Vec<Arc<Function>>,
        /// The number of functions that have some of it themselves.
        functions: usize,
    },
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
    /// Stacks were cut at the depth that the options allow, or at that of V8's tracker, so that the
    /// function's total may lack what was called at greater depths, and is not known to be within
    /// its limits.
    CutStacks {
        /// What the budget calls the function.
        function: String,
        /// The number of frames of a stack that were kept.
        stack_depth: u32,
    },
    /// There is no budget, or one without a limit that could be kept.
    NoLimit {
        /// The scope of the budget; everything, if there is none.
        scope: Scope,
    },
}

/// The scope of a limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scope {
    /// Everything.
    All,
    /// Everything with a JavaScript function on the stack.
    #[serde(rename = "javascript")]
    JavaScript,
    /// A function, or several, and what they call.
    Total(String),
    /// A function, or several, without what they call.
    Own(String),
}

/// How many offenders are listed for a limit.
const OFFENDERS: usize = 5;

/// How many callers of the first one are shown.
const CALLERS: usize = 8;

/// How many similar names are listed.
const NEAR: usize = 3;

pub(super) fn check(measurement: &Measurement, budgets: &[Budget]) -> Result<(), OverBudget> {
    let mut violations = Vec::new();
    if budgets.is_empty() {
        violations.push(Violation::NoLimit { scope: Scope::All });
    }
    for budget in budgets {
        check_one(measurement, budget, &mut violations);
    }
    if violations.is_empty() { Ok(()) } else { Err(OverBudget { violations }) }
}

fn check_one(measurement: &Measurement, budget: &Budget, violations: &mut Vec<Violation>) {
    let scope = &budget.scope;
    if budget.limits().next().is_none() {
        violations.push(Violation::NoLimit { scope: scope.clone() });
    }
    let functions = budget.functions();
    if let Some(functions) = &functions
        && !budget.may_be_absent
        && measurement.function(functions).is_none()
    {
        let near = functions.as_name().map_or_else(Vec::new, |name| near(measurement, name));
        let (function, is_exact) = (functions.to_string(), measurement.is_exact());
        violations.push(Violation::Absent { function, near, is_exact });
        return;
    }
    let mut covered = 0;
    let rows = measurement.rows(|context| {
        let is_it = match &functions {
            Some(functions) => functions.matches(context.function()),
            None => *scope == Scope::All || !is_outside_javascript(context.function()),
        };
        if is_it && matches!(scope, Scope::Total(_)) {
            covered = covered.max(context.end());
        }
        is_it || context.index() < covered
    });
    let amounts = measurement.amounts(&rows);
    let mut is_kept = true;
    for (what, limit) in budget.limits() {
        // Of all, a run without a sampler tells as well.
        let is_all = *scope == Scope::All && what == SampleType::AllocSpace;
        let unsampled = measurement.unsampled().filter(|_| is_all);
        if is_within(&amounts, what, limit, budget) || unsampled.is_some_and(|of| of.0 <= limit) {
            continue;
        }
        is_kept = false;
        let mut offenders = measurement.by_function(&rows);
        let value = |of: &FunctionAmounts| of.own.of(what).value();
        offenders.retain(|of| value(of) > 0.0);
        // Stable, so that equal ones stay in the order of the tree.
        offenders.sort_by(|one, other| value(other).total_cmp(&value(one)));
        let functions = offenders.len();
        offenders.truncate(OFFENDERS);
        violations.push(Violation::Exceeded {
            scope: scope.clone(),
            what,
            limit,
            amounts,
            unsampled,
            confidence: budget.confidence,
            callers: offenders
                .first()
                .map_or_else(Vec::new, |of| callers(measurement, &rows, what, &of.function)),
            offenders,
            functions,
        });
    }
    if let Scope::Total(function) = scope
        && is_kept
        && let Some(stack_depth) =
            budget.limits().find_map(|(what, _)| measurement.cut_at(what.counted()))
    {
        violations.push(Violation::CutStacks { function: function.clone(), stack_depth });
    }
}

fn is_within(amounts: &Amounts, what: SampleType, limit: u64, budget: &Budget) -> bool {
    let estimate = amounts.of(what);
    let decisive = match estimate.interval(budget.confidence) {
        Some(interval) if estimate.exact().is_none() => {
            let bound = if budget.strict { interval.upper } else { interval.lower };
            // Sums of floating-point numbers: their last digits are not above anything.
            bound * (1.0 - 1e-9)
        }
        _ => estimate.value(),
    };
    decisive <= limit as f64
}

/// The calls that led to a function where it has most in some rows.
fn callers(
    measurement: &Measurement,
    rows: &[Range<usize>],
    what: SampleType,
    function: &Arc<Function>,
) -> Vec<Arc<Function>> {
    let evidence = measurement.evidence(what);
    let contexts = measurement.profile().contexts().zip(rows);
    let values = contexts
        .filter(|(context, _)| Arc::ptr_eq(context.function(), function))
        .map(|(context, rows)| (evidence.of_rows(rows.clone()).value(), context));
    // The first in preorder of equal ones.
    let most = values.reduce(|most, next| if next.0 > most.0 { next } else { most });
    std::iter::successors(most.and_then(|(_, at)| at.parent()), |context| context.parent())
        .filter(|caller| caller.parent().is_some())
        .map(|caller| Arc::clone(caller.function()))
        .collect()
}

/// The functions whose names are most like the one that was not found.
fn near(measurement: &Measurement, wanted: &str) -> Vec<Arc<Function>> {
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

fn one_at_least<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Violation>, D::Error> {
    let violations = Vec::deserialize(from)?;
    if violations.is_empty() {
        return Err(de::Error::invalid_length(0, &"at least one violation"));
    }
    Ok(violations)
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
            Self::Exceeded {
                scope,
                what,
                limit,
                amounts,
                unsampled,
                confidence,
                offenders,
                callers,
                functions,
            } => {
                let verb = match what.counted() {
                    Counted::Allocated => "allocated",
                    Counted::InUse => "retained",
                };
                let (shown, most) = (amounts.shown(*what), in_full(*limit, *what));
                write!(f, "{verb} {scope}: {shown}")?;
                let estimate = amounts.of(*what);
                if let Some(unsampled) = unsampled.filter(|&bytes| estimate != bytes) {
                    write!(f, " ({} when nobody samples)", in_full(unsampled.0, *what))?;
                }
                write!(f, ", budget {most}")?;
                if let Some(interval) = estimate.interval(*confidence)
                    && estimate.exact().is_none()
                {
                    let (is, bound) = if interval.lower > *limit as f64 {
                        ("surely above: at least", interval.lower)
                    } else {
                        ("not surely within: at most", interval.upper)
                    };
                    write!(f, " ({is} {} at {confidence})", in_full(bound.round() as u64, *what))?;
                }
                for (at, offender) in offenders.iter().enumerate() {
                    write!(f, "\n    {}  {}", offender.own.shown(*what), offender.function)?;
                    let callers = if at == 0 { &callers[..] } else { &[] };
                    for caller in callers.iter().take(CALLERS) {
                        write!(f, "\n        called by {caller}")?;
                    }
                    if let more @ 1.. = callers.len().saturating_sub(CALLERS) {
                        write!(f, "\n        and {more} more")?;
                    }
                }
                match functions.saturating_sub(offenders.len()) {
                    0 => Ok(()),
                    1 => f.write_str("\n    and 1 more function"),
                    more => write!(f, "\n    and {more} more functions"),
                }
            }
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
            Self::NoLimit { scope } => write!(f, "{scope}: the budget has no limit"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_names_are_near() {
        assert_eq!(distance("kitt", "sit"), Some(2));
        assert_eq!(distance("startNodeAr", "pp$2.startNodeAt"), Some(1));
        assert_eq!(distance("startNode", "pp$2.startNodeAt"), Some(2));
        assert_eq!(distance("pp.startNode", "startNode"), Some(0));
        assert_eq!(distance("renderRow", "row"), Some(6));
        assert_eq!(distance("", "row").or(distance("row", "")), None);
    }
}
