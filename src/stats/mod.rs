//! Functions of statistics, of numbers alone.

mod beta;
mod quantile;
mod tails;
mod trend;

pub(crate) use quantile::{negative_binomial, normal};
pub(crate) use tails::{NEARLY_NORMAL, binomial_tail, poisson_tail, q_values, skellam_tail};
pub(crate) use trend::{p_of_drift, p_of_rise, theil_sen};
