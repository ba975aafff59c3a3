//! The part of a profile that is asked for.

use v8_heap_sampler::analysis::{Pattern, Query};
use v8_heap_sampler::{Profile, SampleType};

use crate::arguments::View;
use crate::failure::{Failure, failed};

impl View {
    /// The part of a profile that is asked for: as it is, if nothing is.
    pub(crate) fn of(&self, profile: Profile) -> Result<Profile, Failure> {
        let pattern = |expression: &Option<String>| -> Result<Option<Pattern>, Failure> {
            expression.as_deref().map(regex).transpose()
        };
        let builtin = self.hide_builtins.then(Pattern::builtin);
        let hidden = match (pattern(&self.hide)?, builtin) {
            (Some(one), Some(other)) => Some(one.or(other)),
            (one, other) => one.or(other),
        };
        type Add = fn(Query, Pattern) -> Query;
        let patterns: [(Option<Pattern>, Add); 6] = [
            (pattern(&self.focus)?, Query::focus),
            (pattern(&self.ignore)?, Query::ignore),
            (hidden, Query::hide),
            (pattern(&self.show)?, Query::show),
            (pattern(&self.show_from)?, Query::show_from),
            (pattern(&self.trim)?, Query::trim),
        ];
        let mut query: Option<Query> = None;
        for (pattern, add) in patterns {
            if let Some(pattern) = pattern {
                query = Some(add(query.unwrap_or_default(), pattern));
            }
        }
        if let Some(recursion) = self.recursion {
            query = Some(query.unwrap_or_default().collapse_recursion(recursion.into()));
        }
        if let Some(share) = self.prune {
            let value = self.value(&profile);
            query = Some(query.unwrap_or_default().prune_below(value, share / 100.0));
        }
        match query {
            None => Ok(profile),
            Some(query) => profile.query(&query).map_err(failed),
        }
    }

    /// What is small in one profile may be large in the other: comparing what was pruned by itself
    /// would show changes that there are none of.
    pub(crate) fn check_is_of_one(&self) -> Result<(), Failure> {
        match self.prune {
            None => Ok(()),
            Some(_) => Err(Failure::Usage("--prune is for a single profile: use -n".to_owned())),
        }
    }

    pub(crate) fn value(&self, profile: &Profile) -> SampleType {
        self.value.unwrap_or_else(|| profile.default_sample_type())
    }
}

pub(crate) fn regex(expression: &str) -> Result<Pattern, Failure> {
    Pattern::regex(expression).map_err(|error| Failure::Usage(error.to_string()))
}
