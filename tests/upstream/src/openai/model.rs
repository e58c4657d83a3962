//! What OpenAI's models refuse, by their names.

use crate::fake::look::{Bad, Found, What};

/// Efforts of reasoning.
pub(crate) const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// A model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Profile<'a> {
    name: &'a str,
    /// `gpt-5.4…` is 5.4; 0 for anything else.
    version: f32,
    /// One of the o-series.
    o_series: bool,
}

impl<'a> Profile<'a> {
    /// The model of that name.
    pub(crate) fn of(name: &'a str) -> Self {
        let number = name.strip_prefix("gpt-").map(|rest| rest.split('-').next().unwrap_or_default());
        let digits = number.map(|n| n.trim_end_matches(|c: char| !c.is_ascii_digit()));
        let version = digits.and_then(|n| n.parse().ok()).unwrap_or(0.0);
        let o_series = ["o1", "o3", "o4"].iter().any(|prefix| name.starts_with(prefix));
        Self { name, version, o_series }
    }

    /// Whether OpenAI itself makes it: others take fields that OpenAI does not know.
    pub(crate) fn is_openai(&self) -> bool {
        self.o_series || self.name.starts_with("gpt-") || self.name.starts_with("text-embedding-")
    }

    /// Whether it reasons.
    pub(crate) fn reasons(&self) -> bool {
        self.o_series || self.version >= 5.0
    }

    fn unsupported(&self, param: &str, hint: &str) -> Bad {
        let text = format!("Unsupported parameter: '{param}' is not supported with this model.{hint}");
        Bad::new(What::Unsupported, param, text)
    }

    /// Checks an effort; `param` is where it stands.
    pub(crate) fn check_effort(&self, param: &str, effort: Option<&str>) -> Found<()> {
        let Some(effort) = effort.filter(|_| self.is_openai()) else { return Ok(()) };
        if !self.reasons() {
            return Err(self.unsupported(param, ""));
        }
        let fits = match effort {
            "none" => {
                self.version >= 5.1
                    && !["gpt-6-astra", "gpt-6.1-sol"].iter().any(|n| self.name.starts_with(n))
            }
            "minimal" => self.version == 5.0,
            "xhigh" => self.version >= 5.4,
            "max" => self.version >= 5.6,
            _ => true,
        };
        if fits {
            return Ok(());
        }
        let text = format!(
            "Unsupported value: '{param}' does not support '{effort}' with the '{}' model.",
            self.name
        );
        Err(Bad::new(What::Coded("unsupported_value"), param, text))
    }

    /// Checks a sampling parameter that is not at its default.
    pub(crate) fn check_sampling(&self, param: &str, effort: Option<&str>) -> Found<()> {
        if !self.reasons() || effort == Some("none") {
            return Ok(());
        }
        let text = format!(
            "Unsupported value: '{param}' does not support the given value with this model. Only the default (1) value is supported."
        );
        Err(Bad::new(What::Coded("unsupported_value"), param, text))
    }

    /// Checks `max_tokens`, which models that reason do not take.
    pub(crate) fn check_max_tokens(&self) -> Found<()> {
        if self.reasons() {
            return Err(self.unsupported("max_tokens", " Use 'max_completion_tokens' instead."));
        }
        Ok(())
    }

    /// Checks `stop`, which the o-series does not take.
    pub(crate) fn check_stop(&self) -> Found<()> {
        if self.o_series { Err(self.unsupported("stop", "")) } else { Ok(()) }
    }

    /// Function tools with reasoning are for Responses only, from GPT-5.4 on.
    pub(crate) fn check_chat_tools(&self, effort: Option<&str>) -> Found<()> {
        let refused = match effort {
            Some("none") => false,
            Some(_) => self.version >= 5.4,
            None => self.version >= 5.6,
        };
        if !refused {
            return Ok(());
        }
        let text = format!(
            "Function tools with reasoning_effort are not supported for {} in /v1/chat/completions. Please use /v1/responses instead.",
            self.name
        );
        Err(Bad::value("reasoning_effort", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_refused() {
        assert!(Profile::of("gpt-4o").check_effort("reasoning_effort", Some("low")).is_err());
        assert!(
            !Profile::of("gpt-4.1-mini").reasons() && Profile::of("gpt-4.1-mini").check_max_tokens().is_ok()
        );
        assert!(Profile::of("o4-mini").check_stop().is_err());
        assert!(Profile::of("gpt-5.4-mini").check_chat_tools(Some("low")).is_err());
        assert!(Profile::of("gpt-5.4-mini").check_chat_tools(None).is_ok());
        assert!(Profile::of("gpt-6-luna").check_chat_tools(None).is_err());
        assert!(Profile::of("gpt-6-luna").check_chat_tools(Some("none")).is_ok());
        assert!(Profile::of("gpt-6-astra").check_effort("e", Some("none")).is_err());
        assert!(Profile::of("gpt-6-luna").check_effort("e", Some("minimal")).is_err());
        assert!(!Profile::of("llama-4").is_openai());
    }
}
