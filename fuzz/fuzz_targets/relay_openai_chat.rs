//! Answers and streams of Chat Completions, passed through.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::relay(proto::dialect::Dialect::OpenaiChat, data));
