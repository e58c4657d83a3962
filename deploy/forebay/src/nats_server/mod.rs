//! The `nats-server` child of `forebay up`: found or fetched, configured for one machine, started, watched and
//! stopped. Separate roles have nothing of this: they are given `NATS_URL`.

mod child;
mod fetch;
mod find;
mod process;
mod record;
mod settings;
mod version;

pub(crate) use child::{NatsServer, abandon};
pub(crate) use find::find;
pub(crate) use process::Identity;
