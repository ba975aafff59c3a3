//! Rounding that keeps totals right.

use super::write_error::WriteError;
use crate::model::SampleType;
use crate::profile::{Profile, RowData};

/// Rounds numbers one after the other so that their sum is off by at most one half at every moment:
/// what is cut off one is added to a later one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rounding {
    sum: f64,
    given: i64,
}

impl Rounding {
    /// The next number as a whole one: never negative, if no number was.
    pub(crate) fn next(&mut self, number: f64) -> i64 {
        self.sum += number;
        let up_to_here = self.sum.round() as i64;
        let rounded = up_to_here.saturating_sub(self.given);
        self.given = up_to_here;
        rounded
    }

    /// As [`next`](Self::next), of a number that is not negative, nor was any before it.
    pub(crate) fn next_unsigned(&mut self, number: f64) -> u64 {
        self.next(number).unsigned_abs()
    }
}

impl Profile {
    /// The contexts that have values of one type, with these as whole numbers.
    pub(crate) fn whole_values(&self, sample_type: SampleType) -> impl Iterator<Item = (u32, i64)> {
        let mut rounding = Rounding::default();
        self.row_data().chunk_by(|one, other| one.context == other.context).filter_map(
            move |rows| {
                let value =
                    rounding.next(rows.iter().map(|row: &RowData| row.value(sample_type)).sum());
                (value != 0).then_some((rows[0].context, value))
            },
        )
    }

    /// As [`whole_values`](Self::whole_values), for a format that has no negative ones.
    pub(crate) fn unsigned_values(
        &self,
        sample_type: SampleType,
        format: &'static str,
    ) -> Result<impl Iterator<Item = (u32, u64)> + use<'_>, WriteError> {
        self.require_sums(sample_type, format)?;
        let values = self.whole_values(sample_type);
        Ok(values.map(|(context, value)| (context, value.unsigned_abs())))
    }

    /// An error that says so if a format without negative values cannot have those of a sample
    /// type.
    pub(crate) fn require_sums(
        &self,
        sample_type: SampleType,
        format: &'static str,
    ) -> Result<(), WriteError> {
        self.require(sample_type)?;
        if self.is_difference(sample_type) {
            return Err(WriteError::Difference { format, sample_type });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_stay_right() {
        let numbers = [0.4, 0.4, 0.4, 1.3, 0.0, 2.5, 1e9 + 0.3, 0.3, 0.3];
        let (mut rounding, mut sum, mut whole) = (Rounding::default(), 0.0, 0);
        for number in numbers {
            let rounded = rounding.next(number);
            assert!((rounded as f64 - number).abs() <= 1.0, "{number}");
            sum += number;
            whole += rounded;
            assert!(rounded >= 0);
            assert!((sum - whole as f64).abs() <= 0.5, "{sum} {whole}");
        }
        let mut rounding = Rounding::default();
        assert_eq!([5.0, 0.0, 7.0].map(|number| rounding.next(number)), [5, 0, 7]);
        // 0.6 too much was given.
        assert_eq!([-5.4, 0.8, -1e300].map(|number| rounding.next(number)), [-5, 0, i64::MIN]);
    }
}
