//! Gemini's `generateContent`: a dialect of providers alone.
