//! OpenAI Embeddings, and what other providers make of them.
