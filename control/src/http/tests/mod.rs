//! The control plane over real sockets, on both engines.

mod admin;
mod config;
mod description;
mod doors;
mod keys;
mod objects;
mod provider_keys;
mod sessions;
mod tenants;
