#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gpu_node_exporter::fuzz::dbus(bytes));
