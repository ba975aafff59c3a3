//! The functions of a profile, matched by place.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::profile::Profile;
use crate::model::Place;
use crate::tree::NONE;

impl Profile {
    /// The functions by name and place, as numbers: of each the first one's, and by number of a
    /// function which of these it is. A script that was loaded again has the same functions. The
    /// root, which is no function, is none of them: it has [`NONE`].
    pub(crate) fn places(&self) -> (Vec<u32>, Vec<u32>) {
        let mut firsts = Vec::new();
        let mut numbers: HashMap<Place, u32, RandomState> = HashMap::default();
        // No other context has the number of the root.
        let root = self.function_numbers()[0];
        let place_of = (0..).zip(self.functions()).map(|(at, function)| {
            if at == root {
                return NONE;
            }
            *numbers.entry(Place::of(function)).or_insert_with(|| {
                firsts.push(at);
                firsts.len() as u32 - 1
            })
        });
        let place_of = place_of.collect();
        (firsts, place_of)
    }
}
