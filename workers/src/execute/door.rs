//! What an attempt is made through: the provider with what its row names or with a sealed credential; and whether it
//! may be made at all, now that its turn has come.

use std::sync::Arc;

use proto::config::Purse;
use proto::event::CloseReason;
use proto::fault::{Fault, FaultCode};
use proto::switch::{self, SwitchKind};

use super::Execution;
use super::attempt::{Attempted, no_route};
use super::failure::{Failure, TENANTS_ACCOUNT};
use crate::http::{UnusableError, Upstream};
use crate::route::Hop;
use crate::vault::{OpenError, not_opened};

impl Execution<'_> {
    /// What is called at `hop`.
    pub(super) async fn door(&self, hop: &Hop) -> Result<Arc<Upstream>, Attempted> {
        let (worker, set) = (&self.work.worker, &self.plan.set);
        let shut = || Attempted::Unfit(Box::new(gone(hop)));
        let Some(id) = &hop.credential else {
            return set.get(&hop.place.provider).cloned().ok_or_else(shut);
        };
        // It may have gone since the chain was made.
        let credential = worker.vault.get(id).ok_or_else(shut)?;
        let row = match hop.purse() {
            Purse::Platform => Some(set.config.provider(&hop.place.provider).ok_or_else(shut)?),
            Purse::EndUser | Purse::Developer | Purse::Local => None,
        };
        match worker.vault.open(&credential, row).await {
            Ok(upstream) => Ok(upstream),
            Err(error) => {
                not_opened(&credential, &error);
                if hop.is_tenants() && matches!(error, OpenError::Unusable(UnusableError::Guard(_))) {
                    self.work.close(CloseReason::Refused, None, Some(forbidden())).await;
                    return Err(Attempted::Settled);
                }
                let mut fault = Failure::unprepared().fault;
                if hop.is_tenants() {
                    TENANTS_ACCOUNT.clone_into(&mut fault.message);
                }
                Err(Attempted::Unfit(Box::new(fault)))
            }
        }
    }

    /// Looks once more whether anything was switched off while the request waited.
    pub(super) async fn allowed(&self, hop: &Hop) -> Result<(), Attempted> {
        let (switches, envelope) = (self.work.worker.projection.switches(), &self.work.envelope);
        if let Some(kind) = switches.stops(&envelope.project, &envelope.key, envelope.who.as_deref()) {
            self.work.close(CloseReason::Refused, None, Some(switch::fault(kind))).await;
            return Err(Attempted::Settled);
        }
        match &hop.credential {
            Some(id) if switches.is_off(SwitchKind::Credential, id) => {
                Err(Attempted::Unfit(Box::new(gone(hop))))
            }
            _ => Ok(()),
        }
    }
}

/// What a caller is told whose place has gone while it waited. That a tenant's credential has is no failure of its
/// provider's.
fn gone(hop: &Hop) -> Fault {
    if hop.is_tenants() { switch::fault(SwitchKind::Credential) } else { no_route() }
}

/// What a caller is told whose credential leads to an address that nothing here may call.
pub(super) fn forbidden() -> Fault {
    let message = "The address of the credential is not one that may be called from here.";
    Fault::new(FaultCode::NoAvailableRoute, message)
}
