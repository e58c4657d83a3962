//! Answers and streams of Messages, passed through.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::relay(proto::dialect::Dialect::AnthropicMessages, data));
