//! `/admin/v1/credentials`: sealed secrets of providers. The platform's are made here; tenants make their own, and
//! operators see and switch all. No secret is ever readable again.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use proto::clock::now_ms;
use proto::config::{Provider, SecretRef};
use proto::credential::Owner;
use proto::money::NanoUsd;
use proto::secret::Secret;
use proto::subject::CREDENTIALS_BUCKET;
use proto::switch::SwitchKind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{act, checked, filter, id_of, new_id, time};
use crate::credentials::{NewCredential, check_shape, seal};
use crate::http::auth::Admin;
use crate::http::commit::{Edited, Switching, WantedStatus};
use crate::http::context::Context;
use crate::http::page::{Page, Paging};
use crate::http::read::{Body, Params, Segments};
use crate::http::{App, Problem};
use crate::store::credentials::{self, CredentialFilter, CredentialRow};
use crate::store::switches::{self, By, Status};
use crate::store::{self, NewRow};

const MODELS_MAX: usize = 200;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(retrieve, update, remove))
        .routes(routes!(rotate))
}

/// A credential of the platform, to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPlatformCredential {
    /// Name of the provider it opens.
    provider: String,
    /// The secret. It is sealed and never shown again.
    #[schema(min_length = 8, max_length = 4096)]
    api_key: String,
    /// The only models it may be used for; all where empty.
    #[serde(default)]
    models_allowed: Vec<String>,
    /// Lower goes first.
    #[serde(default = "usual_priority")]
    #[schema(minimum = 1, maximum = 1000)]
    priority: u32,
    /// Its share among those of the same priority.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 1000)]
    weight: u32,
}

fn usual_priority() -> u32 {
    100
}

fn one() -> u32 {
    1
}

/// What changes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CredentialChange {
    /// The only models it may be used for; all where empty.
    models_allowed: Option<Vec<String>>,
    /// Lower goes first.
    #[schema(minimum = 1, maximum = 1000)]
    priority: Option<u32>,
    /// Its share among those of the same priority.
    #[schema(minimum = 1, maximum = 1000)]
    weight: Option<u32>,
    /// Whether the platform may step in when a call with it fails; of tenants' credentials alone.
    fallback_to_platform: Option<bool>,
    /// Switches it within a second.
    status: Option<WantedStatus>,
}

/// The secret that takes the place of another.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CredentialRotation {
    /// The new secret.
    #[schema(min_length = 8, max_length = 4096)]
    api_key: String,
}

/// A credential, masked.
#[derive(Debug, Serialize, ToSchema)]
struct CredentialView {
    id: String,
    /// platform, developer or end_user.
    owner_scope: String,
    /// The project's name or the end user's id; empty for the platform.
    owner_id: String,
    provider: String,
    kind: String,
    base_url: Option<String>,
    masked_secret: String,
    models_allowed: Vec<String>,
    priority: u32,
    weight: u32,
    /// In decimal US dollars.
    budget_limit_usd: Option<String>,
    fallback_to_platform: bool,
    status: Status,
    /// Id of the key it is sealed to.
    sealed_with: String,
    created_by: String,
    rotated_from_id: Option<String>,
    created_at: String,
    last_validated_at: Option<String>,
    last_used_at: Option<String>,
}

/// Which credentials.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListFilter {
    /// How many, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// Of this scope only: platform, developer or end_user.
    owner_scope: Option<String>,
    /// Of this owner only.
    owner_id: Option<String>,
    /// Of this provider only.
    provider: Option<String>,
}

impl CredentialView {
    fn of(row: CredentialRow, status: Status) -> Self {
        let record = row.record;
        Self {
            owner_scope: record.owner.scope().to_owned(),
            owner_id: record.owner.id().to_owned(),
            id: record.id,
            provider: record.provider,
            kind: record.kind.as_str().to_owned(),
            base_url: record.base_url,
            masked_secret: row.masked,
            models_allowed: record.models_allowed,
            priority: record.priority,
            weight: record.weight,
            budget_limit_usd: row.budget_limit.map(|limit| NanoUsd(limit).to_string()),
            fallback_to_platform: record.fallback_to_platform,
            status,
            sealed_with: row.sealed_with,
            created_by: row.created_by,
            rotated_from_id: row.rotated_from,
            created_at: time(record.created_ms),
            last_validated_at: row.last_validated_ms.map(time),
            last_used_at: row.last_used_ms.map(time),
        }
    }

    async fn now(app: &App, row: CredentialRow) -> Result<Self, Problem> {
        let off = switches::get(&app.db, SwitchKind::Credential, &row.record.id).await?;
        Ok(Self::of(row, Status::of(off.as_ref())))
    }
}

/// Lists the credentials
#[utoipa::path(get, path = "/admin/v1/credentials", tag = "credentials", params(ListFilter),
    responses((status = 200, description = "The credentials", body = Page<CredentialView>)))]
async fn list(
    State(app): State<App>,
    _: Admin,
    Params(params): Params<ListFilter>,
) -> Result<Json<Page<CredentialView>>, Problem> {
    let paging = Paging::new(params.limit, params.cursor.as_deref())?;
    let wanted = CredentialFilter {
        owner_scope: filter("owner_scope", params.owner_scope)?,
        owner: filter("owner_id", params.owner_id)?,
        provider: filter("provider", params.provider)?,
    };
    let rows = credentials::page(&app.db, &paging.after, &wanted, paging.one_more()).await?;
    let off = switches::of_kind(&app.db, SwitchKind::Credential).await?;
    let page = paging.page(rows, |row| row.record.id.clone());
    Ok(Json(page.map(|row| {
        let status = Status::of(off.iter().find(|off| off.id == row.record.id));
        CredentialView::of(row, status)
    })))
}

/// Adds a credential of the platform
#[utoipa::path(post, path = "/admin/v1/credentials", tag = "credentials",
    responses((status = 201, description = "The credential, masked", body = CredentialView)))]
async fn create(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Body(body): Body<NewPlatformCredential>,
) -> Result<(StatusCode, Json<CredentialView>), Problem> {
    let provider = provider(&app, &body.provider).await?;
    check_models(&body.models_allowed)?;
    check_share("priority", body.priority)?;
    check_share("weight", body.weight)?;
    let row = sealed(
        &app,
        &provider,
        NewCredential {
            id: new_id("cred"),
            owner: Owner::Platform,
            provider: provider.name.clone(),
            kind: provider.kind,
            base_url: None,
            secret: Secret::new(body.api_key),
            models_allowed: body.models_allowed,
            priority: body.priority,
            weight: body.weight,
            budget_limit: None,
            fallback_to_platform: false,
            created_by: admin.name.clone(),
            rotated_from: None,
            created_ms: now_ms(),
        },
    )?;
    let act = act(&admin, &context, "credential.create", &row.record.id).changed(None, shown(&row));
    store_new(&app, &row, act).await?;
    Ok((StatusCode::CREATED, Json(CredentialView::of(row, Status::Active))))
}

/// Shows a credential
#[utoipa::path(get, path = "/admin/v1/credentials/{id}", tag = "credentials",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The credential, masked", body = CredentialView)))]
async fn retrieve(
    State(app): State<App>,
    _: Admin,
    Segments(id): Segments<String>,
) -> Result<Json<CredentialView>, Problem> {
    Ok(Json(CredentialView::now(&app, found(&app, id).await?).await?))
}

/// Changes a credential
#[utoipa::path(patch, path = "/admin/v1/credentials/{id}", tag = "credentials",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The credential, masked", body = CredentialView)))]
async fn update(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Segments(id): Segments<String>,
    Body(body): Body<CredentialChange>,
) -> Result<Json<CredentialView>, Problem> {
    let before = found(&app, id).await?;
    let mut row = before.clone();
    let record = &mut row.record;
    if let Some(models) = body.models_allowed {
        check_models(&models)?;
        record.models_allowed = models;
    }
    if let Some(priority) = body.priority {
        check_share("priority", priority)?;
        record.priority = priority;
    }
    if let Some(weight) = body.weight {
        check_share("weight", weight)?;
        record.weight = weight;
    }
    if let Some(fallback) = body.fallback_to_platform {
        if record.owner == Owner::Platform && fallback {
            let message = "`fallback_to_platform` is for tenants' credentials: this one is the platform's.";
            return Err(Problem::field("fallback_to_platform", message));
        }
        record.fallback_to_platform = fallback;
    }
    if row.record != before.record {
        let mut tx = store::begin(&app.db).await?;
        credentials::update(&mut tx, &row).await?;
        let rows = [NewRow::put(CREDENTIALS_BUCKET, &row.record.id, &row.record)?];
        let act = act(&admin, &context, "credential.update", &row.record.id);
        app.commit(tx, &rows, act.changed(shown(&before), shown(&row))).await?;
    }
    if let Some(wanted) = body.status {
        switch(&app, &admin, &context, &row.record.id, wanted).await?;
    }
    Ok(Json(CredentialView::now(&app, row).await?))
}

/// Switches a credential off
#[utoipa::path(delete, path = "/admin/v1/credentials/{id}", tag = "credentials",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The credential, switched off", body = CredentialView)))]
async fn remove(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Segments(id): Segments<String>,
) -> Result<Json<CredentialView>, Problem> {
    let row = found(&app, id).await?;
    switch(&app, &admin, &context, &row.record.id, WantedStatus::Disabled).await?;
    Ok(Json(CredentialView::now(&app, row).await?))
}

/// Puts a new secret in a credential's place
///
/// The answer is the new credential, which has everything of the old one but its secret. Providers that name the old
/// one name the new one from then on, and the old one is switched off.
#[utoipa::path(post, path = "/admin/v1/credentials/{id}/rotate", tag = "credentials",
    params(("id" = String, Path, description = "Id of the old one")),
    responses((status = 201, description = "The new credential, masked", body = CredentialView)))]
async fn rotate(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Segments(id): Segments<String>,
    Body(body): Body<CredentialRotation>,
) -> Result<(StatusCode, Json<CredentialView>), Problem> {
    let old = found(&app, id).await?;
    if old.record.owner != Owner::Platform {
        return Err(Problem::forbidden("A tenant's secret is the tenant's own to rotate."));
    }
    let provider = provider(&app, &old.record.provider).await?;
    let row = sealed(
        &app,
        &provider,
        NewCredential {
            id: new_id("cred"),
            owner: old.record.owner.clone(),
            provider: old.record.provider.clone(),
            kind: old.record.kind,
            base_url: old.record.base_url.clone(),
            secret: Secret::new(body.api_key),
            models_allowed: old.record.models_allowed.clone(),
            priority: old.record.priority,
            weight: old.record.weight,
            budget_limit: old.budget_limit,
            fallback_to_platform: old.record.fallback_to_platform,
            created_by: admin.name.clone(),
            rotated_from: Some(old.record.id.clone()),
            created_ms: now_ms(),
        },
    )?;
    let new = row.record.id.clone();
    store_new(&app, &row, act(&admin, &context, "credential.rotate", &new).changed(None, shown(&row)))
        .await?;
    let names_old = SecretRef::Credential(old.record.id.clone());
    if provider.api_key.as_ref() == Some(&names_old) {
        app.edit(act(&admin, &context, "provider.update", &provider.name), |document| {
            for provider in &mut document.providers {
                if provider.api_key.as_ref() == Some(&names_old) {
                    provider.api_key = Some(SecretRef::Credential(new.clone()));
                }
            }
            Ok(Edited { value: (), before: None, after: Some(json!({ "api_key_of": provider.name })) })
        })
        .await?;
    }
    switch(&app, &admin, &context, &old.record.id, WantedStatus::Disabled).await?;
    Ok((StatusCode::CREATED, Json(CredentialView::of(row, Status::Active))))
}

fn sealed(app: &App, provider: &Provider, new: NewCredential) -> Result<CredentialRow, Problem> {
    check_shape(provider.kind, new.secret.expose()).map_err(|why| {
        Problem::field("api_key", format!("`api_key` cannot be used: {why}."))
            .with_code("secret_validation_failed")
    })?;
    Ok(seal(&app.secrets, new)?)
}

async fn store_new(app: &App, row: &CredentialRow, act: crate::audit::Act) -> Result<(), Problem> {
    let mut tx = store::begin(&app.db).await?;
    credentials::insert(&mut tx, row).await?;
    let rows = [NewRow::put(CREDENTIALS_BUCKET, &row.record.id, &row.record)?];
    app.commit(tx, &rows, act).await
}

async fn switch(
    app: &App,
    admin: &Admin,
    context: &Context,
    id: &str,
    wanted: WantedStatus,
) -> Result<(), Problem> {
    let kind = SwitchKind::Credential;
    let (by, actor) = (By::Operator, admin.actor());
    app.switch(context, Switching { kind, id, by, actor, developer: None }, wanted).await
}

async fn provider(app: &App, name: &str) -> Result<Provider, Problem> {
    let document = app.document().await?;
    let found = document.as_ref().and_then(|document| document.provider(name)).cloned();
    found.ok_or_else(|| Problem::field("provider", "`provider` names one that there is not."))
}

async fn found(app: &App, id: String) -> Result<CredentialRow, Problem> {
    let id = id_of(id, "credential")?;
    credentials::get(&app.db, &id).await?.ok_or_else(|| Problem::not_found("credential"))
}

fn check_models(models: &[String]) -> Result<(), Problem> {
    if models.len() > MODELS_MAX {
        return Err(Problem::field(
            "models_allowed",
            format!("`models_allowed` holds more than {MODELS_MAX}."),
        ));
    }
    models.iter().try_for_each(|model| checked("models_allowed", model, 1..=256))
}

fn check_share(field: &'static str, number: u32) -> Result<(), Problem> {
    let fits = (1..=1000).contains(&number);
    if fits { Ok(()) } else { Err(Problem::field(field, format!("`{field}` must be 1 to 1000."))) }
}

/// What the audit log says about a credential: nothing that is sealed.
fn shown(row: &CredentialRow) -> Option<Value> {
    let record = &row.record;
    Some(json!({
        "provider": record.provider, "owner": record.owner, "masked": row.masked,
        "models_allowed": record.models_allowed, "priority": record.priority, "weight": record.weight,
        "fallback_to_platform": record.fallback_to_platform, "rotated_from": row.rotated_from,
    }))
}
