//! Who calls: the virtual key or the session in a request's headers, the record behind it, and whether it counts.
//! Keys and sessions are alike: random secrets, found by their keyed hash. All of this comes before path, query and
//! body are looked at.

mod cache;
mod imported;
mod rights;
#[cfg(test)]
mod tests;

pub(crate) use cache::KeyCache;
pub(crate) use imported::Imported;
pub(crate) use rights::{in_time, may_ask_for, may_call_models};

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use proto::clock::now_ms;
use proto::config::KeyRecord;
use proto::envelope::Envelope;
use proto::fault::{Fault, FaultCode};
use proto::secret::Pepper;
use proto::switch::{self, SwitchKind, Switches};

use crate::call::Call;
use crate::known::Known;
use crate::state::App;

/// No key is longer.
const SECRET_BYTES_MAX: usize = 1024;
const RETRY_AFTER_MS: u64 = 1000;
/// What the tokens of sessions begin with.
const SESSION_PREFIX: &str = "mf_sess_";

/// Nobody can say whether a key is valid.
#[derive(Debug)]
struct Outage;

/// The record of the caller's key or session, which is noted in `call`.
///
/// Errs with 401 if there is none that counts, with 403 if it may not be used (from here, or while its project is
/// switched off), and with 503, never 401, if nobody can say.
pub(crate) async fn authenticate(
    app: &App,
    call: &mut Call,
    headers: &HeaderMap,
) -> Result<Arc<KeyRecord>, Fault> {
    let known = app.known();
    let door = Door {
        pepper: &app.pepper,
        keys: &app.keys,
        imported: &app.imported,
        switches: app.projection.switches(),
        known: known.as_deref(),
        link_down: app.health.down_for().is_some(),
    };
    let (entry, key) = door.admit(headers, call.from, now_ms()).await?;
    call.key = Some(Arc::clone(&key));
    call.entry = entry;
    Ok(key)
}

/// Looks at the caller again, right before its request is stored: keys are revoked and switches thrown while bodies are
/// being sent.
pub(crate) async fn look_again(app: &App, call: &Call, envelope: &Envelope) -> Result<(), Fault> {
    let who = envelope.who.as_deref();
    if let Some(kind) = app.projection.switches().stops(&envelope.project, &envelope.key, who) {
        return Err(switch::fault(kind));
    }
    let Some(key) = &call.key else { return Ok(()) };
    if app.keys.is_withdrawn(&call.entry).await {
        return Err(not_valid(key.session.is_some()));
    }
    in_time(key, now_ms())
}

/// What is needed to tell who may come in.
struct Door<'a> {
    pepper: &'a Pepper,
    keys: &'a KeyCache,
    imported: &'a Imported,
    switches: &'a Switches,
    known: Option<&'a Known>,
    link_down: bool,
}

impl Door<'_> {
    /// The record of the key in `headers` and its entry in the bucket.
    async fn admit(
        &self,
        headers: &HeaderMap,
        from: Option<IpAddr>,
        now_ms: u64,
    ) -> Result<(String, Arc<KeyRecord>), Fault> {
        let secret = secret(headers).ok_or_else(no_key)?;
        let found = self.find(secret).await.map_err(|Outage| cannot_say())?;
        let (entry, key) = found.ok_or_else(|| not_valid(secret.starts_with(SESSION_PREFIX)))?;
        if key.revoked {
            return Err(not_valid(key.session.is_some()));
        }
        in_time(&key, now_ms)?;
        if let Some(kind) = self.switched_off(&key) {
            return Err(switch::fault(kind));
        }
        rights::from_allowed_network(&key, from)?;
        Ok((entry, key))
    }

    async fn find(&self, secret: &str) -> Result<Option<(String, Arc<KeyRecord>)>, Outage> {
        // Hashed under a server-side pepper before it is compared with anything: time tells nothing.
        let hash = self.pepper.hash(secret);
        if let Some(key) = self.keys.lookup(&hash, self.link_down).await? {
            return Ok(Some((hash, key)));
        }
        let lengths = self.keys.imported_lengths();
        if lengths.is_empty() {
            return Ok(None);
        }
        for length in lengths.iter() {
            let Some((end, _)) = secret.char_indices().nth(*length) else { continue };
            let entry = proto::config::imported_entry(self.pepper, &secret[..end]);
            let Some(key) = self.keys.lookup(&entry, self.link_down).await? else { continue };
            let Some(bcrypt) = key.bcrypt.as_deref().filter(|_| !key.revoked) else { continue };
            if self.imported.fits(secret, &hash, bcrypt).await? {
                return Ok(Some((entry, key)));
            }
        }
        Ok(None)
    }

    /// What is switched off of what a key belongs to; the key itself first, because one that does not count says
    /// nothing about its project.
    fn switched_off(&self, key: &KeyRecord) -> Option<SwitchKind> {
        if self.switches.none() {
            return None;
        }
        let own = if key.session.is_some() { SwitchKind::Session } else { SwitchKind::Key };
        let off = |kind, id: &str| self.switches.is_off(kind, id).then_some(kind);
        let developer = || self.known?.project(&key.project)?.developer.as_deref();
        off(own, &key.id)
            .or_else(|| off(SwitchKind::EndUser, &key.session.as_ref()?.end_user))
            .or_else(|| off(SwitchKind::Developer, developer()?))
            .or_else(|| off(SwitchKind::Project, &key.project))
    }
}

fn no_key() -> Fault {
    let message =
        "No API key was given. Send it as \"Authorization: Bearer <key>\", \"x-api-key\" or \"api-key\".";
    Fault::new(FaultCode::InvalidApiKey, message)
}

fn not_valid(session: bool) -> Fault {
    if session {
        Fault::new(FaultCode::InvalidSession, "The session is not valid.")
    } else {
        Fault::new(FaultCode::InvalidApiKey, "The API key is not valid.")
    }
}

fn cannot_say() -> Fault {
    Fault::new(FaultCode::Unavailable, "API keys cannot be checked at the moment.")
        .retry_after(RETRY_AFTER_MS)
}

/// The secret as the caller sent it, in the first header that holds one.
fn secret(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, secret) = value.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
    });
    let secret = bearer.or_else(|| text("x-api-key")).or_else(|| text("api-key"))?.trim();
    (!secret.is_empty() && secret.len() <= SECRET_BYTES_MAX).then_some(secret)
}
