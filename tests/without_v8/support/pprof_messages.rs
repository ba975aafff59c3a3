//! Messages of `profile.proto`, as the tests write them.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Profile {
    #[prost(message, repeated, tag = "1")]
    pub(crate) sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    pub(crate) string_table: Vec<String>,
    #[prost(message, optional, tag = "11")]
    pub(crate) period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    pub(crate) period: i64,
    #[prost(int64, repeated, tag = "13")]
    pub(crate) comment: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ValueType {
    #[prost(int64, tag = "1")]
    pub(crate) kind: i64,
    #[prost(int64, tag = "2")]
    pub(crate) unit: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    pub(crate) location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    pub(crate) value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) label: Vec<ValueType>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Location {
    #[prost(uint64, tag = "1")]
    pub(crate) id: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) mapping_id: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) address: u64,
    #[prost(message, repeated, tag = "4")]
    pub(crate) line: Vec<Line>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Line {
    #[prost(uint64, tag = "1")]
    pub(crate) function_id: u64,
    #[prost(int64, tag = "2")]
    pub(crate) line: i64,
    #[prost(int64, tag = "3")]
    pub(crate) column: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Function {
    #[prost(uint64, tag = "1")]
    pub(crate) id: u64,
    #[prost(int64, tag = "2")]
    pub(crate) name: i64,
    #[prost(int64, tag = "3")]
    pub(crate) system_name: i64,
    #[prost(int64, tag = "4")]
    pub(crate) filename: i64,
    #[prost(int64, tag = "5")]
    pub(crate) start_line: i64,
}

/// Bytes and objects, in use and allocated, of `main` calling `grow`.
///
/// Each sample is of a stack, by the ids of locations: 1 is `grow`, 2 is `main`.
pub(crate) fn of_samples(samples: &[(&[u64], [i64; 4])]) -> Profile {
    let strings = [
        "",
        "alloc_objects",
        "count",
        "alloc_space",
        "bytes",
        "inuse_objects",
        "inuse_space",
        "space",
        "grow",
        "main",
        "/a.js",
    ];
    let types = [(1, 2), (3, 4), (5, 2), (6, 4)];
    let location = |id, line| {
        let line = vec![Line { function_id: id, line, column: 0 }];
        Location { id, mapping_id: 0, address: 0, line }
    };
    let function =
        |id, name, start_line| Function { id, name, system_name: name, filename: 10, start_line };
    Profile {
        sample_type: types.map(|(kind, unit)| ValueType { kind, unit }).into(),
        sample: samples
            .iter()
            .map(|&(stack, values)| Sample {
                location_id: stack.into(),
                value: values.into(),
                label: vec![],
            })
            .collect(),
        location: vec![location(1, 5), location(2, 9)],
        function: vec![function(1, 8, 5), function(2, 9, 1)],
        string_table: strings.map(str::to_owned).into(),
        period_type: Some(ValueType { kind: 7, unit: 4 }),
        period: 524_288,
        comment: vec![],
    }
}
