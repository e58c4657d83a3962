//! Answers and streams of Converse, translated for every caller.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::decode(proto::dialect::Dialect::BedrockConverse, data));
