#![no_main]

// A script, a zero and its map: as it is if it is JSON, else as mappings.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (text, map) = match data.iter().position(|&byte| byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[][..]),
    };
    v8_heap_sampler_fuzz::map(&String::from_utf8_lossy(text), map);
});
