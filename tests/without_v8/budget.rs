//! Budgets: amounts by function, the message that says who is to blame, and serde.

use std::num::NonZeroU32;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use v8_heap_sampler::analysis::{Pattern, Query};
use v8_heap_sampler::budget::{
    Amounts, Budget, FunctionAmounts, Measurement, OverBudget, Runs, Scope, Violation,
};
use v8_heap_sampler::{
    Bytes, Confidence, KeepDead, Node, NodeId, OrdinalSample, Profile, PseudoFrame, Sample,
    SampleId, SampleType, SamplerOptions, ScriptId,
};

/// `(root)` -> `(PARSER)` and `main` -> `rows` -> `row` -> `rows` -> `row`, and `main` ->
/// `row`.
fn profile(options: SamplerOptions) -> Profile {
    let names = ["(root)", "(PARSER)", "main", "rows", "row", "rows", "row", "row"];
    let children: [&[u32]; 8] = [&[2, 3], &[], &[4, 8], &[5], &[6], &[7], &[], &[]];
    let mut nodes: Vec<Node> =
        (1..).zip(names).map(|(id, name)| Node::new(NodeId(id), name)).collect();
    for (node, children) in nodes.iter_mut().zip(children) {
        node.child_ids.extend(children.iter().map(|&id| NodeId(id)));
        if !node.name.starts_with('(') {
            node.script_id = ScriptId::new(3);
            node.script_name = "app.js".into();
            node.line_number = NonZeroU32::new(node.name.len() as u32);
        }
    }
    // Contexts, how many objects of how many bytes, and how many of them are alive.
    let objects = [
        (2, 2, 500, 1),
        (3, 1, 100, 1),
        (4, 10, 40, 0),
        (5, 20, 24, 20),
        (7, 30, 24, 30),
        (8, 5, 1000, 0),
    ];
    let samples = objects
        .iter()
        .flat_map(|&(id, n, size, alive)| (0..n).map(move |at| (id, size, at < alive)))
        .zip(1..)
        .map(|((id, size, is_live), at)| Sample::new(NodeId(id), size, SampleId(at), is_live));
    Profile::from_samples(&nodes, samples, &options).unwrap()
}

fn every(interval: u64) -> SamplerOptions {
    SamplerOptions::new().interval_bytes(interval).stack_depth(64).keep_dead(KeepDead::Both)
}

fn exact() -> Measurement {
    Measurement::new(profile(every(1))).unwrap()
}

/// Objects and bytes that were allocated, counted.
fn allocated(amounts: Amounts) -> (u64, u64) {
    (amounts.allocated_objects.exact().unwrap(), amounts.allocated_bytes.exact().unwrap())
}

/// Objects and bytes that are retained, counted.
fn retained(amounts: Amounts) -> (u64, u64) {
    (amounts.retained_objects.exact().unwrap(), amounts.retained_bytes.exact().unwrap())
}

#[test]
fn each_object_is_counted_once() {
    let exact = exact();
    assert!(exact.is_exact());
    assert_eq!(allocated(exact.total()), (68, 7700));
    assert_eq!(retained(exact.total()), (52, 1800));
    let rows = exact.function("rows").unwrap();
    assert_eq!(allocated(rows.own), (10, 400));
    assert_eq!(retained(rows.own), (0, 0));
    assert_eq!((allocated(rows.total), rows.contexts), ((60, 1600), 2));
    let row = exact.function("row").unwrap();
    assert_eq!(allocated(row.own), (55, 6200));
    assert_eq!(retained(row.total), (50, 1200));
    let both = exact.function(Pattern::new("rows", |of| of.name.starts_with("row"))).unwrap();
    assert_eq!(allocated(both.own), (65, 6600));
    assert_eq!(allocated(both.total), (65, 6600));
    assert_eq!(both.contexts, 5);
    assert_eq!(exact.function("none"), None);
    let inner = exact.profile().contexts().find(|context| context.id() == Some(NodeId(6)));
    let inner = inner.unwrap();
    assert_eq!(inner.own(SampleType::AllocSpace).unwrap().exact(), Some(0));
    assert_eq!(inner.total(SampleType::AllocObjects).unwrap().exact(), Some(30));
    assert_eq!(inner.total(SampleType::AllocSpace).unwrap().exact(), Some(720));
    // By function the same as for all that are called so.
    let functions = exact.functions();
    let of_rows = functions.iter().find(|function| function.function.name == "rows").unwrap();
    assert_eq!(*of_rows, rows);
    assert_eq!(allocated(exact.javascript()), (66, 6700));
    assert_eq!(retained(exact.outside_javascript()), (1, 500));
    assert_eq!(allocated(exact.pseudo_frame(PseudoFrame::Parser)), (2, 1000));
    assert_eq!(allocated(exact.pseudo_frame(PseudoFrame::Gc)), (0, 0));
}

fn over() -> OverBudget {
    let budgets = [
        Budget::all().retained_bytes(1799).allocated_objects(68),
        Budget::total("rows").retained_bytes(1000).retained_objects(50),
        Budget::own("row").allocated_objects(54),
    ];
    exact().check(budgets).unwrap_err()
}

#[test]
fn the_message_has_the_offenders_and_their_calls() {
    let over = over();
    assert_eq!(
        over.to_string(),
        "heap budget not kept\n\
         - retained in all: 1,800 bytes in 52 objects, budget 1,799 bytes\n    \
             1,200 bytes in 50 objects  row app.js:3\n        \
                 called by rows app.js:4\n        \
                 called by row app.js:3\n        \
                 called by rows app.js:4\n        \
                 called by main app.js:4\n    \
             500 bytes in 1 object  (PARSER)\n    \
             100 bytes in 1 object  main app.js:4\n\
         - retained by rows and what it calls: 1,200 bytes in 50 objects, budget 1,000 bytes\n    \
             1,200 bytes in 50 objects  row app.js:3\n        \
                 called by rows app.js:4\n        \
                 called by row app.js:3\n        \
                 called by rows app.js:4\n        \
                 called by main app.js:4\n\
         - allocated by row itself: 55 objects of 6,200 bytes, budget 54 objects\n    \
             55 objects of 6,200 bytes  row app.js:3\n        \
                 called by rows app.js:4\n        \
                 called by row app.js:3\n        \
                 called by rows app.js:4\n        \
                 called by main app.js:4"
    );
    let Violation::Exceeded { scope, what, limit, amounts, offenders, callers, .. } =
        &over.violations[1]
    else {
        panic!("{over:?}")
    };
    assert_eq!(*scope, Scope::Total("rows".to_owned()));
    assert_eq!(
        (*what, *limit, amounts.of(*what).exact()),
        (SampleType::InuseSpace, 1000, Some(1200))
    );
    // One of `row`'s three contexts is not in the scope.
    assert_eq!(allocated(offenders[0].own), (50, 1200));
    assert_eq!(callers.len(), 4);
}

#[test]
fn limits_are_kept_to_the_byte() {
    let exact = exact();
    exact.assert(Budget::all().retained_bytes(1800).allocated_objects(68));
    exact.assert(Budget::javascript().allocated_bytes(6700));
    let over = exact.check(Budget::javascript().allocated_bytes(6699)).unwrap_err().to_string();
    assert!(over.contains("allocated by JavaScript: 6,700 bytes"), "{over}");
    assert!(!over.contains("(PARSER)"), "{over}");
}

#[test]
#[should_panic(expected = "retained in all: 52 objects of 1,800 bytes, budget 51 objects")]
fn assert_panics() {
    exact().assert(Budget::all().retained_objects(51));
}

#[test]
fn a_misspelt_function_is_no_function() {
    let exact = exact();
    let of = |name: &str| Budget::own(name).retained_bytes(9999);
    let message = |name: &str| exact.check(of(name)).unwrap_err().to_string();
    assert_eq!(
        message("Row"),
        "heap budget not kept\n\
         - Row: no such function in the measurement: it allocated nothing, nor did what it called, \
         or it has another name; there is row app.js:3, rows app.js:4 (may_be_absent() allows \
         for it)"
    );
    assert!(message("renderRow").contains("there is row"), "{}", message("renderRow"));
    assert!(!message("elsewhere").contains("there is"));
    exact.assert(of("row"));
    exact.assert(Budget::total("elsewhere").retained_bytes(0).may_be_absent());
}

#[test]
fn a_budget_without_limits_is_never_kept() {
    let exact = exact();
    for budgets in [&[Budget::all()][..], &[]] {
        let empty = exact.check(budgets).unwrap_err();
        assert_eq!(empty.violations, [Violation::NoLimit { scope: Scope::All }]);
    }
    assert_eq!(
        exact
            .check([Budget::all().retained_bytes(9999), Budget::own("row")])
            .unwrap_err()
            .to_string(),
        "heap budget not kept\n- by row itself: the budget has no limit"
    );
}

#[test]
fn cut_stacks_let_no_total_pass() {
    let cut = Measurement::new(profile(every(1).stack_depth(5))).unwrap();
    let total = Budget::total("row").allocated_bytes(9999);
    assert!(cut.has_cut_stacks());
    let over = cut.check(total).unwrap_err();
    let function = "row".to_owned();
    assert_eq!(over.violations, [Violation::CutStacks { function, stack_depth: 5 }]);
    cut.assert(Budget::own("row").allocated_bytes(9999));
    assert!(!exact().has_cut_stacks());
}

#[test]
fn stacks_that_were_cut_stay_cut_in_parts_and_sums() {
    let cut = profile(every(1).stack_depth(5));
    let whole = profile(every(1));
    let sum = Profile::merge([&whole, &cut]).unwrap();
    let part = cut.query(&Query::new().hide("rows")).unwrap();
    let total = || Budget::total("row").allocated_bytes(99_999);
    for of in [sum, part] {
        let measurement = Measurement::new(of).unwrap();
        let over = measurement.check(total()).unwrap_err();
        let function = "row".to_owned();
        assert_eq!(over.violations, [Violation::CutStacks { function, stack_depth: 5 }]);
    }
    let part = whole.query(&Query::new().hide("rows")).unwrap();
    Measurement::new(part).unwrap().assert(total());
}

#[test]
fn of_a_part_nobody_knows_what_was_not_sampled() {
    let whole = profile(every(1));
    let small = |sample: &&OrdinalSample| sample.size() == Some(Bytes(24));
    let part = Measurement::new(whole.filter_samples(small).unwrap()).unwrap();
    assert_eq!(part.not_sampled(), None);
    assert_eq!(allocated(part.total()), (50, 1200));
    assert_eq!(part.function("main").unwrap().contexts, 1);
    assert_eq!(part.function("(PARSER)"), None);
    let functions = part.functions();
    let names: Vec<&str> = functions.iter().map(|of| &*of.function.name).collect();
    assert_eq!(names, ["(root)", "main", "rows", "row"]);
}

#[test]
fn estimates_fail_where_they_are_surely_above() {
    let sampled = Measurement::new(profile(every(1000))).unwrap();
    let retained = sampled.total().retained_bytes;
    let interval = retained.interval(Confidence::P95).unwrap();
    let between = (retained.value() as u64 + interval.upper as u64) / 2;
    let (below, above) = (interval.lower as u64 - 1, interval.upper as u64 + 1);
    let check = |budget: Budget| sampled.check(budget);
    assert!(check(Budget::all().retained_bytes(below)).is_err());
    check(Budget::all().retained_bytes(between)).unwrap();
    assert!(check(Budget::all().retained_bytes(between).strict()).is_err());
    check(Budget::all().retained_bytes(above).strict()).unwrap();
    // At a higher confidence it is less sure.
    check(Budget::all().retained_bytes(below).confidence(Confidence::P99)).unwrap();

    let over = check(Budget::all().retained_bytes(below)).unwrap_err().to_string();
    let first = over.lines().nth(1).unwrap();
    assert!(first.starts_with("- retained in all: "), "{over}");
    assert!(first.contains(" (surely above: at least ") && first.ends_with(" at 95 %)"), "{over}");
    // What was not sampled could still be there.
    let none = Budget::own("elsewhere").may_be_absent().strict();
    assert!(check(none.clone().allocated_bytes(3000)).is_err());
    check(none.allocated_bytes(4000)).unwrap();
    let over = check(Budget::all().retained_bytes(between).strict()).unwrap_err().to_string();
    assert!(over.contains(" (not surely within: at most "), "{over}");
}

#[test]
fn what_is_certain_is_kept_to_the_byte_in_estimates_too() {
    let sampled = Measurement::new(profile(every(2))).unwrap();
    sampled.assert(Budget::own("main").retained_bytes(100).strict());
    assert!(sampled.check(Budget::own("main").retained_bytes(99)).is_err());
}

#[test]
fn estimates_are_those_of_the_profile() {
    let profile = profile(every(1000));
    let sampled = Measurement::new(profile.clone()).unwrap();
    assert!(!sampled.is_exact());
    for what in SampleType::ALL {
        assert_eq!(profile.estimate(what), Some(sampled.total().of(what)));
    }
}

#[test]
fn profiles_that_do_not_say_it_are_refused() {
    let live = profile(every(1).keep_dead(KeepDead::MajorGc));
    let refused = Measurement::new(live).unwrap_err().to_string();
    assert!(refused.contains("KeepDead::Both"), "{refused}");
}

#[test]
fn the_table_has_the_functions_that_allocated_most() {
    assert_eq!(
        exact().to_string(),
        "allocated 7,700 bytes in 68 objects\n\
         retained  1,800 bytes in 52 objects\n         \
                 allocated itself             of it retained  function\n\
         6,200 bytes in 55 objects  1,200 bytes in 50 objects  row app.js:3\n \
          1,000 bytes in 2 objects      500 bytes in 1 object  (PARSER)\n  \
           400 bytes in 10 objects       0 bytes in 0 objects  rows app.js:4\n    \
             100 bytes in 1 object      100 bytes in 1 object  main app.js:4"
    );
}

#[test]
fn counts_are_shown_to_the_last_digit() {
    let message = |limit: u64| {
        let nodes = [Node::new(NodeId(1), "(root)")];
        let samples =
            (1..=2).map(|id| Sample::new(NodeId(1), 1_234_567_000, SampleId(id), id == 1));
        let options = SamplerOptions::exact().keep_dead(KeepDead::Both);
        let profile = Profile::from_samples(&nodes, samples, &options).unwrap();
        let measurement = Measurement::new(profile).unwrap();
        let over = measurement.check(Budget::all().retained_bytes(limit)).unwrap_err().to_string();
        over.lines().nth(1).unwrap().to_owned()
    };
    for (limit, shown) in [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1,000 bytes"),
        (123_456, "123,456 bytes"),
    ] {
        let all = "- retained in all: 1,234,567,000 bytes in 1 object, budget ";
        assert_eq!(message(limit), format!("{all}{shown}"));
    }
}

/// Writes a value, and checks that what is read back is written in the same way.
fn back<T: Serialize + DeserializeOwned>(value: &T) -> (T, Value) {
    let json = serde_json::to_string(value).unwrap();
    let again: T = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), json);
    (again, serde_json::from_str(&json).unwrap())
}

/// Reads a value of which one place is another, and returns the error.
fn refused<T: Serialize + DeserializeOwned>(value: &T, place: &str, other: Value) -> String {
    let mut json = serde_json::to_value(value).unwrap();
    *json.pointer_mut(place).expect("it is written") = other;
    serde_json::from_value::<T>(json).map(drop).unwrap_err().to_string()
}

#[test]
fn measurements_come_back_from_json() {
    for measurement in [exact(), Measurement::new(profile(every(1000))).unwrap()] {
        let (again, json) = back(&measurement);
        assert_eq!(again, measurement);
        assert_eq!(json, serde_json::to_value(measurement.profile()).unwrap());
        let (amounts, json) = back(&measurement.total());
        assert_eq!(amounts, measurement.total());
        assert_eq!(json["retained_bytes"]["sample_type"], "inuse_space");
        let functions = measurement.functions();
        assert_eq!(back(&functions).0, functions);
    }
    let live = profile(every(1).keep_dead(KeepDead::MajorGc));
    let live = serde_json::to_value(live).unwrap();
    let error = serde_json::from_value::<Measurement>(live).unwrap_err().to_string();
    assert!(error.contains("KeepDead::Both"), "{error}");
    let amounts = exact().total();
    let bytes = serde_json::to_value(amounts.allocated_bytes).unwrap();
    for place in ["allocated_objects", "retained_objects", "retained_bytes"] {
        let error = refused(&amounts, &format!("/{place}"), bytes.clone());
        assert!(error.contains("an estimate of alloc_space in the place of "), "{error}");
    }
    let row: FunctionAmounts = exact().function("row").unwrap();
    assert!(refused(&row, "/contexts", json!(-1)).contains("-1"));
    assert!(refused(&row, "/own/retained_bytes/value", json!(-7)).contains("does not fit"));
}

#[test]
fn runs_come_back_from_json() {
    let runs = Runs::new(vec![exact(), Measurement::new(profile(every(1000))).unwrap()]).unwrap();
    assert_eq!(back(&runs).0, runs);
    let error = serde_json::from_str::<Runs>("[]").unwrap_err().to_string();
    assert!(error.contains("at least one run"), "{error}");
}

#[test]
fn violations_come_back_from_json() {
    let sampled = Measurement::new(profile(every(1000))).unwrap();
    let cut = Measurement::new(profile(every(1).stack_depth(5))).unwrap();
    let estimated = sampled
        .check([Budget::all().retained_bytes(1).strict(), Budget::javascript()])
        .unwrap_err();
    let absent = exact().check(Budget::own("Row").retained_bytes(1)).unwrap_err();
    let cut = cut.check(Budget::total("row").allocated_bytes(9999)).unwrap_err();
    for over in [&over(), &estimated, &absent, &cut] {
        let again = back(over).0;
        assert_eq!(again, *over);
        assert_eq!(again.to_string(), over.to_string());
    }
    let over = over();
    let scope = "/violations/0/exceeded/scope";
    assert_eq!(serde_json::to_value(&over).unwrap().pointer(scope), Some(&json!("all")));
    assert!(refused(&over, "/violations", json!([])).contains("at least one violation"));
    assert!(refused(&over, scope, json!("everything")).contains("unknown variant `everything`"));
    let of = |field: &str| format!("/violations/0/exceeded/{field}");
    assert!(refused(&over, &of("limit"), json!(-1)).contains("-1"));
    assert!(refused(&over, &of("confidence"), json!(95.0)).contains("confidence level 95"));
    assert!(refused(&over, &of("what"), json!("space")).contains("unknown variant `space`"));
}

#[test]
fn budgets_come_back_from_json() {
    let budgets = [
        Budget::all().allocated_bytes(1).allocated_objects(2).retained_bytes(3).retained_objects(4),
        Budget::javascript().retained_bytes(5).confidence(Confidence::P99).strict(),
        Budget::total("rows").retained_objects(6).may_be_absent(),
        Budget::own("row").allocated_objects(7),
    ];
    for budget in &budgets {
        assert_eq!(format!("{:?}", back(budget).0), format!("{budget:?}"));
    }
    let read = |json: Value| serde_json::from_value::<Budget>(json);
    let budget = read(json!({ "scope": { "own": "row" }, "allocated_objects": 54 })).unwrap();
    assert_eq!(exact().check(budget).unwrap_err().violations[..], over().violations[2..]);
    for (json, problem) in [
        (json!({ "retained_bytes": 1 }), "missing field `scope`"),
        (json!({ "scope": "all", "retained": 1 }), "unknown field `retained`"),
        (json!({ "scope": "own", "retained_bytes": 1 }), "expected newtype variant"),
        (json!({ "scope": { "of": "row" }, "retained_bytes": 1 }), "unknown variant `of`"),
        (json!({ "scope": "all", "retained_bytes": -1 }), "-1"),
        (json!({ "scope": "all", "retained_bytes": 1, "confidence": 1 }), "confidence level 1"),
    ] {
        let error = read(json).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
    let pattern = Pattern::new("rows of all kinds", |of| of.name.starts_with("row"));
    let error = serde_json::to_string(&Budget::total(pattern)).unwrap_err().to_string();
    assert!(error.contains("selected by name") && error.contains("rows of all kinds"), "{error}");
}
