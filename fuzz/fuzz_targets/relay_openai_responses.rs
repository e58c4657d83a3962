//! Answers and streams of Responses, passed through.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::relay(proto::dialect::Dialect::OpenaiResponses, data));
