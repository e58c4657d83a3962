//! What end-to-end tests and chaos stand on: throw-away servers, the real `forebay` binary as processes, and a
//! client. Nothing here knows how Forebay works inside; it is told only what an operator would be told.
//!
//! | module | owns |
//! |---|---|
//! | [`binary`] | where the binaries under test are |
//! | [`port`] | free ports |
//! | [`process`] | child processes: signals, logs, memory |
//! | [`nats`] | throw-away `nats-server`s, alone and in clusters |
//! | [`postgres`] | a throw-away PostgreSQL cluster |
//! | [`provider`] | the scripted provider in a thread of its own |
//! | [`setup`] | the configuration file that stacks run with |
//! | [`stack`] | Forebay itself: `up`, or its roles apart |
//! | [`client`] | HTTP and server-sent events |
//! | [`wait`] | waiting with a bound |
//! | [`chaos`] | load while processes die, and the account afterwards |
//! | [`background`] | background responses while everything dies, likewise |

pub mod background;
pub mod binary;
pub mod chaos;
pub mod client;
pub mod nats;
pub mod port;
pub mod postgres;
pub mod process;
pub mod provider;
pub mod setup;
pub mod stack;
pub mod wait;
