//! Responses.

pub(crate) mod answer;
pub(crate) mod check;
mod items;
mod store;
pub(crate) mod stream;
#[cfg(test)]
mod tests;
mod tools;

pub(crate) use store::Stored;
