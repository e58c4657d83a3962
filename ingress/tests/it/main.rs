//! The ingress on a real nats-server, with a worker played by hand. The binary is `FOREBAY_NATS_SERVER`, else
//! `nats-server` of the path.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod background;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod responses;
