//! Anthropic Messages: the dialect of callers and of providers.
