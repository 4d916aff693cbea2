#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scribed_fuzz::targets::topology(bytes));
