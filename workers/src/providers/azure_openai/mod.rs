//! OpenAI's models at Azure (learn.microsoft.com/azure/ai-services/openai/reference, read 2026-11).
//!
//! Without `api_version` the v1 paths are used, whose bodies name the deployment as the model; with one, the dated
//! paths, which name it themselves.

use proto::catalogue::Profile;
use proto::config::ProviderKind;
use proto::dialect::Dialect;

use super::{Adapter, Auth, Place, compatible, openai, segment};

pub(crate) const ADAPTER: Adapter = Adapter {
    kind: ProviderKind::AzureOpenai,
    base_url: |_| None,
    versions: &["/v1", "/openai"],
    built_in: false,
    auth: Auth::HeaderOrEntra("api-key"),
    dialect: |caller, profile: &Profile| openai::dialect(caller, profile),
    path,
    classify: compatible::classify,
};

fn path(place: &Place<'_>) -> String {
    let Some(version) = &place.provider.api_version else {
        return format!("/openai/v1{}", compatible::path(place));
    };
    let version = segment(version);
    match place.dialect {
        Dialect::OpenaiResponses => format!("/openai/responses?api-version={version}"),
        _ => {
            let deployment = segment(place.model);
            format!("/openai/deployments/{deployment}{}?api-version={version}", compatible::path(place))
        }
    }
}
