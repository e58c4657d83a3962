//! Chat Completions.

pub(crate) mod answer;
pub(crate) mod check;
mod messages;
pub(crate) mod stream;
#[cfg(test)]
mod tests;
mod tools;

pub(crate) use messages::{check_file, check_image};
pub(crate) use tools::function_schema as check_function_schema;
