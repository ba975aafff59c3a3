//! Checks what holds for all answers to any profile, be it a program's, an attacker's or a
//! fuzzer's.

use serde::Serialize;
use serde_json::Value;
use v8_heap_sampler::analysis::{
    DiffOptions, GroupBy, LeakOptions, Leaks, Metric, Pattern, Query, Recursion, TopOptions,
    TreeOptions,
};
use v8_heap_sampler::format::plain_text;
use v8_heap_sampler::{Profile, SampleType, Uncertainty};

/// Asks a profile everything, and checks the answers against each other.
pub(crate) fn check(profile: &Profile, of: SampleType) {
    let asked = Asked::new(profile, of);
    asked.tables();
    asked.trees();
    asked.calls();
    asked.queries();
    asked.with_others();
}

struct Asked<'p> {
    profile: &'p Profile,
    of: SampleType,
    whole: f64,
    /// What the root has itself.
    root: f64,
    /// What a sum may be off by.
    near: f64,
    /// Whether values have signs, so that a part can be more than the whole.
    is_difference: bool,
    /// Whether a name is like what a number that is none is shown as.
    is_ambiguous: bool,
}

impl<'p> Asked<'p> {
    fn new(profile: &'p Profile, of: SampleType) -> Self {
        let looks_like_none = |text: String| text.contains("NaN") || text.contains("inf");
        let (whole, root) = (profile.total(of).unwrap(), profile.values(of).unwrap()[0]);
        let magnitude: f64 = profile.values(of).unwrap().iter().map(|value| value.abs()).sum();
        let (near, is_difference) = (1e-6 * magnitude.max(1.0), profile.is_difference(of));
        let is_ambiguous = profile.functions().iter().any(|f| looks_like_none(f.to_string()));
        Self { profile, of, whole, root, near, is_difference, is_ambiguous }
    }

    fn assert_is_whole(&self, value: f64) {
        self.assert_close(value, self.whole);
    }

    fn assert_close(&self, value: f64, expected: f64) {
        assert!((value - expected).abs() <= self.near, "{value} is not {expected}");
    }

    fn is_known(&self, profile: &Profile) -> bool {
        let uncertainty = profile.uncertainty(self.of).unwrap();
        assert_eq!(uncertainty == Uncertainty::Difference, profile.is_difference(self.of));
        let (exact, sampled) = (Uncertainty::Exact, Uncertainty::Sampled);
        [exact, sampled, Uncertainty::Approximate].contains(&uncertainty)
    }

    /// Looks at the text and the JSON of an answer that is of `profile`.
    fn show_of(&self, profile: &Profile, answer: &(impl std::fmt::Display + Serialize)) {
        fn check(json: &Value, is_known: bool) {
            match json {
                Value::Array(items) => items.iter().for_each(|item| check(item, is_known)),
                Value::Object(fields) => {
                    for name in ["value", "change"] {
                        assert!(fields.get(name).is_none_or(Value::is_number), "{json}");
                    }
                    if let Some(error) = fields.get("standard_error") {
                        assert_eq!(error.is_number(), is_known, "{json}");
                    }
                    fields.values().for_each(|field| check(field, is_known));
                }
                _ => {}
            }
        }
        check(&serde_json::to_value(answer).unwrap(), self.is_known(profile));
        let text = answer.to_string();
        let is_number = !text.contains("NaN") && !text.contains("inf ");
        assert!(self.is_ambiguous || is_number, "{text}");
        for line in text.lines() {
            assert_eq!(plain_text(line), line);
        }
    }

    fn show(&self, answer: &(impl std::fmt::Display + Serialize)) {
        self.show_of(self.profile, answer);
    }

    fn tables(&self) {
        let (profile, of) = (self.profile, self.of);
        for by in ["function", "name", "script", "directory", "package", "stack", "label:bytes"] {
            let by: GroupBy = by.parse().unwrap();
            let options = TopOptions::new(of).by(by.clone()).metric(Metric::Total);
            let top = profile.top(&options).unwrap();
            self.show(&top);
            self.assert_is_whole(top.rows.iter().map(|row| row.own.value()).sum());
            for row in top.rows.iter().filter(|_| !self.is_difference) {
                let (own, total) = (row.own.value(), row.total.value());
                assert!(own <= total * (1.0 + 1e-9), "{row:?}");
                assert!(total <= self.whole * (1.0 + 1e-9), "{row:?}");
            }
            let same = profile.diff(profile, DiffOptions::new(of).by(by)).unwrap();
            self.show(&same);
            assert_eq!((same.significant, same.total.value()), (0, 0.0));
        }
    }

    fn trees(&self) {
        let (profile, of) = (self.profile, self.of);
        for share in [0.0, 0.005] {
            let options = TreeOptions::new(of).min_share(share);
            let down = profile.top_down(&options).unwrap();
            let up = profile.bottom_up(&options).unwrap();
            // Each row is indented by its depth: all rows of deep stacks are too much text.
            if share > 0.0 || down.rows.len() < 1000 {
                self.show(&down);
                self.show(&up);
            }
            self.assert_is_whole(down.rows[0].total.value());
            if share == 0.0 {
                let first = up.rows.iter().filter(|row| row.depth == 0);
                self.assert_is_whole(first.map(|row| row.total.value()).sum());
            }
        }
        let path = profile.hot_path(of).unwrap();
        self.show(&path);
        assert_eq!(path.rows[0].own.unwrap().value(), self.root);
        let falls = path.rows.is_sorted_by(|one, other| one.total.value() >= other.total.value());
        assert!(falls || self.is_difference);
    }

    fn calls(&self) {
        let (profile, of) = (self.profile, self.of);
        let peek = profile.peek(of, Pattern::new("all", |_| true)).unwrap();
        self.show(&peek);
        let from_root = peek.functions.iter().flat_map(|function| &function.callers);
        let from_root = from_root.filter(|call| call.function.is_none());
        self.assert_is_whole(from_root.map(|call| call.total.value()).sum::<f64>() + self.root);
        self.show(&profile.cycles(of).unwrap());
        let dominators = profile.dominators(TreeOptions::new(of).min_share(0.0)).unwrap();
        if dominators.rows.len() < 1000 {
            self.show(&dominators);
        }
        self.assert_is_whole(dominators.rows[0].total.value());
        let outermost = dominators.rows.iter().filter(|row| row.depth == 1);
        self.assert_is_whole(outermost.map(|row| row.total.value()).sum::<f64>() + self.root);
    }

    fn queries(&self) {
        let (profile, of) = (self.profile, self.of);
        for query in [
            Query::new(),
            Query::new().trim(Pattern::embedder().or(Pattern::builtin())),
            Query::new().collapse_recursion(Recursion::Direct),
            Query::new().collapse_recursion(Recursion::All),
            Query::new().prune_below(of, 0.01),
        ] {
            let answer = profile.query(&query).unwrap();
            self.assert_is_whole(answer.total(of).unwrap());
            self.show_of(&answer, &answer.top(TopOptions::new(of)).unwrap());
        }

        let path = profile.hot_path(of).unwrap();
        let [_, .., hottest] = &path.rows[..] else { return };
        let name = hottest.function.name.to_string();
        let pattern = Pattern::new("the hottest", move |function| function.name == *name);
        let common = profile.common_caller(of, &pattern);
        let is_on_path = |function: &v8_heap_sampler::Function| {
            path.rows[1..].iter().any(|step| step.function.shown_name() == function.shown_name())
        };
        assert!(common.is_none_or(|function| is_on_path(&function)));
        let [focused, ignored] =
            [Query::new().focus(pattern.clone()), Query::new().ignore(pattern.clone())]
                .map(|query| profile.query(&query).unwrap().total(of).unwrap());
        assert!(focused > 0.0 || self.is_difference);
        self.assert_is_whole(focused + ignored);
        for query in [
            Query::new().hide(Pattern::builtin()),
            Query::new().hide(Pattern::embedder()),
            Query::new().show(pattern.clone()),
            Query::new().show_from(pattern),
        ] {
            let answer = profile.query(&query).unwrap();
            let is_part = answer.total(of).unwrap() <= self.whole * (1.0 + 1e-9);
            assert!(is_part || self.is_difference, "{query:?}");
            // Few samples do not tell at which interval they were taken.
            let options = TreeOptions::new(of).min_share(0.005);
            self.show_of(&answer, &answer.top_down(&options).unwrap());
        }
    }

    fn with_others(&self) {
        let (profile, of) = (self.profile, self.of);
        let options = LeakOptions::new().sample_type(of);
        match Leaks::find([profile, profile, profile, profile], &options) {
            Ok(found) => {
                self.show(&found);
                assert!(found.leaks == 0 && !self.is_difference);
            }
            Err(error) => assert!(self.is_difference, "{error}"),
        }
        // What is nearly too much for one is too much twice.
        let Ok(twice) = Profile::merge([profile, profile]) else {
            let most = (1_u64 << 53) as f64;
            // The total of a difference tells little of its parts.
            let is_too_much = |of| {
                profile.is_difference(of)
                    || profile.total(of).is_some_and(|total| 2.0 * total > most)
            };
            assert!(SampleType::ALL.into_iter().any(is_too_much));
            return;
        };
        self.assert_close(twice.total(of).unwrap(), 2.0 * self.whole);
        let grown = twice.diff(profile, DiffOptions::new(of).by(GroupBy::Stack)).unwrap();
        self.assert_is_whole(grown.rows.iter().map(|row| row.own.value()).sum());
    }
}
