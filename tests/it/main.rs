//! The one integration test binary: each module is a part of what Forebay promises, tried on real parts.

mod apart;
mod big;
mod canary;
mod chat;
mod client_gone;
mod clients;
mod commands;
mod compatibility;
mod config_errors;
mod crash;
mod endpoints;
mod errors;
mod harness;
mod ids;
mod nats_down;
mod overload;
mod ready;
mod retries;
mod streaming;
mod tidy;
mod up_alone;
mod up_restart;
mod usage;
