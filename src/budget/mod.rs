//! Heap budgets.

mod amount;
mod check;
mod limits;
#[cfg(feature = "v8")]
mod measure;
mod measurement;
mod runs;

pub use amount::{Amount, Amounts, Counts};
pub use check::{Exceeded, Offender, OverBudget, Scope, Violation};
pub use limits::{Budget, FunctionBudget};
#[cfg(feature = "v8")]
pub use measure::{MeasureOptions, OPTIMIZING_FLAGS, STABLE_FLAGS, measure};
pub use measurement::{FunctionAmounts, Measurement, MeasurementError, SelectionAmounts};
pub use runs::Runs;
