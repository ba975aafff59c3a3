#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some(profile) = v8_heap_sampler_fuzz::read(data) {
        v8_heap_sampler_fuzz::check(&profile);
    }
});
