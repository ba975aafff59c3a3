//! A heap test: what a script allocates and retains, held against a budget.
//!
//! Prints what was measured, and the message with which the test would fail: the script's cache
//! keeps every page that was ever rendered.

use v8_heap_sampler::budget::{Budget, MeasureOptions};
use v8_heap_sampler::v8_flags;

const SCRIPT: &str = "
    const cache = new Map();
    let requests = 0;
    function renderRow(row) { return { cells: [row.id, row.name], even: row.id % 2 === 0 }; }
    function remember(key, page) { cache.set(key, page); return page; }
    function render() {
        const rows = Array.from({ length: 100 }, (_, id) => ({ id, name: 'row ' + id }));
        return remember(requests++, rows.map(renderRow));
    }
    render";

/// Runs the script, and returns its context and its function `render`.
fn load(isolate: &mut v8::Isolate) -> (v8::Global<v8::Context>, v8::Global<v8::Function>) {
    v8::scope!(let scope, isolate);
    let context = v8::Context::new(scope, Default::default());
    let scope = &mut v8::ContextScope::new(scope, context);
    let [name, source] = ["server.js", SCRIPT].map(|text| v8::String::new(scope, text).unwrap());
    let name = name.into();
    let origin =
        v8::ScriptOrigin::new(scope, name, 0, 0, false, 0, None, false, false, false, None);
    let render = v8::Script::compile(scope, source, Some(&origin)).unwrap().run(scope).unwrap();
    let render = v8::Local::<v8::Function>::try_from(render).unwrap();
    (v8::Global::new(scope, context), v8::Global::new(scope, render))
}

fn main() -> Result<(), v8_heap_sampler::Error> {
    // In a test binary of its own: flags are the process's, and must be set before V8 starts.
    v8_flags::set(v8_flags::STABLE)?;
    v8::V8::initialize_platform(v8::new_default_platform(0, false).make_shared());
    v8::V8::initialize();
    let mut isolate = v8::Isolate::new(Default::default());
    let (context, render) = load(&mut isolate);

    let options = MeasureOptions::exact().warm_up(20);
    let (_, measurement) = options.measure(&mut isolate, |isolate| {
        v8::scope!(let scope, isolate);
        let context = v8::Local::new(scope, &context);
        let scope = &mut v8::ContextScope::new(scope, context);
        let (render, this) = (v8::Local::new(scope, &render), v8::undefined(scope).into());
        for _request in 0..10 {
            render.call(scope, this, &[]).expect("the script does not throw");
        }
    })?;
    println!("{measurement}\n");

    let budgets = [
        Budget::all().allocated_bytes(500_000).retained_bytes(10_000),
        Budget::total("render").retained_objects(0),
        Budget::own("renderRow").allocated_objects(3 * 1000),
    ];
    // In a test: `measurement.assert(budgets)`, which panics with this message.
    match measurement.check(budgets) {
        Ok(()) => println!("within budget"),
        Err(over) => println!("{over}"),
    }
    Ok(())
}
