//! The control plane over real sockets.

mod doors;
