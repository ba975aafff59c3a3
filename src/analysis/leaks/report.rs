//! What was found, and how it is shown.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::analysis::GroupBy;
use crate::analysis::answer::{read_checked, write_heading};
use crate::analysis::change::Change;
use crate::analysis::stacks::shown_stack;
use crate::estimate::Estimate;
use crate::model::{Function, SampleType};
use crate::text::{self, Table, percent, shown};

/// A rate of growth: an estimate with its 95 % limits.
///
/// Displayed as `+1.2 MB/s (1.0 to 1.4)`, per second, minute or hour.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rate {
    /// Bytes or objects.
    pub sample_type: SampleType,
    /// True if it is a rate per second; else it is per snapshot, as times are not known.
    pub per_second: bool,
    /// The estimated growth per second or snapshot.
    pub value: f64,
    /// The lower limit.
    pub lower: f64,
    /// The upper limit.
    pub upper: f64,
}

/// The leaks that were found: see [`Leaks::find`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Leaks {
    /// The key by which values are added up.
    pub by: GroupBy,
    /// The number of snapshots.
    pub snapshots: usize,
    /// The time from the first to the last; `None` if their times are not known.
    pub duration: Option<Duration>,
    /// True if the snapshots are of one session, so that single objects were followed.
    pub same_session: bool,
    /// The rate at which the whole grows.
    pub total: Rate,
    /// The rate at which V8's used heap grows, without compiled code: a counter, with the limits of
    /// its slope. `None` unless the values are bytes, and the snapshots are of one session with a
    /// garbage collection before each.
    pub heap: Option<Rate>,
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
    /// What V8's counters say, if they contradict the last snapshot.
    pub(super) note: Option<String>,
}

read_checked!(Leaks {
    by: GroupBy,
    snapshots: usize,
    duration: Option<Duration>,
    same_session: bool,
    total: Rate,
    heap: Option<Rate>,
    whole_leaks: bool,
    rows: Vec<Leak>,
    all: usize,
    leaks: usize,
    false_discovery_rate: f64,
    note: Option<String>,
});

/// A row of [`Leaks`]: how a function, a script, ... grows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LeakPath {
    /// The functions, the outermost first.
    pub stack: Vec<Arc<Function>>,
    /// The change from the first snapshot to the last.
    pub change: Change,
}

impl Rate {
    /// In a unit of time in which it is a number that can be imagined: how often that is in a
    /// second, and its name.
    fn unit(&self) -> (f64, &'static str) {
        match self.value.abs() {
            _ if !self.per_second => (1.0, "snapshot"),
            value if value >= 1000.0 => (1.0, "s"),
            value if value * 60.0 >= 1000.0 => (60.0, "min"),
            _ => (3600.0, "h"),
        }
    }

    /// The text of the rate alone.
    fn without_limits(&self) -> String {
        let (times, unit) = self.unit();
        let sign = if self.value > 0.0 { "+" } else { "" };
        format!("{sign}{}/{unit}", shown(self.sample_type, self.value * times, 0.0))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (times, _) = self.unit();
        let number = |value: f64| shown(self.sample_type, value * times, 0.0);
        let (lower, upper) = (number(self.lower), number(self.upper));
        f.pad(&format!("{} ({lower} to {upper})", self.without_limits()))
    }
}

impl fmt::Display for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} snapshots", self.total.sample_type, self.snapshots)?;
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
        if let Some(heap) = &self.heap {
            let of_leaks = Rate { value: self.rate_of_leaks(), ..*heap }.without_limits();
            write!(
                f,
                "V8's used heap, without compiled code: {heap}; the leaks below: {of_leaks}"
            )?;
            let is_elsewhere = self.accounted_for().is_some_and(|share| share < 0.5);
            writeln!(f, "{}", if is_elsewhere { ", most of it is in none of them" } else { "" })?;
        }
        write_heading(f, self.note.as_deref().unwrap_or_default())?;
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
    /// The part of the growth of V8's [used heap](Self::heap) that the leaks account for; `None`
    /// where that is not known, or does not grow.
    pub fn accounted_for(&self) -> Option<f64> {
        let heap = self.heap.filter(|heap| heap.lower > 0.0)?;
        Some(self.rate_of_leaks() / heap.value)
    }

    fn rate_of_leaks(&self) -> f64 {
        let leaks = self.rows.iter().filter(|row| row.is_leak);
        leaks.fold(0.0, |sum, row| sum + row.rate.value)
    }

    fn check(&self) -> bool {
        let sample_type = self.total.sample_type;
        let is_row = |row: &Leak| {
            row.rate.sample_type == sample_type
                && row.levels.len() == self.snapshots
                && row.levels.iter().all(|level| level.sample_type() == sample_type)
                && row.paths.iter().all(|path| path.change.after().sample_type() == sample_type)
        };
        self.rows.len() <= self.all
            && self.leaks <= self.all
            && self.rows.iter().filter(|row| row.is_leak).count() <= self.leaks
            && (0.0..=1.0).contains(&self.false_discovery_rate)
            && self.heap.is_none_or(|heap| heap.sample_type == sample_type)
            && self.rows.iter().all(is_row)
    }

    /// The rows, and below each its paths.
    fn table(&self) -> Table {
        let mut table =
            Table::new(["", "growth", "of all growth", "q", "first", "last", self.by.heading()]);
        for row in &self.rows {
            let [first, last] = [row.levels.first(), row.levels.last()]
                .map(|level| level.map(Estimate::short).unwrap_or_default());
            table.push([
                if row.is_leak { "*" } else { "" }.to_owned(),
                row.rate.to_string(),
                row.share.map_or_else(String::new, |share| percent(share, 1.0)),
                row.q_value.map_or("?".to_owned(), text::p_value),
                first,
                last,
                row.name.clone(),
            ]);
            for path in &row.paths {
                let none = String::new();
                table.push([
                    none.clone(),
                    path.change.to_string(),
                    none.clone(),
                    none.clone(),
                    none.clone(),
                    none,
                    format!("  {}", shown_stack(&path.stack)),
                ]);
            }
        }
        table
    }
}
