//! A heap test: what a script allocates and retains, held against a budget.
//!
//! ```text
//! cargo run --example budget
//! ```
//!
//! Prints what was measured, and the message with which the test would fail: the script's cache
//! keeps every page that was ever rendered.

use std::process::ExitCode;

use v8_heap_sampler::budget::{Budget, FunctionBudget, MeasureOptions, STABLE_FLAGS};

const SCRIPT: &str = "
    const cache = new Map();
    let requests = 0;
    function renderRow(row) { return { cells: [row.id, row.name], even: row.id % 2 === 0 }; }
    function remember(key, page) { cache.set(key, page); return page; }
    function render() {
        const rows = Array.from({ length: 100 }, (_, id) => ({ id, name: 'row ' + id }));
        return remember(requests++, rows.map(renderRow));
    }";

fn main() -> ExitCode {
    // In a test binary of its own: flags are the process's, and must be set before V8 starts.
    fixtures::init_with_flags(STABLE_FLAGS);
    let (mut isolate, realm) = fixtures::realm();
    realm.run(&mut isolate, "server.js", SCRIPT);
    let render = realm.function(&mut isolate, "render");

    let options = MeasureOptions::exact().warm_up(20);
    let measured = options.measure(&mut isolate, |isolate| {
        for _request in 0..10 {
            realm.call(isolate, &render);
        }
    });
    let measurement = match measured {
        Ok(((), measurement)) => measurement,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{measurement}\n");

    let budget = Budget::new()
        .allocated_bytes(500_000)
        .retained_bytes(10_000)
        .function(FunctionBudget::total("render").retained_objects(0))
        .function(FunctionBudget::own("renderRow").allocated_objects(3 * 1000));
    // In a test: `measurement.assert(&budget)`, which panics with this message.
    match measurement.check(&budget) {
        Ok(()) => println!("within budget"),
        Err(over) => println!("{over}"),
    }
    ExitCode::SUCCESS
}
