//! What Claude's models refuse, by their names: Anthropic's own and those at Bedrock.

use crate::fake::look::{Bad, Found, Obj, What};

/// A model: its family, and its version as `5-5` = 55; a version without a minor number is `5` = 50.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claude {
    family: String,
    version: u32,
}

/// Whether a request thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Thinking {
    /// The model thinks.
    pub on: bool,
    /// With a budget of the caller's.
    pub manual: bool,
    /// What is thought is shown.
    pub shown: bool,
}

impl Claude {
    /// The model of that name; `None` for what is no Claude.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let (_, rest) = name.split_once("claude-")?;
        let parts: Vec<&str> = rest.split(['-', '@']).collect();
        let families = ["opus", "sonnet", "haiku", "fable", "mythos"];
        let family = parts.iter().find(|part| families.contains(part))?;
        let number = |part: &&str| part.parse::<u32>().ok().filter(|n| part.len() <= 2 && *n < 100);
        let mut numbers = parts.iter().filter_map(number);
        let major = numbers.next()?;
        let minor = numbers.next().filter(|minor| *minor < 10).unwrap_or(0);
        Some(Self { family: (*family).to_owned(), version: major * 10 + minor })
    }

    fn is(&self, family: &str, version: u32) -> bool {
        self.family == family && self.version == version
    }

    fn story(&self) -> bool {
        self.family == "fable" || self.family == "mythos"
    }

    /// Whether thinking cannot be off, so that no tool can be forced.
    pub(crate) fn always_thinks(&self) -> bool {
        self.story() || self.is("opus", 55) || self.is("sonnet", 55)
    }

    /// Whether it thinks unless told not to.
    fn thinks_unasked(&self) -> bool {
        self.version >= 50
    }

    /// Whether it takes sampling parameters at all.
    pub(crate) fn samples(&self) -> bool {
        self.version < 47
    }

    /// Whether `temperature` and `top_p` exclude each other.
    pub(crate) fn one_sampler(&self) -> bool {
        self.version >= 45
    }

    /// Whether an assistant's text may stand last, to be gone on with.
    pub(crate) fn prefills(&self) -> bool {
        self.version < 46
    }

    /// Whether `system` may stand among the messages.
    pub(crate) fn takes_system_turns(&self) -> bool {
        self.is("opus", 48) || self.version >= 50
    }

    /// Whether answers can be bound to a schema.
    pub(crate) fn takes_schemas(&self) -> bool {
        self.version >= 45
    }

    /// Whether an effort can be asked for.
    pub(crate) fn takes_effort(&self) -> bool {
        self.is("opus", 45) || self.version >= 46
    }

    fn thinking_types(&self) -> &'static [&'static str] {
        if self.is("sonnet", 55) {
            return &["adaptive", "between_tools"];
        }
        if self.always_thinks() {
            return &["adaptive"];
        }
        match self.version {
            47.. => &["adaptive", "disabled"],
            46 => &["adaptive", "enabled", "disabled"],
            37..=45 => &["enabled", "disabled"],
            _ => &["disabled"],
        }
    }

    /// Checks `thinking` of a request with that many tokens to give and that effort.
    pub(crate) fn check_thinking(
        &self,
        given: Option<&Obj<'_>>,
        max_tokens: i64,
        effort: Option<&str>,
    ) -> Found<Thinking> {
        let usually_shown = self.version < 50;
        let Some(thinking) = given else {
            return Ok(Thinking { on: self.thinks_unasked(), manual: false, shown: usually_shown });
        };
        let kind = thinking.need_word("type", &["enabled", "disabled", "adaptive", "between_tools"])?;
        if !self.thinking_types().contains(&kind) {
            let text =
                format!("'{kind}' is not supported on this model. Supported: {:?}", self.thinking_types());
            return Err(Bad::value(thinking.at("type"), text));
        }
        let high = matches!(effort, Some("xhigh" | "max"));
        if high && (kind == "between_tools" || (kind == "disabled" && self.is("opus", 50))) {
            return Err(Bad::value(thinking.at("type"), format!("'{kind}' requires effort high or lower")));
        }
        match kind {
            "enabled" => {
                thinking.only(&["type", "budget_tokens", "display"])?;
                let budget = thinking.int("budget_tokens", 1024, i64::MAX)?;
                let budget = budget
                    .ok_or_else(|| Bad::new(What::Missing, thinking.at("budget_tokens"), "required"))?;
                if budget >= max_tokens {
                    let text = "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation.";
                    return Err(Bad::new(What::Unsupported, "max_tokens", text));
                }
            }
            "disabled" => thinking.only(&["type"])?,
            _ => thinking.only(&["type", "display", "block_binding"])?,
        }
        let shown = match thinking.word("display", &["summarized", "omitted", "updates"])? {
            Some(display) => display != "omitted",
            None => usually_shown,
        };
        Ok(Thinking { on: kind != "disabled", manual: kind == "enabled", shown })
    }

    /// A tool may be forced only where the model need not think.
    pub(crate) fn check_forced(&self, path: &str, thinking: Thinking) -> Found<()> {
        if thinking.manual {
            let text = "Thinking may not be enabled when tool_choice forces tool use.";
            return Err(Bad::new(What::Unsupported, path, text));
        }
        if self.always_thinks() {
            let text = "tool_choice: `any` and `tool` are not supported on this model because thinking cannot be disabled. Use `auto` or `none`.";
            return Err(Bad::new(What::Unsupported, path, text));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names() {
        let version = |name| Claude::of(name).map(|claude| claude.version);
        assert_eq!(version("claude-opus-5-5"), Some(55));
        assert_eq!(version("claude-sonnet-4-5-20250929"), Some(45));
        assert_eq!(version("claude-3-7-sonnet-20250219"), Some(37));
        assert_eq!(version("claude-opus-5"), Some(50));
        assert_eq!(version("us.anthropic.claude-haiku-4-5-20251001-v1:0"), Some(45));
        assert_eq!(Claude::of("gpt-6-luna"), None);
        assert!(Claude::of("claude-fable-5-1").unwrap().always_thinks());
        assert!(!Claude::of("claude-haiku-5-5").unwrap().always_thinks());
        assert!(Claude::of("claude-opus-4-8").unwrap().takes_system_turns());
        assert!(!Claude::of("claude-sonnet-4-6").unwrap().prefills());
    }
}
