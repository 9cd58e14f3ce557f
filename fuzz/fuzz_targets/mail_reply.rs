#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| alert_relay::fuzz::mail_reply(bytes));
