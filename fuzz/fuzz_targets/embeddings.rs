//! Requests for embeddings, and answers to them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::embeddings(data));
