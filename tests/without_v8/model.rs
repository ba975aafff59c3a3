//! Functions and nodes as data: what they are displayed as, and written as.

use std::num::NonZeroU32;

use v8_heap_sampler::format::plain_text;
use v8_heap_sampler::{
    Allocation, Function, Name, Node, NodeId, Original, ProfileError, PseudoFrame, ScriptId,
};

#[test]
fn only_script_less_functions_are_pseudo_frames() {
    let mut function = Function::named("(GC)");
    assert_eq!(function.pseudo_frame(), Some(PseudoFrame::Gc));
    function.script_id = ScriptId::new(9);
    assert_eq!(function.pseudo_frame(), None);
    assert!(!Function::named("map").is_pseudo_frame());
    let mut read = Function::named("(GC)");
    read.script_name = "gc.js".into();
    assert_eq!(read.pseudo_frame(), None);
    for (frame, name) in [
        (PseudoFrame::Root, "(root)"),
        (PseudoFrame::V8Api, "(V8 API)"),
        (PseudoFrame::Js, "(JS)"),
        (PseudoFrame::Gc, "(GC)"),
        (PseudoFrame::Parser, "(PARSER)"),
        (PseudoFrame::Compiler, "(COMPILER)"),
        (PseudoFrame::BytecodeCompiler, "(BYTECODE_COMPILER)"),
        (PseudoFrame::External, "(EXTERNAL)"),
        (PseudoFrame::Logging, "(LOGGING)"),
        (PseudoFrame::Idle, "(IDLE)"),
        (PseudoFrame::IdleExternal, "(IDLE_EXTERNAL)"),
        (PseudoFrame::Deopt, "(deopt)"),
    ] {
        assert_eq!((frame.name(), PseudoFrame::from_name(name)), (name, Some(frame)));
    }
}

#[test]
fn anonymous_functions_are_told_apart_by_their_place() {
    let mut function = Function::named("");
    assert_eq!(function.to_string(), "(anonymous)");
    function.script_id = ScriptId::new(9);
    function.line_number = NonZeroU32::new(3);
    assert_eq!(function.to_string(), "(anonymous) (script 9):3");
    function.script_name = "a.js".into();
    function.column_number = NonZeroU32::new(14);
    assert_eq!(function.to_string(), "(anonymous) a.js:3:14");
}

#[test]
fn what_is_original_is_displayed() {
    let mut function = Function::named("a");
    function.script_name = "bundle.js".into();
    (function.line_number, function.column_number) = (NonZeroU32::new(1), NonZeroU32::new(99));
    let mut original = Original::new("src/a.ts");
    (original.line_number, original.column_number) = (NonZeroU32::new(7), NonZeroU32::new(3));
    function.original = Some(original.clone().into());
    // Without a name of its own, it keeps the one that it has.
    assert_eq!(function.to_string(), "a src/a.ts:7:3");
    original.name = Some("area".into());
    function.original = Some(original.into());
    assert_eq!(function.to_string(), "area src/a.ts:7:3");
    assert_eq!(function.generated_location(), "bundle.js:1:99");
    assert_eq!(function.name, "a");
}

#[test]
fn json_has_the_fields_of_sample_heap_allocations() {
    let mut node = Node::new(NodeId(7), "alloc");
    node.script_id = ScriptId::new(34);
    node.script_name = "allocate.js".into();
    node.line_number = NonZeroU32::new(3);
    node.column_number = NonZeroU32::new(21);
    node.start_position = Some(40);
    node.allocations = vec![Allocation { count: 2, size: 4016 }];
    node.child_ids = vec![NodeId(8), NodeId(9)];
    let json = concat!(
        r#"{"id":7,"script_id":34,"script_name":"allocate.js","name":"alloc","#,
        r#""line_number":3,"column_number":21,"start_position":40,"#,
        r#""allocations":[{"count":2,"size":4016}],"child_ids":[8,9]}"#
    );
    assert_eq!(serde_json::to_string(&node).unwrap(), json);
    assert_eq!(serde_json::from_str::<Node>(json).unwrap(), node);
}

#[test]
fn unknown_places_are_zero_as_in_v8() {
    let node = Node::new(NodeId(1), "(root)");
    let json = serde_json::to_value(&node).unwrap();
    assert_eq!(json["script_id"], 0);
    assert_eq!(json["line_number"], 0);
    assert_eq!(json["start_position"], -1);
    assert_eq!(serde_json::from_value::<Node>(json).unwrap(), node);
    assert_eq!(serde_json::from_str::<Node>(r#"{"id":1,"name":"(root)"}"#).unwrap(), node);

    let mut top_level = node;
    top_level.script_id = ScriptId::new(3);
    top_level.start_position = Some(0);
    let json = serde_json::to_value(&top_level).unwrap();
    assert_eq!(json["start_position"], 0);
    assert_eq!(serde_json::from_value::<Node>(json).unwrap(), top_level);

    let error = serde_json::from_str::<Node>(r#"{"id":4,"script_id":1,"start_position":-2}"#);
    assert!(error.unwrap_err().to_string().contains("node 4: start_position -2"));
}

#[test]
fn the_original_is_a_field_only_where_it_is_known() {
    let mut node = Node::new(NodeId(7), "a");
    assert!(!serde_json::to_string(&node).unwrap().contains("original"));
    let mut original = Original::new("src/a.ts");
    original.line_number = NonZeroU32::new(3);
    node.original = Some(original.clone().into());
    let json = serde_json::to_value(&node).unwrap();
    let expected = serde_json::json!(
        {"source": "src/a.ts", "name": "", "line_number": 3, "column_number": 0}
    );
    assert_eq!(json["original"], expected);
    assert_eq!(serde_json::from_value::<Node>(json).unwrap(), node);
    original.name = Some("area".into());
    original.column_number = NonZeroU32::new(9);
    node.original = Some(original.into());
    let json = serde_json::to_string(&node).unwrap();
    assert_eq!(serde_json::from_str::<Node>(&json).unwrap(), node);
    let null = r#"{"id":7,"name":"a","original":null}"#;
    assert_eq!(serde_json::from_str::<Node>(null).unwrap().original, None);
}

#[test]
fn functions_come_back_from_json() {
    let mut function = Function::named("a");
    for script_id in [None, ScriptId::new(7)] {
        function.script_id = script_id;
        let json = serde_json::to_string(&function).unwrap();
        assert_eq!(serde_json::from_str::<Function>(&json).unwrap(), function, "{json}");
        (function.line_number, function.start_position) = (NonZeroU32::new(3), Some(0));
        function.original = Some(Original::new("a.ts").into());
        let json = serde_json::to_string(&function).unwrap();
        assert_eq!(serde_json::from_str::<Function>(&json).unwrap(), function, "{json}");
    }
    let error = serde_json::from_str::<Function>(r#"{"start_position":-2}"#).unwrap_err();
    assert!(error.to_string().contains("start_position -2 is neither -1 nor"), "{error}");
    assert_eq!(serde_json::from_str::<Function>("{}").unwrap(), Function::default());
    assert_eq!(serde_json::from_str::<Name>("\"\\u0061\"").unwrap(), "a");
}

#[test]
fn long_lists_of_ids_are_cut() {
    let shown =
        |most: u32| ProfileError::Cycle { ids: (1..=most).map(NodeId).collect() }.to_string();
    assert_eq!(shown(2), "nodes 1, 2 form a cycle");
    assert_eq!(shown(20), "nodes 1, 2, 3, 4, 5, 6, 7, 8 and 12 more form a cycle");
}

#[test]
fn nothing_moves_the_cursor() {
    assert_eq!(plain_text("größe 😀"), "größe 😀");
    assert_eq!(plain_text("a\u{1b}[31m\nb\u{9b}c\u{202e}d"), "a [31m b c d");
    assert_eq!(plain_text("a\u{2028}b\u{2029}c\u{2066}d\u{61c}e\u{200f}f"), "a b c d e f");
}
