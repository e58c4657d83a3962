//! The one integration test binary: each module is a part of what Forebay promises, tried on real parts.

mod harness;
