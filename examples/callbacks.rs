//! A program in JavaScript that samples itself: `cargo run --example callbacks`. One callback starts
//! sampling, another one stops it and returns the profile as JSON.

use std::error::Error;

use v8_heap_sampler::{KeepDead, SampleType, SamplerOptions, SamplingSession};

const PROGRAM: &str = "
    function parse(lines) { return lines.map((line) => line.split(',')); }
    function load() { return parse(Array.from({ length: 3000 }, (_, i) => i + ',a,b')); }
    startHeapProfile(1024);
    globalThis.rows = load();
    const { head } = JSON.parse(stopHeapProfile());
    const sizes = new Map();
    (function visit({ callFrame: { functionName }, selfSize, children }) {
        sizes.set(functionName, (sizes.get(functionName) ?? 0) + selfSize);
        children.forEach(visit);
    })(head);
    const functions = [...sizes].filter(([name, size]) => size && !name.startsWith('('));
    functions.map(([name, size]) => `${name}: ${(size / 1e3).toFixed(0)} kB`).join('\\n')";

/// `startHeapProfile(sampleInterval)`
fn start(
    scope: &mut v8::PinScope<'_, '_>,
    arguments: v8::FunctionCallbackArguments<'_>,
    _: v8::ReturnValue<'_>,
) {
    let interval = arguments.get(0).uint32_value(scope).unwrap_or_default();
    let options = SamplerOptions::new().keep_dead(KeepDead::Both).interval_bytes(interval.into());
    match SamplingSession::start(scope, options) {
        // For the other callback to find.
        Ok(session) => drop(scope.set_slot(session)),
        Err(error) => throw(scope, &error.to_string()),
    }
}

/// `stopHeapProfile()`
fn stop(
    scope: &mut v8::PinScope<'_, '_>,
    _: v8::FunctionCallbackArguments<'_>,
    mut result: v8::ReturnValue<'_>,
) {
    let Some(mut session) = scope.remove_slot::<SamplingSession>() else {
        return throw(scope, "no heap profile was started");
    };
    let mut json = Vec::new();
    match session.finish(scope) {
        Ok(profile) => profile.write_heapprofile(&mut json, SampleType::AllocSpace).unwrap(),
        Err(error) => return throw(scope, &error.to_string()),
    }
    let json = v8::String::new_from_utf8(scope, &json, v8::NewStringType::Normal);
    result.set(json.expect("it fits into a string").into());
}

fn throw(scope: &mut v8::PinScope<'_, '_>, message: &str) {
    let message = v8::String::new(scope, message).unwrap();
    let exception = v8::Exception::error(scope, message);
    scope.throw_exception(exception);
}

fn main() -> Result<(), Box<dyn Error>> {
    v8::V8::initialize_platform(v8::new_default_platform(0, false).make_shared());
    v8::V8::initialize();
    let isolate = &mut v8::Isolate::new(Default::default());
    v8::scope!(let scope, isolate);
    let context = v8::Context::new(scope, Default::default());
    let scope = &mut v8::ContextScope::new(scope, context);
    let start = v8::Function::new(scope, start).unwrap();
    let stop = v8::Function::new(scope, stop).unwrap();
    for (name, function) in [("startHeapProfile", start), ("stopHeapProfile", stop)] {
        let name = v8::String::new(scope, name).unwrap();
        context.global(scope).set(scope, name.into(), function.into());
    }
    let program = v8::String::new(scope, PROGRAM).unwrap();
    let script = v8::Script::compile(scope, program, None).ok_or("it cannot be compiled")?;
    let answer = script.run(scope).ok_or("it has thrown")?;
    println!("{}", answer.to_rust_string_lossy(scope));
    Ok(())
}
