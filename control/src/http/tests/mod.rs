//! The control plane over real sockets, on both engines.

mod admin;
<<<<<<< ours
mod config;
=======
mod description;
>>>>>>> theirs
mod doors;
mod keys;
mod objects;
mod provider_keys;
mod sessions;
mod tenants;
