//! Values that are read are the values that are shown.

use v8_heap_sampler::analysis::{TopOptions, TreeOptions};
use v8_heap_sampler::{Bytes, SampleType, format};

/// Of values that are off by last digits if they are taken apart and put together again.
#[test]
fn sums_are_of_what_was_read() {
    let values: Vec<u64> =
        (0..60).map(|i| (i % 7 + 1) * 524_288 * (i + 3) / 2 + i * i * 977).collect();
    let callees: Vec<String> = (1..)
        .zip(&values)
        .map(|(id, value)| {
            format!(
                r#"{{"callFrame": {{"functionName": "f{id}", "scriptId": "1", "url": "a.js",
                "lineNumber": 1, "columnNumber": 1}}, "selfSize": {value}, "id": {id}}}"#
            )
        })
        .collect();
    let text = format!(
        r#"{{"head": {{"callFrame": {{"functionName": "(root)", "scriptId": "0", "url": "",
        "lineNumber": -1, "columnNumber": -1}}, "selfSize": 0, "id": 99, "children": [{}]}}}}"#,
        callees.join(", ")
    );
    let mut profile = format::read(text.as_bytes()).unwrap();
    profile.metadata.interval = Some(Bytes(524_288));
    let of = SampleType::InuseSpace;
    let whole = values.iter().sum::<u64>() as f64;
    assert_eq!(profile.estimate(of).unwrap().value(), whole);
    let top = profile.top(TopOptions::new(of)).unwrap();
    for row in &top.rows {
        let at: usize = row.function.as_ref().unwrap().name[1..].parse().unwrap();
        assert_eq!(row.own.value(), values[at - 1] as f64);
    }
    let tree = profile.top_down(TreeOptions::new(of)).unwrap();
    assert_eq!(tree.rows[0].total.value(), whole);
}
