#![no_main]

// Damaged and cut gzip: the decompressor's errors must come through as such.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let compressed = [b"\x1f\x8b", data].concat();
    if let Some(profile) = v8_heap_sampler_fuzz::read(&compressed) {
        v8_heap_sampler_fuzz::check(&profile);
    }
});
