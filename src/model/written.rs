//! What is unknown, as it is written: in V8's numbers, 0 for a script, a line or a column, and -1
//! for a start position.

use std::num::NonZeroU32;

use serde::de::{Deserialize, Deserializer, Error};

use super::ScriptId;

/// A line or column in V8's numbers: 0 where unknown.
pub(crate) fn written_line(line: Option<NonZeroU32>) -> u32 {
    line.map_or(0, NonZeroU32::get)
}

/// A line or column.
pub(super) mod line {
    use serde::{Serialize, Serializer};

    use super::*;

    pub(in crate::model) fn serialize<S: Serializer>(
        line: &Option<NonZeroU32>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        written_line(*line).serialize(to)
    }

    pub(in crate::model) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<NonZeroU32>, D::Error> {
        u32::deserialize(from).map(NonZeroU32::new)
    }
}

pub(super) fn script_id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ScriptId>, D::Error> {
    u32::deserialize(from).map(ScriptId::new)
}

/// An unknown start position. (0 is the start of a script.)
pub(super) const fn no_start_position() -> i64 {
    -1
}

pub(super) fn known_start_position(position: i64) -> Result<Option<u32>, String> {
    match u32::try_from(position) {
        Ok(position) => Ok(Some(position)),
        Err(_) if position == no_start_position() => Ok(None),
        Err(_) => Err(format!("start_position {position} is neither -1 nor a 32-bit number")),
    }
}

pub(super) fn start_position<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    known_start_position(i64::deserialize(from)?).map_err(D::Error::custom)
}
