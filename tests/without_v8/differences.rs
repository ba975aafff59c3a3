//! Profiles that are differences: values with a sign, in every answer and format.

use proptest::prelude::*;
use prost::Message;
use v8_heap_sampler::analysis::{
    DiffOptions, GroupBy, LeakOptions, Leaks, Metric, Pattern, Query, TopOptions, TopRow,
    TreeOptions,
};
use v8_heap_sampler::format::{self, ReadOptions, WriteError, WriteOptions};
use v8_heap_sampler::source::{ListOptions, MemorySources};
use v8_heap_sampler::{
    AnalysisError, Confidence, Context, Counted, Label, Node, NodeId, Profile, Sample, SampleId,
    SampleType, SamplerOptions, Uncertainty,
};

use crate::support::pprof_messages::of_samples;

const SPACE: SampleType = SampleType::InuseSpace;

fn read(samples: &[(&[u64], [i64; 4])]) -> Profile {
    format::read(&of_samples(samples).encode_to_vec()[..]).unwrap()
}

/// `grow` has become less, and `main` more; all of it was allocated.
fn delta() -> Profile {
    read(&[(&[1, 2], [20, 2_000_000, -10, -1_000_000]), (&[2], [1, 600_000, 1, 10_000])])
}

/// As much more in `grow` as less in `main`, which calls it, and a call of itself.
fn balanced() -> Profile {
    read(&[(&[1, 2], [0, 0, 10, 1000]), (&[2, 2], [0, 0, -10, -1000])])
}

fn pprof(profile: &Profile) -> Profile {
    let mut bytes = Vec::new();
    profile.write_pprof(&mut bytes, WriteOptions::new().object_sizes(true)).unwrap();
    format::read(&bytes[..]).unwrap()
}

fn changes(before: &Profile, after: &Profile) -> Profile {
    let mut bytes = Vec::new();
    after.write_pprof_diff(&mut bytes, before, WriteOptions::new()).unwrap();
    format::read(&bytes[..]).unwrap()
}

#[test]
fn a_column_with_negative_values_is_a_difference() {
    let profile = delta();
    let of = |sample_type| (profile.is_difference(sample_type), profile.total(sample_type));
    // The objects and bytes of what is in use; what was allocated is a sum.
    assert_eq!(of(SampleType::InuseObjects), (true, Some(-9.0)));
    assert_eq!(of(SPACE), (true, Some(-990_000.0)));
    assert_eq!(of(SampleType::AllocObjects), (false, Some(21.0)));
    assert_eq!(of(SampleType::AllocSpace), (false, Some(2_600_000.0)));
    // Where only one of two has a negative value, both are.
    let one = read(&[(&[1, 2], [0, 0, -1, 0]), (&[2], [0, 0, 3, 640])]);
    assert!(one.is_difference(SPACE) && !one.is_difference(SampleType::AllocSpace));
    let none = read(&[(&[1, 2], [0, 0, 1, 8])]);
    assert!(SampleType::ALL.into_iter().all(|sample_type| !none.is_difference(sample_type)));

    let alloc = profile.estimate(SampleType::AllocSpace).unwrap();
    assert_eq!(alloc.uncertainty(), Uncertainty::Approximate);
    assert!(alloc.interval(Confidence::P95).unwrap().lower > 0.0);
    let inuse = profile.estimate(SPACE).unwrap();
    assert_eq!(inuse.uncertainty(), Uncertainty::Difference);
    let doubt = (inuse.standard_error(), inuse.samples(), inuse.interval(Confidence::P95));
    assert_eq!(doubt, (None, None, None));
    assert_eq!((inuse.to_string(), format!("{inuse:#}")), ("-990.0 kB".into(), "-990.0 kB".into()));
    let json = serde_json::to_string(&inuse).unwrap();
    let what = r#""sample_type":"inuse_space","uncertainty":"difference""#;
    let nothing_known = r#""samples":null,"standard_error":null,"lower":null,"upper":null"#;
    assert_eq!(json, format!(r#"{{"value":-990000.0,{what},{nothing_known},"basis":null}}"#));
    assert_eq!(SPACE.display(-1_234_567.8).to_string(), "-1.2 MB");
    assert_eq!(SampleType::InuseObjects.display(-1.2).to_string(), "-1 object");
    assert_eq!(SPACE.display(-0.2).to_string(), "0 B");
}

#[test]
fn answers_have_signs_and_no_shares() {
    let profile = delta();
    let shown = |lines: &[&str]| {
        let heading = "inuse_space: -990.0 kB (a difference: +10.0 kB and -1.0 MB)\n";
        heading.to_owned() + &lines.join("\n") + "\n"
    };
    let top = profile.top(TopOptions::new(SPACE)).unwrap();
    assert_eq!(
        top.to_string(),
        shown(&[
            "    self      total  function",
            " -1.0 MB    -1.0 MB  grow /a.js:5",
            "+10.0 kB  -990.0 kB  main /a.js:1",
        ])
    );
    let top = profile.top(TopOptions::new(SPACE).limit(1)).unwrap();
    assert!(top.to_string().contains("\n1 of 2 rows\n"), "{top}");
    let half = TopOptions::new(SPACE).min_share(0.5).metric(Metric::Total);
    assert_eq!(profile.top(&half).unwrap().rows.len(), 2);
    assert_eq!(profile.top(half.clone().metric(Metric::Own)).unwrap().rows.len(), 1);
    let by = TopOptions::new(SPACE).by(GroupBy::Label("share%".to_owned()));
    assert!(profile.top(&by).unwrap().to_string().ends_with("  (none)\n"));

    let options = TreeOptions::new(SPACE);
    assert_eq!(
        profile.top_down(&options).unwrap().to_string(),
        shown(&[
            "    total      self  function",
            "-990.0 kB         0  (root)",
            "-990.0 kB  +10.0 kB    main /a.js:1",
            "  -1.0 MB   -1.0 MB      grow /a.js:5",
        ])
    );
    assert_eq!(
        profile.bottom_up(&options).unwrap().to_string(),
        shown(&[
            "    self  function, and below it its callers",
            " -1.0 MB  grow /a.js:5",
            " -1.0 MB    main /a.js:1",
            "+10.0 kB  main /a.js:1",
        ])
    );
    let path = profile.hot_path(SPACE).unwrap();
    let steps: Vec<f64> = path.rows.iter().map(|step| step.total.value()).collect();
    assert_eq!(steps, [-990_000.0, -990_000.0, -1_000_000.0]);
    let dominators = profile.dominators(SPACE).unwrap();
    assert_eq!(dominators.rows[2].function.name, "grow");
    let cycles = balanced().cycles(SPACE).unwrap();
    let peek = profile.peek(SPACE, Pattern::text("main")).unwrap();
    assert_eq!(peek.functions[0].callees[0].total.value(), -1_000_000.0);
    for text in [path.to_string(), dominators.to_string(), cycles.to_string(), peek.to_string()] {
        assert!(text.contains('-') && !text.contains('%'), "{text}");
    }
    let mut sources = MemorySources::new();
    sources.insert_source("/a.js", "function main() {\n}\n\n\nfunction grow() {\n}\n");
    let listing = profile.listing(SPACE, Pattern::all(), &mut sources, ListOptions::new()).unwrap();
    let listing = listing.to_string();
    assert!(listing.contains("-1.0 MB     -1.0 MB      5:function grow"), "{listing}");
    // What was allocated has shares and intervals.
    let top = profile.top(TopOptions::new(SampleType::AllocSpace)).unwrap().to_string();
    assert!(top.contains("self%") && top.contains(" to "), "{top}");
}

#[test]
fn more_and_less_do_not_hide_each_other() {
    let profile = balanced();
    let amount = profile.estimate(SPACE).unwrap();
    assert_eq!((amount.value(), amount.to_string()), (0.0, "0 B".to_owned()));
    let options = TreeOptions::new(SPACE);
    let down = profile.top_down(&options).unwrap();
    let totals: Vec<f64> = down.rows.iter().map(|row| row.total.value()).collect();
    assert_eq!(totals, [0.0, 0.0, 1000.0, -1000.0]);
    assert!(down.to_string().contains("(a difference: +1.0 kB and -1.0 kB)"), "{down}");
    let up = profile.bottom_up(&options).unwrap();
    assert_eq!(up.rows.iter().filter(|row| row.depth == 0).count(), 2);
    let pruned = profile.query(&Query::new().prune_below(SPACE, 0.2)).unwrap();
    assert_eq!(pruned.values(SPACE), profile.values(SPACE));
    let half = TreeOptions::new(SPACE).min_share(0.6);
    assert_eq!(profile.top_down(&half).unwrap().rows.len(), 2);
    let common = profile.common_caller(SPACE, Pattern::text("grow"));
    assert_eq!(common.unwrap().name, "main");
    // Of which nothing is left in all.
    let recursive = read(&[(&[1, 2], [0, 0, 10, 1000]), (&[1, 1, 2], [0, 0, -10, -1000])]);
    assert_eq!(recursive.total(SPACE), Some(0.0));
    let common = recursive.common_caller(SPACE, Pattern::text("grow"));
    assert_eq!(common.unwrap().name, "main");
    // What cancels out in one place is nothing.
    let nothing = read(&[(&[1, 2], [0, 0, 10, 1000]), (&[1, 2], [0, 0, -10, -1000])]);
    assert_eq!((nothing.rows().len(), nothing.is_difference(SPACE)), (0, true));
    assert_eq!(nothing.total(SPACE), Some(0.0));
}

#[test]
fn pprof_carries_differences_both_ways() {
    for mut profile in [delta(), balanced()] {
        assert_eq!(pprof(&profile), profile);
        // A part without negative values, and comments of the user's.
        profile.metadata.comments = vec!["difference: of opinion".to_owned(), "x".to_owned()];
        let part = profile.query(&Query::new().focus(Pattern::text("nothing"))).unwrap();
        assert_eq!((part.total(SPACE), part.is_difference(SPACE)), (Some(0.0), true));
        for profile in [profile, part] {
            assert_eq!(pprof(&profile), profile);
        }
    }
    let [before, after] = [
        read(&[(&[1, 2], [20, 2000, 10, 1000])]),
        read(&[(&[1, 2], [25, 2600, 4, 400]), (&[2], [2, 80, 2, 80])]),
    ];
    let changes_of = changes(&before, &after);
    for sample_type in SampleType::ALL {
        assert!(changes_of.is_difference(sample_type), "{sample_type}");
        let [was, is] = [&before, &after].map(|profile| profile.total(sample_type).unwrap());
        assert_eq!(changes_of.total(sample_type), Some(is - was), "{sample_type}");
    }
    // As those of `diff`, and the two sides by the label that pprof gives the first.
    let top = changes_of.top(TopOptions::new(SPACE)).unwrap();
    let compared = after.diff(&before, DiffOptions::new(SPACE)).unwrap();
    for row in &top.rows {
        let same = compared.rows.iter().find(|other| other.name == row.name).unwrap();
        assert_eq!(row.own.value(), same.own.value(), "{}", row.name);
    }
    let sides = TopOptions::new(SPACE).by(GroupBy::Label("pprof::base".to_owned()));
    let sides = changes_of.top(&sides).unwrap();
    let sides: Vec<_> = sides.rows.iter().map(|row| (&row.name[..], row.own.value())).collect();
    assert_eq!(sides, [("true", -1000.0), ("(none)", 480.0)]);
    assert_eq!(pprof(&changes_of), changes_of);

    // Differences of differences, and of a difference and a profile.
    let grown = changes(&delta(), &changes_of);
    assert_eq!(grown.total(SPACE), Some(-520.0 + 990_000.0));
    assert_eq!(changes(&before, &delta()).total(SPACE), Some(-991_000.0));
    assert_eq!(changes(&changes_of, &changes_of).total(SPACE), Some(0.0));
}

#[test]
fn values_that_are_not_whole_keep_both_totals() {
    // A third of an object here and there, more and less.
    let thirds = |count: u64| {
        let nodes = (1..=9).map(|id| {
            let mut node = Node::new(NodeId(id), "f");
            node.child_ids.extend((id < 9).then_some(NodeId(id + 1)));
            node
        });
        let sample = |id| Sample::new(NodeId(1 + id as u32 % 9), 1000, SampleId(id), true);
        let options = SamplerOptions::new().interval_bytes(700);
        let nodes: Vec<Node> = nodes.collect();
        Profile::from_samples(&nodes, (1..=count).map(sample), &options).unwrap()
    };
    let (before, after) = (thirds(40), thirds(31));
    let written = changes(&before, &after);
    let rows = || written.rows().map(|row| row.value(SPACE).unwrap());
    let more: f64 = rows().filter(|value| *value > 0.0).sum();
    let less: f64 = rows().filter(|value| *value < 0.0).sum();
    assert!((more - after.total(SPACE).unwrap()).abs() <= 0.5, "{more}");
    assert!((less + before.total(SPACE).unwrap()).abs() <= 0.5, "{less}");
}

#[test]
fn formats_without_signs_say_so() {
    let profile = delta();
    let none = std::io::sink;
    let refused: [(Result<(), WriteError>, &str); 7] = [
        (profile.write_folded(none(), SPACE), "folded stacks"),
        (profile.write_folded(none(), SampleType::InuseObjects), "folded stacks"),
        (profile.write_heapprofile(none(), Counted::InUse), ".heapprofile"),
        (profile.write_speedscope(none(), "x"), "speedscope"),
        (profile.write_firefox(none(), "x"), "Firefox Profiler"),
        (profile.write_nodes(none(), Counted::InUse), "nodes"),
        (profile.write_nested_nodes(none(), Counted::InUse), "nodes"),
    ];
    for (written, expected) in refused {
        match written {
            Err(WriteError::Difference { format, .. }) => assert_eq!(format, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    let error = profile.write_folded(none(), SPACE).unwrap_err().to_string();
    assert!(error.contains("inuse_space is a difference") && error.contains("DOT or pprof"));
    // What is no difference can be written.
    let mut folded = Vec::new();
    profile.write_folded(&mut folded, SampleType::AllocSpace).unwrap();
    let lines = "main /a.js:1 600000\nmain /a.js:1;grow /a.js:5 2000000\n";
    assert_eq!(String::from_utf8(folded).unwrap(), lines);
    profile.write_heapprofile(none(), Counted::Allocated).unwrap();
}

#[test]
fn pictures_show_what_has_grown_and_shrunk() {
    let svg = |draw: &dyn Fn(&mut Vec<u8>) -> Result<(), WriteError>| {
        let mut svg = Vec::new();
        draw(&mut svg).unwrap();
        String::from_utf8(svg).unwrap()
    };
    let options = WriteOptions::from(SPACE);
    /// The colour of the box with a title.
    fn fill<'s>(svg: &'s str, title: &str) -> &'s str {
        let at = svg.find(title).unwrap_or_else(|| panic!("{title}: {svg}"));
        svg[at..].split("fill=\"").nth(1).unwrap().split('"').next().unwrap()
    }
    let profile = delta();
    let drawn = svg(&|bytes| profile.write_flamegraph(bytes, &options));
    assert!(drawn.contains("inuse_space, what has changed"));
    assert!(drawn.contains("all (1,010,000 bytes, 100%)"));
    // As wide as both changes; red for more, blue for less.
    let main = fill(&drawn, "<title>main /a.js:1 (1,010,000 bytes, 100.00%; +0.99%)</title>");
    assert!(main.starts_with("rgb(255,"), "{main}");
    let grow = fill(&drawn, "<title>grow /a.js:5 (1,000,000 bytes, 99.01%; -99.01%)</title>");
    assert!(grow.ends_with(",255)"), "{grow}");
    let drawn = svg(&|bytes| profile.write_flamegraph_diff(bytes, &balanced(), &options));
    assert!(drawn.contains("<title>grow /a.js:5 (1,001,000 bytes, "), "{drawn}");
    let empty = balanced();
    svg(&|bytes| empty.write_flamegraph_diff(bytes, &empty, &options));
    let drawn = svg(&|bytes| profile.write_flamegraph(bytes, SampleType::AllocSpace));
    assert!(drawn.contains("<title>grow /a.js:5 (2,000,000 bytes, 76.92%)</title>"), "{drawn}");

    let dot = svg(&|bytes| profile.write_dot(bytes, SPACE));
    assert!(dot.contains("inuse_space: -990.0 kB in all; 2 of 2 functions"), "{dot}");
    assert!(dot.contains(r#"label="main\n/a.js:1\n+10.0 kB\nof -990.0 kB""#), "{dot}");
    assert!(dot.contains(r#"label="grow\n/a.js:5\n-1.0 MB", fontsize=31.9, fillcolor="0.60 "#));
    assert!(dot.contains(r#"[label=" -1.0 MB", penwidth="#) && !dot.contains('%'), "{dot}");
}

#[test]
fn differences_are_compared_and_never_followed() {
    let profile = delta();
    let plain = read(&[(&[1, 2], [20, 2000, 10, 1000])]);
    for (before, after) in [(&profile, &plain), (&plain, &profile), (&profile, &profile)] {
        for by in [GroupBy::Stack, GroupBy::Function, GroupBy::Script] {
            let options = DiffOptions::new(SPACE).by(by).metric(Metric::Total);
            let compared = after.diff(before, &options).unwrap();
            let change = after.total(SPACE).unwrap() - before.total(SPACE).unwrap();
            assert_eq!((compared.total.value(), compared.total.p_value()), (change, None));
            assert_eq!((compared.significant, compared.grown), (0, 0));
            for row in &compared.rows {
                assert_eq!(
                    row.total.value(),
                    row.total.after().value() - row.total.before().value()
                );
                assert!(row.total.interval(Confidence::P95).is_none() && row.q_value.is_none());
            }
            let text = compared.to_string();
            assert!(text.contains("-990.0 kB") && text.contains("cannot be said"), "{text}");
        }
    }
    let snapshots = [&plain, &profile, &plain];
    let error = Leaks::find(snapshots, LeakOptions::new()).unwrap_err();
    let AnalysisError::Snapshot { at: 2, error } = error else { panic!("{error}") };
    assert!(matches!(*error, AnalysisError::Difference { sample_type: SPACE }), "{error}");
    let alloc = LeakOptions::new().sample_type(SampleType::AllocSpace);
    assert!(Leaks::find([&profile, &profile, &profile], &alloc).is_ok());
}

#[test]
fn parts_and_sums_of_differences_are_differences() {
    let profile = delta();
    let part = profile.query(&Query::new().ignore(Pattern::text("grow"))).unwrap();
    // Only what has become more.
    assert_eq!((part.total(SPACE), part.is_difference(SPACE)), (Some(10_000.0), true));
    assert_eq!(part.estimate(SPACE).unwrap().to_string(), "+10.0 kB");
    let mut labelled = part.clone();
    labelled.add_label(Label::text("of", "main"));
    assert!(labelled.is_difference(SPACE));
    let before = read(&[(&[1, 2], [0, 0, 20, 3_000_000])]);
    for profiles in [[&before, &profile], [&profile, &before]] {
        let after = Profile::merge(profiles).unwrap();
        assert_eq!((after.total(SPACE), after.is_difference(SPACE)), (Some(2_010_000.0), true));
        assert!(!after.is_difference(SampleType::AllocSpace));
    }
}

#[test]
fn differences_stay_within_what_numbers_can_say() {
    const MOST: i64 = 1 << 53;
    let bad = |samples: &[(&[u64], [i64; 4])]| {
        format::read(&of_samples(samples).encode_to_vec()[..]).unwrap_err().to_string()
    };
    let least = read(&[(&[1, 2], [0, 0, 0, -MOST])]);
    assert_eq!(least.total(SPACE), Some(-(MOST as f64)));
    assert!(bad(&[(&[1, 2], [0, 0, 0, -MOST - 1])]).contains("is not from -2^53 to 2^53"));
    assert!(bad(&[(&[1, 2], [0, 0, 0, i64::MIN])]).contains("is not from -2^53 to 2^53"));
    // Sums of parts could not be said, though that of all can.
    assert!(bad(&[(&[1, 2], [0, 0, 0, -MOST]), (&[2], [0, 0, 0, MOST])]).contains("add up to"));
    let error = Profile::merge([&least, &least]).unwrap_err();
    assert_eq!(error, AnalysisError::TooMuch { sample_type: SPACE });
}

/// What `go tool pprof -proto -base` made of two heap profiles of one Go program.
#[test]
fn differences_of_go_have_the_figures_of_pprof() {
    let file = include_bytes!("../../fuzz/corpus/pprof/go-difference.pb");
    let profile = format::read(&file[..]).unwrap();
    // `go tool pprof -top -unit=bytes -trim=false -sample_index=...`: flat and cum.
    type Row = (&'static str, f64, f64);
    let expected: [(SampleType, &[Row]); 3] = [
        (
            SPACE,
            &[
                ("main.small", 2_735_602.0, 2_735_602.0),
                ("main.rec", 425_961.0, 425_961.0),
                ("hash/crc32.slicingMakeTable", 9474.0, 9474.0),
                ("main.main", 0.0, 3_171_037.0),
            ],
        ),
        (SampleType::InuseObjects, &[("main.small", 20_394.0, 20_394.0)]),
        (
            SampleType::AllocSpace,
            &[
                ("main.rec", 5_898_405.0, 5_898_405.0),
                ("main.small", 4_058_178.0, 4_058_178.0),
                ("compress/flate.NewWriter", 663_552.0, 1_196_032.0),
                ("runtime/pprof.writeHeapInternal", 21_867.0, 1_263_040.0),
            ],
        ),
    ];
    for (sample_type, functions) in expected {
        assert_eq!(profile.is_difference(sample_type), sample_type != SampleType::AllocSpace);
        let top = profile.top(TopOptions::new(sample_type)).unwrap();
        for &(name, own, total) in functions {
            let of = |row: &&TopRow| row.function.as_ref().is_some_and(|of| of.name == *name);
            let rows: Vec<_> = top.rows.iter().filter(of).collect();
            assert_eq!(rows.len(), 1, "{name}");
            assert_eq!((rows[0].own.value(), rows[0].total.value()), (own, total), "{name}");
        }
    }
    // Its stacks differ in lines, and what became less on one is more on another: `-lines`.
    let lines = ReadOptions::new().call_lines(true).read(&file[..]).unwrap();
    let top = lines.top(TopOptions::new(SPACE)).unwrap();
    let of = |row: &&TopRow| row.name.starts_with("main.rec ") && row.own.value() != 0.0;
    let found: Vec<_> = top.rows.iter().filter(of).collect();
    let found: Vec<_> = found.iter().map(|row| (&row.name[..], row.own.value())).collect();
    assert_eq!(
        found,
        [("main.rec app/main.go:9", 958_464.0), ("main.rec app/main.go:10", -532_503.0)]
    );
    assert_eq!(pprof(&profile), profile);
}

proptest! {
    /// Every answer adds up to the same, in text and JSON without a number that is none.
    #[test]
    fn all_answers_add_up(
        of in prop::collection::vec(
            (prop::collection::vec(1_u64..=2, 0..5), prop::array::uniform4(-3_i64..=3)), 0..9,
        ),
        share in 0.0..1.0,
    ) {
        let samples: Vec<(&[u64], [i64; 4])> =
            of.iter().map(|(stack, values)| (&stack[..], values.map(|value| value * 700))).collect();
        let profile = read(&samples);
        let net = |which: &dyn Fn(&[u64]) -> bool, column: usize| -> f64 {
            let of = samples.iter().filter(|(stack, _)| which(stack));
            of.map(|(_, values)| values[column] as f64).sum()
        };
        for (column, sample_type) in SampleType::ALL.into_iter().enumerate() {
            let whole = net(&|_| true, column);
            prop_assert_eq!(profile.total(sample_type), Some(whole));
            let mut texts = Vec::new();
            let top = profile.top(TopOptions::new(sample_type)).unwrap();
            let own: f64 = top.rows.iter().map(|row| row.own.value()).sum();
            prop_assert_eq!(own, whole);
            for row in &top.rows {
                let id = match &row.name[..] {
                    "grow /a.js:5" => 1,
                    "main /a.js:1" => 2,
                    _ => continue,
                };
                prop_assert_eq!(row.own.value(), net(&|stack| stack.first() == Some(&id), column));
                prop_assert_eq!(row.total.value(), net(&|stack| stack.contains(&id), column));
            }
            let is_difference = profile.is_difference(sample_type);
            let known = top.total.standard_error().is_some();
            prop_assert!(!(is_difference && known));
            texts.push((top.to_string(), serde_json::to_string(&top).unwrap()));
            let options = TreeOptions::new(sample_type).min_share(0.0);
            let up = profile.bottom_up(&options).unwrap();
            let first = up.rows.iter().filter(|row| row.depth == 0);
            let first: f64 = first.map(|row| row.total.value()).sum();
            prop_assert_eq!(first, whole);
            for share in [0.0, share] {
                let options = TreeOptions::new(sample_type).min_share(share);
                let down = profile.top_down(&options).unwrap();
                prop_assert_eq!(down.rows[0].total.value(), whole);
                let up = profile.bottom_up(&options).unwrap();
                texts.push((down.to_string(), serde_json::to_string(&down).unwrap()));
                texts.push((up.to_string(), serde_json::to_string(&up).unwrap()));
                let pruned = profile.query(&Query::new().prune_below(sample_type, share)).unwrap();
                prop_assert_eq!(pruned.total(sample_type), Some(whole));
                prop_assert_eq!(pruned.is_difference(sample_type), is_difference);
            }
            let path = profile.hot_path(sample_type).unwrap();
            texts.push((path.to_string(), serde_json::to_string(&path).unwrap()));
            let cycles = profile.cycles(sample_type).unwrap();
            texts.push((cycles.to_string(), serde_json::to_string(&cycles).unwrap()));
            let dominators = profile.dominators(sample_type).unwrap();
            texts.push((dominators.to_string(), serde_json::to_string(&dominators).unwrap()));
            let peek = profile.peek(sample_type, Pattern::new("all", |_| true)).unwrap();
            texts.push((peek.to_string(), serde_json::to_string(&peek).unwrap()));
            let same = profile.diff(&profile, DiffOptions::new(sample_type)).unwrap();
            prop_assert_eq!(same.total.value(), 0.0);
            texts.push((same.to_string(), serde_json::to_string(&same).unwrap()));
            for (text, json) in texts {
                prop_assert!(!text.contains("NaN") && !text.contains("inf "), "{}", text);
                prop_assert!(!text.contains("-0 ") && !json.contains("NaN"), "{}", text);
                prop_assert_eq!(is_difference && text.contains('%'), false, "{}", text);
            }
            let mut bytes = Vec::new();
            profile.write_flamegraph(&mut bytes, sample_type).unwrap();
            profile.write_dot(&mut bytes, sample_type).unwrap();
        }
        let again = pprof(&profile);
        for sample_type in profile.sample_types() {
            prop_assert_eq!(again.total(sample_type), profile.total(sample_type));
            prop_assert_eq!(again.is_difference(sample_type), profile.is_difference(sample_type));
        }
        prop_assert_eq!(&pprof(&again), &again);
        // Contexts whose values cancel out are not written.
        let has_row = |context: Context<'_>| {
            context.index() == 0 || profile.rows().any(|row| row.context().index() == context.index())
        };
        if profile.contexts().all(|of| of.children().next().is_some() || has_row(of)) {
            prop_assert_eq!(&again, &profile);
        }
        let twice = Profile::merge([&profile, &profile]).unwrap();
        for sample_type in profile.sample_types() {
            let doubled = profile.total(sample_type).map(|total| 2.0 * total);
            prop_assert_eq!(twice.total(sample_type), doubled);
            prop_assert_eq!(changes(&twice, &profile).total(sample_type), doubled.map(|of| -of / 2.0));
        }
    }
}
