//! Bytes and objects as types of their own.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

use serde::{Deserialize, Serialize};

/// A number of bytes that is exact: a size or a counter, not an estimate.
///
/// Displayed in decimal units, as `932.5 kB`.
///
/// ```
/// use v8_heap_sampler::Bytes;
/// assert_eq!(Bytes(932_480).to_string(), "932.5 kB");
/// assert_eq!(Bytes(999).to_string(), "999 B");
/// assert_eq!(Bytes(40) + Bytes(2), [Bytes(21), Bytes(21)].into_iter().sum());
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Bytes(pub u64);

/// A number of objects that is exact.
///
/// An object is what V8 allocated in one go: optimised code can allocate neighbouring objects
/// together, and then the group is one.
///
/// ```
/// use v8_heap_sampler::Objects;
/// assert_eq!(Objects(14003).to_string(), "14003 objects");
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Objects(pub u64);

/// Arithmetic as that of `u64`: it panics on overflow wherever `u64` does.
macro_rules! arithmetic {
    ($($unit:ident),*) => {$(
        impl Add for $unit {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }

        impl Sub for $unit {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }

        impl AddAssign for $unit {
            fn add_assign(&mut self, other: Self) {
                self.0 += other.0;
            }
        }

        impl Sum for $unit {
            fn sum<I: Iterator<Item = Self>>(numbers: I) -> Self {
                Self(numbers.map(|number| number.0).sum())
            }
        }
    )*};
}

arithmetic!(Bytes, Objects);

impl Bytes {
    /// The unit in which `value` is written, and how many bytes one of it is.
    pub(super) fn scale(value: f64) -> (&'static str, f64) {
        const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
        let mut scale = 1.0;
        let mut at = 0;
        // From 999.95 on, one decimal would show 1000.0.
        while value.abs() / scale >= 999.95 && at + 1 < UNITS.len() {
            scale *= 1000.0;
            at += 1;
        }
        (UNITS[at], scale)
    }
}

impl Objects {
    /// The unit in which `value` is written, and how many objects one of it is.
    pub(super) fn scale(value: f64) -> (&'static str, f64) {
        // As it will be shown, without decimals.
        (if value.round() == 1.0 { "object" } else { "objects" }, 1.0)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0 as f64;
        let (unit, scale) = Self::scale(value);
        let decimals = usize::from(scale > 1.0);
        f.pad(&format!("{:.decimals$} {unit}", value / scale))
    }
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, _) = Self::scale(self.0 as f64);
        f.pad(&format!("{} {unit}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_decimal_units() {
        for (bytes, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), shown);
        }
        assert_eq!(format!("{:>9}|{:<9}|", Bytes(5), Objects(5)), "      5 B|5 objects|");
    }
}
