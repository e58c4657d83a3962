//! The control plane's HTTP: one listener for operators' probes and for the admin, developer, session and user APIs.
//!
//! A request passes, from the outside in: its ids, clock and limits ([`context`]), the listener's cross-origin rule
//! ([`cors`]), the guard of its prefix ([`auth`]), and only then the route, its path, query and body ([`read`]).
//! Handlers answer with a value or a [`Problem`], which the outermost layer renders with the request's id.
//!
//! | module | owns |
//! |---|---|
//! | [`app`] | what handlers are given |
//! | [`router`] | every group of routes, the document, the layers |
//! | [`server`] | sockets, and what a connection may cost |
//! | [`auth`] | who calls, and what each prefix asks of them |
//! | [`problem`], [`read`], [`page`] | errors, strict input, lists |
//! | [`commit`] | how every act ends |
//! | [`openapi`] | what every route's description has in common |
//! | [`admin`] | `/admin/v1` |
//! | [`config`] | `/admin/v1/config` |
//! | [`developer`] | `/v1/developer`, `/v1/apps` |
//! | [`provider_keys`] | tenants' own provider keys |
//! | [`sessions`], [`user`] | `/v1/sessions`, `/v1/user` |

pub(crate) mod admin;
pub(crate) mod app;
pub(crate) mod auth;
pub(crate) mod commit;
pub(crate) mod config;
pub(crate) mod context;
mod cors;
pub(crate) mod developer;
pub(crate) mod openapi;
pub(crate) mod page;
pub(crate) mod problem;
pub(crate) mod provider_keys;
pub(crate) mod read;
mod router;
pub(crate) mod server;
pub(crate) mod sessions;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub(crate) mod user;

pub(crate) use self::app::App;
pub use self::app::Serve;
pub(crate) use self::problem::Problem;
pub(crate) use self::router::router;
