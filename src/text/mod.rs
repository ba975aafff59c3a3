//! Tables and numbers as people read them.

mod number;
mod table;

pub(crate) use number::{p_value, percent, shown, shown_change, with_doubt};
pub(crate) use table::Table;
