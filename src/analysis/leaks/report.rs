//! What was found, and how it is shown.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::analysis::change::Change;
use crate::analysis::joined::shown_stack;
use crate::analysis::share::percent;
use crate::analysis::significance::shown_p;
use crate::analysis::table::Table;
use crate::estimate::{Estimate, shown};
use crate::model::{Bytes, Function, Objects, SampleType};

/// The time unit of a [`Rate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RateUnit {
    /// A second.
    Second,
    /// The step from one snapshot to the next, where their times are not known.
    Snapshot,
}

/// A rate of growth: an estimate with its 95 % limits.
///
/// Displayed as `+1.2 MB/s (1.0 to 1.4)`, per second, minute or hour.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Rate {
    /// Bytes or objects.
    pub sample_type: SampleType,
    /// The time unit of the rate.
    pub per: RateUnit,
    /// The estimated growth per unit.
    pub value: f64,
    /// The lower limit.
    pub lower: f64,
    /// The upper limit.
    pub upper: f64,
}

/// The leaks that were found: see [`leaks`](super::leaks).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Leaks {
    /// The values that the answer is about.
    pub sample_type: SampleType,
    /// The number of snapshots.
    pub snapshots: usize,
    /// The time from the first to the last; `None` if their times are not known.
    pub duration: Option<Duration>,
    /// True if the snapshots are of one session, so that single objects were followed.
    pub same_session: bool,
    /// The rate at which the whole grows.
    pub total: Rate,
    /// True if the total leaks, by the same tests as the rows, even if no single row does.
    pub whole_leaks: bool,
    /// The rows: leaks first, and among these the fastest first.
    pub rows: Vec<Leak>,
    /// The number of rows before truncation.
    pub all: usize,
    /// The number of leaks.
    pub leaks: usize,
    /// The target false discovery rate: the expected part of these that are not leaks.
    pub false_discovery_rate: f64,
    #[serde(skip)]
    pub(super) by: String,
}

/// A row of [`Leaks`]: how a function, a script, ... grows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Leak {
    /// The name of the row, as it is shown.
    pub name: String,
    /// The function, where the rows are functions.
    pub function: Option<Arc<Function>>,
    /// The rate at which it grows.
    pub rate: Rate,
    /// How much of the growth of the whole that is; `None` if the whole does not grow. More than 1
    /// if something else shrinks.
    pub share: Option<f64>,
    /// The probability of such growth if none goes on; `None` if it cannot be said.
    pub p_value: Option<f64>,
    /// The least false discovery rate at which it is a leak; `None` if it cannot be said.
    pub q_value: Option<f64>,
    /// True if it grows and goes on growing, at the false discovery rate that was asked for.
    pub is_leak: bool,
    /// The amount in each snapshot.
    pub levels: Vec<Estimate>,
    /// The stacks that have grown most from the first snapshot to the last, of leaks.
    pub paths: Vec<LeakPath>,
}

/// A stack that has grown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LeakPath {
    /// The functions, the outermost first.
    pub stack: Vec<Arc<Function>>,
    /// The change from the first snapshot to the last.
    pub change: Change,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In a unit of time in which it is a number that can be imagined.
        let (times, unit) = match (self.per, self.value.abs()) {
            (RateUnit::Snapshot, _) => (1.0, "snapshot"),
            (_, value) if value >= 1000.0 => (1.0, "s"),
            (_, value) if value * 60.0 >= 1000.0 => (60.0, "min"),
            _ => (3600.0, "h"),
        };
        let number = |value: f64| {
            if self.sample_type.is_bytes() {
                shown::<Bytes>(value * times, 0.0)
            } else {
                shown::<Objects>(value * times, 0.0)
            }
        };
        let sign = if self.value > 0.0 { "+" } else { "" };
        let (lower, upper) = (number(self.lower), number(self.upper));
        f.pad(&format!("{sign}{}/{unit} ({lower} to {upper})", number(self.value)))
    }
}

impl fmt::Display for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} snapshots", self.sample_type, self.snapshots)?;
        if let Some(duration) = self.duration {
            write!(f, " in {duration:.1?}")?;
        }
        writeln!(f, ": {} (95 % intervals)", self.total)?;
        writeln!(
            f,
            "{} of {} grow and go on growing (marked *; false discovery rate {} %)",
            self.leaks,
            self.all,
            self.false_discovery_rate * 100.0
        )?;
        if self.rows.iter().any(|row| row.q_value.is_none()) {
            writeln!(
                f,
                "of those with ? it cannot be said: the profiles do not tell how sure they are"
            )?;
        }
        if self.whole_leaks && self.leaks == 0 {
            writeln!(
                f,
                "all of them together do: code that is optimised meanwhile is charged to the \
                 functions that it is inlined into; look by script or package, too"
            )?;
        }
        write!(f, "{}", self.table())
    }
}

impl Leaks {
    /// The rows, and below each its paths.
    fn table(&self) -> Table {
        let mut table = Table::new(["", "growth", "of all growth", "q", "first", "last", &self.by]);
        for row in &self.rows {
            let [first, last] = [row.levels.first(), row.levels.last()]
                .map(|level| level.map(Estimate::short).unwrap_or_default());
            table.push([
                if row.is_leak { "*" } else { "" }.to_owned(),
                row.rate.to_string(),
                row.share.map_or_else(String::new, percent),
                row.q_value.map_or("?".to_owned(), shown_p),
                first,
                last,
                row.name.clone(),
            ]);
            for path in &row.paths {
                let stack: Vec<_> = path.stack.iter().rev().cloned().collect();
                let none = String::new();
                table.push([
                    none.clone(),
                    path.change.to_string(),
                    none.clone(),
                    none.clone(),
                    none.clone(),
                    none,
                    format!("  {}", shown_stack(&stack)),
                ]);
            }
        }
        table
    }
}
