//! What answers and their options have in common.

use std::fmt;

use crate::model::plain_text;

/// Writes what is said in front of an answer's numbers, in one line or several.
pub(super) fn write_heading(f: &mut fmt::Formatter<'_>, heading: &str) -> fmt::Result {
    heading.lines().try_for_each(|line| writeln!(f, "{}", plain_text(line)))
}

/// A share or a rate that was asked for: from 0 to 1, whatever it was.
pub(super) fn fraction(asked: f64) -> f64 {
    if asked.is_nan() { 0.0 } else { asked.clamp(0.0, 1.0) }
}

/// Says that options may be passed by reference, and a value in place of all of them.
macro_rules! options_from {
    ($options:ty $(, $value:ty)?) => {
        impl From<&$options> for $options {
            fn from(options: &$options) -> Self {
                options.clone()
            }
        }
        $(
            impl From<$value> for $options {
                fn from(value: $value) -> Self {
                    Self::new(value)
                }
            }
        )?
    };
}

/// Reads an answer field by field, and refuses one that contradicts itself by its `check`.
macro_rules! read_checked {
    ($answer:ident { $($field:ident: $type:ty),+ $(,)? }) => {
        impl<'de> serde::Deserialize<'de> for $answer {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(serde::Deserialize)]
                struct Written {
                    $($field: $type),+
                }
                let Written { $($field),+ } = Written::deserialize(deserializer)?;
                let answer = Self { $($field),+ };
                match answer.check() {
                    true => Ok(answer),
                    false => Err(serde::de::Error::custom(concat!(
                        "the parts of ",
                        stringify!($answer),
                        " contradict each other"
                    ))),
                }
            }
        }
    };
}

pub(super) use {options_from, read_checked};
