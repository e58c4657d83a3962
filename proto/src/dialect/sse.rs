//! Server-sent events: a byte stream split into raw events, and the data they carry.
