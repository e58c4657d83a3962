//! Answers and streams of Messages, translated for every caller.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::decode(proto::dialect::Dialect::AnthropicMessages, data));
