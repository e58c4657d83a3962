//! Bedrock's Converse: a dialect of providers alone.
