//! Texts of files in answers, errors and lines: none moves a cursor or turns the direction of
//! writing.

use std::borrow::Cow;
use std::io;

use v8_heap_sampler::analysis::{
    DiffOptions, GroupBy, LeakOptions, Leaks, Pattern, TopOptions, TreeOptions,
};
use v8_heap_sampler::budget::{Budget, Measurement};
use v8_heap_sampler::format::{ReadError, WriteError, WriteOptions, plain_text, read};
use v8_heap_sampler::source::{ListOptions, MemorySources, Script, SourceProvider};
use v8_heap_sampler::{
    Function, KeepDead, Label, Node, NodeId, Profile, Sample, SampleId, SampleType, SamplerOptions,
};

const ODD: &str = "a\u{1b}[31m\u{202e}\u{2028}\u{9b}\u{7f}\r\n\tz";
const SPACE: SampleType = SampleType::InuseSpace;

/// Checks a text of lines.
fn check(what: &str, text: impl ToString) {
    let text = text.to_string();
    assert!(text.contains("a [31m"), "{what} does not show it: {text:?}");
    for line in text.lines() {
        assert_eq!(plain_text(line), line, "{what}: {text:?}");
    }
}

fn odd_function(suffix: u32) -> Function {
    let mut function = Function::named(format!("{ODD}{suffix}"));
    function.script_name = format!("node_modules/{ODD}/{ODD}.js").into();
    function.line_number = std::num::NonZeroU32::new(suffix);
    function
}

/// Functions that call each other, twice over.
fn profile() -> Profile {
    let mut nodes = vec![Node::new(NodeId(1), "(root)")];
    for id in 2..=5 {
        nodes.push(Node::of(NodeId(id), odd_function(1 + id % 2)));
        nodes[id as usize - 2].child_ids.push(NodeId(id));
    }
    let samples =
        (1..=20).map(|id| Sample::new(NodeId(2 + id as u32 % 4), 64, SampleId(id), id % 3 > 0));
    let options = SamplerOptions::exact().keep_dead(KeepDead::Both);
    Profile::from_samples(&nodes, samples, &options).unwrap()
}

#[test]
fn answers_are_plain() {
    let mut heap = profile();
    heap.add_label(Label::text(ODD, ODD));
    heap.add_label(Label::number(format!("{ODD}2"), 7, ODD));
    for label in heap.label_sets().flatten() {
        check("a label", label);
    }
    check("a function", &heap.functions()[1]);
    for by in [
        GroupBy::Function,
        GroupBy::FunctionName,
        GroupBy::Script,
        GroupBy::Directory,
        GroupBy::Package,
        GroupBy::Stack,
        GroupBy::Label(ODD.to_owned()),
    ] {
        check("top", heap.top(TopOptions::new(SPACE).by(by)).unwrap());
    }
    check("top_down", heap.top_down(TreeOptions::new(SPACE)).unwrap());
    check("bottom_up", heap.bottom_up(TreeOptions::new(SPACE)).unwrap());
    check("peek", heap.peek(SPACE, Pattern::text("a")).unwrap());
    check("hot_path", heap.hot_path(SPACE).unwrap());
    check("dominators", heap.dominators(SPACE).unwrap());
    check("cycles", heap.cycles(SPACE).unwrap());
    for by in [GroupBy::Stack, GroupBy::Function] {
        let options = DiffOptions::new(SPACE).by(by);
        check("diff", heap.diff(&heap, &options).unwrap());
    }
    let options = LeakOptions::new().sample_type(SPACE);
    check("leaks", Leaks::find([&heap, &heap, &heap], &options).unwrap());

    // With and without the text.
    let mut sources = MemorySources::new();
    check(
        "unlisted",
        heap.listing(SPACE, Pattern::all(), &mut sources, ListOptions::new()).unwrap(),
    );
    sources.insert_source(&*odd_function(1).script_name, format!("{ODD}\n{ODD}\n"));
    check(
        "listing",
        heap.listing(SPACE, Pattern::all(), &mut sources, ListOptions::new()).unwrap(),
    );
    check(
        "failing",
        heap.listing(SPACE, Pattern::all(), &mut Failing, ListOptions::new()).unwrap(),
    );
}

/// A provider that fails with a text of a file.
struct Failing;

impl SourceProvider for Failing {
    fn source(&mut self, _: Script<'_>) -> io::Result<Option<Cow<'_, str>>> {
        Err(io::Error::other(ODD))
    }
}

#[test]
fn budgets_are_plain() {
    let measurement = Measurement::new(profile()).unwrap();
    check("a measurement", &measurement);
    let budgets = [
        Budget::all().allocated_bytes(1),
        Budget::own(format!("{ODD}1")).retained_objects(1),
        Budget::own(format!("{ODD}7")).retained_objects(1),
        Budget::own(format!("{ODD}1")),
    ];
    check("a budget", measurement.check(budgets).unwrap_err());
}

#[test]
fn errors_are_plain() {
    check("a sample type", ODD.parse::<SampleType>().unwrap_err());
    check("a group", ODD.parse::<GroupBy>().unwrap_err());

    let odd = || ODD.to_owned();
    check("reading", ReadError::UnknownFormat { found: odd() });
    check("reading", ReadError::Json { offset: 7, problem: odd() });
    check("reading", ReadError::Field { offset: 7, field: odd(), problem: odd() });
    check("reading", ReadError::Pprof { field: odd(), problem: odd() });
    check("writing", WriteError::Format { format: "flame graph", problem: odd() });

    #[cfg(feature = "sourcemap")]
    {
        use v8_heap_sampler::source::ScriptReport;
        let mut heap = profile();
        check("a report", heap.map_sources(&mut Failing));
        for problem in [None, Some(ODD)] {
            let script = serde_json::json!({
                "name": ODD, "map": ODD, "functions": 1, "mapped": 0, "problem": problem,
            });
            check("a map", serde_json::from_value::<ScriptReport>(script).unwrap());
        }
    }
}

#[test]
fn lines_and_pictures_are_plain() {
    let heap = profile();
    let text = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        write(&mut bytes);
        String::from_utf8(bytes).unwrap()
    };
    check("folded", text(&|bytes| heap.write_folded(bytes, SPACE).unwrap()));
    check("DOT", text(&|bytes| heap.write_dot(bytes, SPACE).unwrap()));
    let options = WriteOptions::from(SPACE);
    let svg = text(&|bytes| heap.write_flamegraph(bytes, &options).unwrap());
    for title in svg.split("<title>").skip(1) {
        let title = title.split("</title>").next().unwrap();
        assert_eq!(plain_text(title), title);
    }
}

#[test]
fn what_is_plain_in_errors_and_answers_is_as_it_was_in_formats() {
    let mut heap = profile();
    heap.add_label(Label::text(ODD, ODD));
    heap.metadata.comments.push(ODD.to_owned());
    let mut pprof = Vec::new();
    heap.write_pprof(&mut pprof, WriteOptions::new()).unwrap();
    let again = read(&pprof[..]).unwrap();
    assert_eq!(again.metadata.comments, [ODD]);
    assert_eq!(again.label_sets().last().unwrap(), [Label::text(ODD, ODD)]);
    assert_eq!(again.functions()[1].name, odd_function(1).name);
    assert_eq!(again.functions()[1].script_name, odd_function(1).script_name);
    // Also where a function has no name, and its script is in the name that is made up.
    let mut anonymous = Node::of(NodeId(2), odd_function(3));
    let mut function = Function::clone(&anonymous.function);
    function.name = Default::default();
    anonymous.function = function.into();
    anonymous.allocations.push(v8_heap_sampler::Allocation { count: 1, size: 8 });
    let mut root = Node::new(NodeId(1), "(root)");
    root.child_ids.push(NodeId(2));
    let heap = Profile::from_nodes(&[root, anonymous], v8_heap_sampler::Counted::InUse).unwrap();
    let mut pprof = Vec::new();
    heap.write_pprof(&mut pprof, WriteOptions::new()).unwrap();
    let again = read(&pprof[..]).unwrap();
    assert_eq!(again.functions()[1].name, "");
    assert_eq!(again.functions()[1].script_name, heap.functions()[1].script_name);
}
