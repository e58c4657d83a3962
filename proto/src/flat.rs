//! The two events that every request has, as they stand on the stream: one level of members. Reading them like this
//! takes half the time of `#[serde(flatten)]`, which first puts every member into a map.

use serde::Deserialize;

use crate::dialect::Dialect;
use crate::envelope::Hold;
use crate::event::{Announced, Ending, Origin, Outcome, RouteMode, Subject};
use crate::fault::FaultCode;
use crate::id::AttemptId;
use crate::usage::{Estimate, Reconciled};

/// Declares a flat form of an event; making the event of it fails to compile when either has a member more.
macro_rules! flat {
    ($name:ident => $event:ident { $($(#[$attribute:meta])* $member:ident: $kind:ty,)* }) => {
        #[derive(Deserialize)]
        pub(crate) struct $name {
            project: String,
            key: String,
            requested_model: String,
            config: u64,
            origin: Origin,
            #[serde(default)]
            path: Vec<String>,
            #[serde(default)]
            hold: Option<Hold>,
            #[serde(default)]
            client_request_id: Option<String>,
            #[serde(default)]
            traceparent: Option<String>,
            $($(#[$attribute])* $member: $kind,)*
        }

        impl From<$name> for $event {
            fn from(flat: $name) -> Self {
                Self {
                    subject: Subject {
                        project: flat.project,
                        key: flat.key,
                        requested_model: flat.requested_model,
                        config: flat.config,
                        origin: flat.origin,
                        path: flat.path,
                        hold: flat.hold,
                        client_request_id: flat.client_request_id,
                        traceparent: flat.traceparent,
                    },
                    $($member: flat.$member,)*
                }
            }
        }
    };
}

flat!(FlatAnnounced => Announced {
    attempt: AttemptId,
    dialect: Dialect,
    stream: bool,
    provider: String,
    model: String,
    priced_with: u64,
    route_mode: RouteMode,
    estimate: Estimate,
    deadline_ms: u64,
});

flat!(FlatOutcome => Outcome {
    attempt: AttemptId,
    provider: String,
    model: String,
    priced_with: u64,
    route_mode: RouteMode,
    ending: Ending,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    fault: Option<FaultCode>,
    used: Reconciled,
    bound: bool,
    last: bool,
    #[serde(default)]
    from_tombstone: bool,
    queue_ms: u64,
    #[serde(default)]
    first_byte_ms: Option<u64>,
    duration_ms: u64,
});
