//! Load while processes die, and the account afterwards.
