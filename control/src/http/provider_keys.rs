//! Tenants' own provider keys, the same for developers and end users: taken in, sealed, shown masked for ever after,
//! switched off.

use http::StatusCode;
use proto::audit::Actor;
use proto::clock::now_ms;
use proto::config::ProviderKind;
use proto::credential::Owner;
use proto::guard::check_url;
use proto::secret::Secret;
use proto::subject::CREDENTIALS_BUCKET;
use proto::switch::SwitchKind;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::admin::shape::{checked, id_of, new_id, time};
use super::commit::{Switching, WantedStatus};
use super::context::Context;
use super::page::{Page, Paging};
use super::{App, Problem};
use crate::audit::Act;
use crate::credentials::{NewCredential, check_shape, seal};
use crate::store::credentials::{self, CredentialFilter, CredentialRow};
use crate::store::switches::{self, By, Status};
use crate::store::{self, NewRow};

const MODELS_MAX: usize = 200;
const KEYS_MAX: i64 = 50;
const OPENROUTER: &str = "https://openrouter.ai/api/v1";

/// A provider key to be kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProviderKey {
    /// `openai`, `openrouter`, `anthropic`, `gemini`, `google`, `azure_openai` or `openai_compatible`.
    #[schema(min_length = 1, max_length = 64)]
    pub(crate) provider: String,
    /// The key. It is sealed and never shown again.
    #[schema(min_length = 8, max_length = 4096)]
    pub(crate) api_key: String,
    /// Where the provider is; of `azure_openai` and `openai_compatible` it must be said.
    pub(crate) base_url: Option<String>,
    /// The only models it may be used for; all where empty.
    #[serde(default)]
    pub(crate) models_allowed: Vec<String>,
    /// Lower goes first.
    #[schema(minimum = 1, maximum = 1000)]
    pub(crate) priority: Option<u32>,
    /// Its share among those of the same priority.
    #[schema(minimum = 1, maximum = 1000)]
    pub(crate) weight: Option<u32>,
    /// Not kept yet: a key with a budget is refused.
    pub(crate) budget_limit_usd: Option<String>,
    /// Whether the platform may step in when a call with it fails.
    #[serde(default)]
    pub(crate) fallback_to_platform: bool,
}

/// A provider key, masked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderKeyView {
    id: String,
    provider: String,
    base_url: Option<String>,
    masked_secret: String,
    models_allowed: Vec<String>,
    priority: u32,
    weight: u32,
    fallback_to_platform: bool,
    status: Status,
    created_at: String,
    last_validated_at: Option<String>,
    last_used_at: Option<String>,
}

/// On whose behalf.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) owner: Owner,
    pub(crate) actor: Actor,
    /// The developer that it concerns.
    pub(crate) developer: Option<String>,
    /// As whom they switch.
    pub(crate) by: By,
}

impl ProviderKeyView {
    fn of(row: CredentialRow, status: Status) -> Self {
        let record = row.record;
        Self {
            id: record.id,
            provider: record.provider,
            base_url: record.base_url,
            masked_secret: row.masked,
            models_allowed: record.models_allowed,
            priority: record.priority,
            weight: record.weight,
            fallback_to_platform: record.fallback_to_platform,
            status,
            created_at: time(record.created_ms),
            last_validated_at: row.last_validated_ms.map(time),
            last_used_at: row.last_used_ms.map(time),
        }
    }
}

/// Takes a key in.
pub(crate) async fn add(
    app: &App,
    context: &Context,
    keeper: Keeper,
    body: NewProviderKey,
) -> Result<ProviderKeyView, Problem> {
    let (kind, base_url) = place(&body)?;
    fits(&body, kind)?;
    let filter = filter_of(&keeper.owner);
    if credentials::page(&app.db, "", &filter, KEYS_MAX).await?.len()
        >= usize::try_from(KEYS_MAX).unwrap_or(0)
    {
        return Err(Problem::conflict(format!("At most {KEYS_MAX} provider keys are kept for one owner.")));
    }
    let row = seal(
        &app.secrets,
        NewCredential {
            id: new_id("cred"),
            owner: keeper.owner,
            provider: body.provider,
            kind,
            base_url,
            secret: Secret::new(body.api_key),
            models_allowed: body.models_allowed,
            priority: body.priority.unwrap_or(100),
            weight: body.weight.unwrap_or(1),
            budget_limit: None,
            fallback_to_platform: body.fallback_to_platform,
            created_by: keeper.actor.name.clone(),
            rotated_from: None,
            created_ms: now_ms(),
        },
    )?;
    let shown = json!({ "provider": row.record.provider, "base_url": row.record.base_url, "masked": row.masked,
        "owner": row.record.owner });
    let act = Act::new(keeper.actor, "provider_key.create").on(&row.record.id).of_developer(keeper.developer);
    let act = act.asked_by(Some(context.id.clone())).changed(None, Some(shown));
    let mut tx = store::begin(&app.db).await?;
    credentials::insert(&mut tx, &row).await?;
    let rows = [NewRow::put(CREDENTIALS_BUCKET, &row.record.id, &row.record)?];
    app.commit(tx, &rows, act).await?;
    Ok(ProviderKeyView::of(row, Status::Active))
}

/// A page of an owner's keys.
pub(crate) async fn list(
    app: &App,
    owner: &Owner,
    paging: &Paging,
) -> Result<Page<ProviderKeyView>, Problem> {
    let rows = credentials::page(&app.db, &paging.after, &filter_of(owner), paging.one_more()).await?;
    let off = switches::of_kind(&app.db, SwitchKind::Credential).await?;
    let page = paging.page(rows, |row| row.record.id.clone());
    Ok(page.map(|row| {
        let status = Status::of(off.iter().find(|off| off.id == row.record.id));
        ProviderKeyView::of(row, status)
    }))
}

/// The key of that id, if it is one of these owners'.
pub(crate) async fn of_owner(
    app: &App,
    id: String,
    is_owner: impl Fn(&Owner) -> bool,
) -> Result<CredentialRow, Problem> {
    let unknown = || Problem::not_found("provider key");
    let found = credentials::get(&app.db, &id_of(id, "provider key")?).await?;
    found.filter(|row| is_owner(&row.record.owner)).ok_or_else(unknown)
}

/// Switches a key off.
pub(crate) async fn disable(
    app: &App,
    context: &Context,
    keeper: Keeper,
    row: CredentialRow,
) -> Result<ProviderKeyView, Problem> {
    let Keeper { owner: _, actor, developer, by } = keeper;
    let switching = Switching { kind: SwitchKind::Credential, id: &row.record.id, by, actor, developer };
    app.switch(context, switching, WantedStatus::Disabled).await?;
    let off = switches::get(&app.db, SwitchKind::Credential, &row.record.id).await?;
    Ok(ProviderKeyView::of(row, Status::of(off.as_ref())))
}

fn filter_of(owner: &Owner) -> CredentialFilter {
    CredentialFilter {
        owner_scope: owner.scope().to_owned(),
        owner: owner.id().to_owned(),
        ..CredentialFilter::default()
    }
}

/// What the provider speaks and where it is. There is no provider to go to by default.
fn place(body: &NewProviderKey) -> Result<(ProviderKind, Option<String>), Problem> {
    let (kind, usual, must) = match body.provider.as_str() {
        "openai" => (ProviderKind::Openai, None, false),
        "openrouter" => (ProviderKind::OpenaiCompatible, Some(OPENROUTER), false),
        "anthropic" => (ProviderKind::Anthropic, None, false),
        "gemini" | "google" => (ProviderKind::Gemini, None, false),
        "azure_openai" => (ProviderKind::AzureOpenai, None, true),
        "openai_compatible" => (ProviderKind::OpenaiCompatible, None, true),
        _ => return Err(refused("provider", "`provider` names one that there is not.")),
    };
    let Some(url) = &body.base_url else {
        if must {
            return Err(Problem::field("base_url", "`base_url` must say where this provider is."));
        }
        return Ok((kind, usual.map(str::to_owned)));
    };
    checked("base_url", url, 1..=2048)?;
    // A private address is refused here as it is at every call.
    check_url(url, false).map_err(|error| {
        Problem::field("base_url", format!("`base_url` cannot be used: {error}."))
            .with_code("no_available_route")
    })?;
    Ok((kind, Some(url.trim_end_matches('/').to_owned())))
}

fn fits(body: &NewProviderKey, kind: ProviderKind) -> Result<(), Problem> {
    check_shape(kind, &body.api_key)
        .map_err(|why| refused("api_key", format!("`api_key` cannot be used: {why}.")))?;
    if body.provider == "openrouter" && !body.api_key.starts_with("sk-") {
        return Err(refused("api_key", "`api_key` cannot be used: secrets of openrouter begin with sk-."));
    }
    if body.models_allowed.len() > MODELS_MAX {
        return Err(Problem::field(
            "models_allowed",
            format!("`models_allowed` holds more than {MODELS_MAX}."),
        ));
    }
    body.models_allowed.iter().try_for_each(|model| checked("models_allowed", model, 1..=256))?;
    for (field, number) in [("priority", body.priority), ("weight", body.weight)] {
        if number.is_some_and(|number| !(1..=1000).contains(&number)) {
            return Err(Problem::field(field, format!("`{field}` must be 1 to 1000.")));
        }
    }
    if body.budget_limit_usd.is_some() {
        let message = "Budgets of provider keys are not kept yet; leave `budget_limit_usd` out.";
        return Err(Problem::field("budget_limit_usd", message));
    }
    Ok(())
}

fn refused(field: &'static str, message: impl Into<String>) -> Problem {
    Problem { status: StatusCode::BAD_REQUEST, ..Problem::field(field, message) }
        .with_code("secret_validation_failed")
}
