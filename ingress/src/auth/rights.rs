//! What a key or session allows: for how long, from where, for which models and for what.

use std::net::IpAddr;

use proto::config::KeyRecord;
use proto::fault::{Fault, FaultCode};

/// The scope of a session without which no model answers it.
const CHAT: &str = "chat";

/// Errs with 401 once the key or session is over.
pub(crate) fn in_time(key: &KeyRecord, now_ms: u64) -> Result<(), Fault> {
    match (key.expires_ms, &key.session) {
        (Some(end), Some(_)) if end <= now_ms => {
            Err(Fault::new(FaultCode::ExpiredSession, "The session is over: begin another one."))
        }
        (Some(end), None) if end <= now_ms => {
            Err(Fault::new(FaultCode::InvalidApiKey, "The API key is not valid any more."))
        }
        _ => Ok(()),
    }
}

/// Errs with 403 unless the caller's address is in one of the key's networks. An address that nobody knows is in none.
pub(super) fn from_allowed_network(key: &KeyRecord, from: Option<IpAddr>) -> Result<(), Fault> {
    let Some(networks) = &key.networks else { return Ok(()) };
    let from = from.map(|address| address.to_canonical());
    if from.is_some_and(|from| networks.iter().any(|network| network.contains(&from))) {
        return Ok(());
    }
    Err(Fault::new(FaultCode::Forbidden, "This API key may not be used from this network address."))
}

/// Errs with 403 if it is a session that models do not answer.
pub(crate) fn may_call_models(key: &KeyRecord) -> Result<(), Fault> {
    match &key.session {
        Some(session) if !session.scopes.iter().any(|scope| scope == CHAT) => {
            let message = "This session may not call models: it lacks the scope `chat`.";
            Err(Fault::new(FaultCode::Forbidden, message))
        }
        _ => Ok(()),
    }
}

/// Whether the key may ask for the model of that name. An entry of its list that ends in `*` stands for every name that
/// begins so.
pub(crate) fn may_ask_for(key: &KeyRecord, model: &str) -> bool {
    key.models.as_ref().is_none_or(|models| {
        models.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(beginning) => model.starts_with(beginning),
            None => model == allowed,
        })
    })
}
