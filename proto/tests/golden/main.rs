//! The golden corpus: every caller's requests to every kind of provider, and every provider's answers and streams back
//! to every caller, as files that are read by people and compared by machines.
//!
//! | file | owns |
//! |---|---|
//! | `cast` | who takes part: callers, providers and models, and what the callers ask |
//! | `shelf` | the files: cases, snapshots, and that no snapshot is left without its case |
//! | `show` | how bodies and streams are written down |
//! | `requests` | requests on their way there |
//! | `answers` | answers and streams on their way back |
//! | `alike` | that an answer and its stream say the same |
//! | `replay` | that thoughts and signatures go back to whoever made them |
//! | `usage` | the numbers a provider would bill, written by hand |
//! | `rounds` | requests there and back, and streams however they are cut |
//! | `counts` | how many cases each pair has |
//!
//! `FOREBAY_WRITE_FIXTURES=1 cargo test -p proto --test golden` writes the snapshots anew; what changed is then
//! reviewed line by line. The truth about usage is never written by a test.

#[cfg(test)]
mod alike;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod cast;
#[cfg(test)]
mod counts;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod rounds;
#[cfg(test)]
mod shelf;
#[cfg(test)]
mod show;
#[cfg(test)]
mod usage;
