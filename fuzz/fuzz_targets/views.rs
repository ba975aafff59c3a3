#![no_main]

// Every view on whatever any reader accepts: `cargo fuzz run views fuzz/corpus/*` starts from all seeds.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some(profile) = v8_heap_sampler_fuzz::read(data) {
        v8_heap_sampler_fuzz::answers(&profile);
    }
});
