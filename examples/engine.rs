//! An engine that owns its isolate, and is told from outside when to sample:
//! `cargo run --example engine`. Start and stop are two calls, with others in between.

use std::error::Error;

use v8_heap_sampler::{Profile, SampleType, SamplerOptions, SamplingSession, v8_flags};

const RULES: &str = "
    const log = [];
    function remember(order) { log.push({ ...order, seen: new Array(20).fill(order.id) }); }
    (function rule(id) { const order = { id, total: id * 3 }; remember(order); return order.total; })";

/// A rule engine.
struct Engine {
    isolate: v8::OwnedIsolate,
    context: v8::Global<v8::Context>,
    rule: v8::Global<v8::Function>,
    session: Option<SamplingSession>,
}

impl Engine {
    fn new() -> Result<Self, Box<dyn Error>> {
        let mut isolate = v8::Isolate::new(Default::default());
        let (context, rule) = {
            v8::scope!(let scope, &mut isolate);
            let context = v8::Context::new(scope, Default::default());
            let scope = &mut v8::ContextScope::new(scope, context);
            let [name, code] =
                ["rules.js", RULES].map(|text| v8::String::new(scope, text).unwrap());
            let name = name.into();
            let origin =
                v8::ScriptOrigin::new(scope, name, 0, 0, false, 0, None, false, false, false, None);
            let script = v8::Script::compile(scope, code, Some(&origin)).unwrap();
            let rule = v8::Local::<v8::Function>::try_from(script.run(scope).unwrap())?;
            (v8::Global::new(scope, context), v8::Global::new(scope, rule))
        };
        Ok(Self { isolate, context, rule, session: None })
    }

    /// Applies the rule: it needs the whole engine, sampled or not.
    fn apply(&mut self, id: u32) -> f64 {
        v8::scope!(let scope, &mut self.isolate);
        let context = v8::Local::new(scope, &self.context);
        let scope = &mut v8::ContextScope::new(scope, context);
        let (rule, this) = (v8::Local::new(scope, &self.rule), v8::undefined(scope).into());
        let id = v8::Integer::new_from_unsigned(scope, id).into();
        rule.call(scope, this, &[id]).unwrap().number_value(scope).unwrap()
    }

    fn start(&mut self) -> Result<(), v8_heap_sampler::Error> {
        let options = SamplerOptions::new().interval_bytes(4096);
        self.session = Some(SamplingSession::start(&mut self.isolate, options)?);
        Ok(())
    }

    /// `None` if it was not started.
    fn stop(&mut self) -> Option<Result<Profile, v8_heap_sampler::Error>> {
        Some(self.session.take()?.finish(&mut self.isolate))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    v8_flags::set(v8_flags::NO_ALLOCATION_FOLDING)?; // so that what is alive is right
    v8::V8::initialize_platform(v8::new_default_platform(0, false).make_shared());
    v8::V8::initialize();
    let mut engine = Engine::new()?;
    let mut profile = None;
    for order in 0..30_000 {
        match order {
            10_000 => engine.start()?,
            20_000 => profile = engine.stop(),
            _ => {}
        }
        assert_eq!(engine.apply(order), f64::from(order * 3));
    }
    let profile = profile.expect("it was started")?;
    println!("{}", profile.top(SampleType::InuseSpace)?);
    Ok(())
}
