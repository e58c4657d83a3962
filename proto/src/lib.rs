//! The language every part of Forebay speaks.
//!
//! A request's way through it: [`dialect`] reads the caller's body, [`envelope`] and [`seal`] carry it on
//! [`subject::REQUESTS_STREAM`], [`reply`] brings frames back, [`event`] tells the books what happened, and
//! [`ctl`] holds the small questions in between (claims, cancels, load). No SQL, no provider, no HTTP here;
//! the only I/O is declaring streams and talking to NATS in [`nats`].
//!
//! | module | owns |
//! |---|---|
//! | [`id`] | request, attempt, token and process ids |
//! | [`money`] | nano-USD, rates, the only rounding function |
//! | [`usage`] | token counts and their reconciliation |
//! | [`subject`] | every stream, subject, bucket, durable and header name |
//! | [`envelope`] | what travels beside a request's sealed body |
//! | [`seal`] | payload encryption and its key ring |
//! | [`reply`] | numbered reply frames |
//! | [`event`] | what the ledger reads |
//! | [`ctl`] | claims, cancels, presence, queries |
//! | [`fault`] | the only error that crosses the wire |
//! | [`config`] | the configuration document every process runs with |
//! | [`secret`] | secrets that cannot be printed, keys derived from the master secret |
//! | [`dialect`] | wire formats of callers and providers |
//! | [`canonical`] | the one form every dialect becomes between two that differ |
//! | [`catalogue`] | what models can do |
//! | [`redact`] | secrets cut out of texts that others wrote |
//! | [`nats`] | connecting, publishing with an acknowledgement, declaring streams |
//! | [`stored`] | responses kept between requests |
//! | [`clock`] | the one place that reads the wall clock |

pub mod canonical;
pub mod catalogue;
pub mod clock;
pub mod config;
pub mod ctl;
pub mod dialect;
pub mod envelope;
pub mod event;
pub mod fault;
mod flat;
pub mod id;
pub mod money;
pub mod nats;
mod random;
pub mod redact;
pub mod reply;
pub mod seal;
pub mod secret;
pub mod stored;
pub mod subject;
pub mod usage;
