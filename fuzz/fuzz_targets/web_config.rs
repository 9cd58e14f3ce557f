#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| http_serve::fuzz::web_config(bytes));
