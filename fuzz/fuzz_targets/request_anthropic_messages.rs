//! Requests of Messages, for every provider.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::request(proto::dialect::Dialect::AnthropicMessages, data));
