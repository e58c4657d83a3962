//! OpenAI itself (platform.openai.com/docs/api-reference, errors page read 2026-11).

use proto::config::ProviderKind;
use proto::dialect::Dialect;

use super::{Adapter, compatible};

pub(crate) const ADAPTER: Adapter = Adapter {
    kind: ProviderKind::Openai,
    dialect: Dialect::OpenaiChat,
    base_url: Some("https://api.openai.com/v1"),
    path: "/chat/completions",
    built_in: false,
    classify: compatible::classify,
};
