//! OpenAI itself (platform.openai.com/docs/api-reference, errors page read 2026-11).

use proto::catalogue::{Profile, ReasoningControl};
use proto::config::ProviderKind;
use proto::dialect::Dialect;

use super::{Adapter, Auth, compatible};

pub(crate) const ADAPTER: Adapter = Adapter {
    kind: ProviderKind::Openai,
    base_url: |_| Some("https://api.openai.com/v1".to_owned()),
    versions: &[],
    built_in: false,
    auth: Auth::Bearer,
    dialect,
    path: compatible::path,
    classify: compatible::classify,
};

/// OpenAI's own two dialects are passed through. Who speaks another is served by Responses where the model reasons:
/// only there thoughts come back, and tools and reasoning go together.
pub(super) fn dialect(caller: Dialect, profile: &Profile) -> Option<Dialect> {
    let reasons = matches!(profile.reasoning, ReasoningControl::Effort { .. });
    match caller {
        Dialect::OpenaiChat | Dialect::OpenaiResponses | Dialect::OpenaiEmbeddings => Some(caller),
        _ if reasons => Some(Dialect::OpenaiResponses),
        _ => Some(Dialect::OpenaiChat),
    }
}
