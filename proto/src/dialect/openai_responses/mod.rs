//! OpenAI Responses: the dialect of callers and of providers.
