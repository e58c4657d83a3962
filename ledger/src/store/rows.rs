//! Rows: how attempts, closings and transfers become the JSON arrays that one statement writes, and back.

use std::borrow::Cow;
use std::str::FromStr;

use proto::envelope::Hold;
use proto::event::{CloseReason, Origin, RouteMode, Subject};
use proto::fault::FaultCode;
use proto::id::{AttemptId, RequestId, Token};
use proto::money::NanoUsd;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Serialize, Serializer};
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::account::Account;
use crate::book::attempt::{Announcement, Attempt, Call, GivenUp, Settled};
use crate::book::request::{Closing, Taken};
use crate::book::word::{Payer, Pricing};
use crate::error::Error;
use crate::transfer::{Code, Transfer};

/// A number as the database holds it.
pub(crate) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn uint(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// A stored value that cannot be: written by something else than this ledger.
fn corrupt(what: &'static str) -> Error {
    Error::CorruptRow(what)
}

fn get<T>(row: &AnyRow, column: &'static str) -> Result<T, Error>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Any> + sqlx::Type<sqlx::Any>,
{
    row.try_get(column).map_err(Error::Read)
}

fn parsed<T: FromStr>(text: &str, what: &'static str) -> Result<T, Error> {
    text.parse().map_err(|_| corrupt(what))
}

/// A word of an enum that serde knows.
fn word<T: for<'de> Deserialize<'de>>(text: &str, what: &'static str) -> Result<T, Error> {
    let deserializer: serde::de::value::StrDeserializer<serde::de::value::Error> =
        serde::de::IntoDeserializer::into_deserializer(text);
    T::deserialize(deserializer).map_err(|_| corrupt(what))
}

/// What is read with an attempt and never searched.
#[derive(Serialize, Deserialize)]
struct AttemptDetail<'a> {
    config: u64,
    priced_with: u64,
    route_mode: RouteMode,
    origin: Cow<'a, Origin>,
    #[serde(default, skip_serializing_if = "<[String]>::is_empty")]
    path: Cow<'a, [String]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<Cow<'a, Hold>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    announced: Option<Cow<'a, Announcement>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    given_up: Option<Cow<'a, GivenUp>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settled: Option<Cow<'a, Settled>>,
}

/// An attempt as the array that `insert_attempts` and `update_attempts` read.
pub(super) struct AttemptRow<'a>(pub(super) &'a Attempt);

impl Serialize for AttemptRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let a = self.0;
        let used = a.settled.as_ref().map(|s| &s.used.usage);
        let mut row = serializer.serialize_seq(Some(18))?;
        row.serialize_element(&a.id)?;
        row.serialize_element(&a.subject.project)?;
        row.serialize_element(&a.subject.key)?;
        row.serialize_element(&a.subject.requested_model)?;
        row.serialize_element(&a.call.provider)?;
        row.serialize_element(&a.call.model)?;
        row.serialize_element(a.state().as_str())?;
        row.serialize_element(a.payer.as_str())?;
        row.serialize_element(a.pricing.as_str())?;
        row.serialize_element(&a.cost)?;
        row.serialize_element(&used.map(|u| int(u.input_tokens)))?;
        row.serialize_element(&used.map(|u| int(u.output_tokens)))?;
        row.serialize_element(&a.subject.origin.accepted_ms)?;
        row.serialize_element(&a.first_seq())?;
        row.serialize_element(&a.seq())?;
        row.serialize_element(&a.subject.client_request_id)?;
        row.serialize_element(&AttemptDetail {
            config: a.subject.config,
            priced_with: a.call.priced_with,
            route_mode: a.call.route_mode,
            origin: Cow::Borrowed(&a.subject.origin),
            path: Cow::Borrowed(&a.subject.path),
            hold: a.subject.hold.as_ref().map(Cow::Borrowed),
            traceparent: a.subject.traceparent.as_deref().map(Cow::Borrowed),
            announced: a.announced.as_ref().map(Cow::Borrowed),
            given_up: a.given_up.as_ref().map(Cow::Borrowed),
            settled: a.settled.as_ref().map(Cow::Borrowed),
        })?;
        row.serialize_element(&a.stored)?;
        row.end()
    }
}

/// Reads an attempt back.
pub(super) fn attempt(row: &AnyRow) -> Result<Attempt, Error> {
    let id: String = get(row, "id")?;
    let detail: String = get(row, "detail")?;
    let detail: AttemptDetail<'_> = serde_json::from_str(&detail).map_err(|_| corrupt("attempts.detail"))?;
    let payer: String = get(row, "payer")?;
    let pricing: String = get(row, "pricing")?;
    let subject = Subject {
        project: get(row, "project")?,
        key: get(row, "key_id")?,
        requested_model: get(row, "requested_model")?,
        config: detail.config,
        origin: detail.origin.into_owned(),
        path: detail.path.into_owned(),
        hold: detail.hold.map(Cow::into_owned),
        client_request_id: get(row, "client_request_id")?,
        traceparent: detail.traceparent.map(Cow::into_owned),
    };
    let call = Call {
        provider: get(row, "provider")?,
        model: get(row, "model")?,
        priced_with: detail.priced_with,
        route_mode: detail.route_mode,
    };
    let mut attempt = Attempt::blank(parsed(&id, "attempts.id")?, subject, call);
    attempt.announced = detail.announced.map(Cow::into_owned);
    attempt.given_up = detail.given_up.map(Cow::into_owned);
    attempt.settled = detail.settled.map(Cow::into_owned);
    attempt.payer = Payer::of(&payer).ok_or(corrupt("attempts.payer"))?;
    attempt.pricing = Pricing::of(&pricing).ok_or(corrupt("attempts.pricing"))?;
    attempt.cost = get::<Option<i64>>(row, "cost")?.map(NanoUsd);
    attempt.stored = Some(uint(get(row, "seq")?));
    Ok(attempt)
}

/// What is read with a closing and never searched.
#[derive(Serialize, Deserialize)]
pub(super) struct ClosingDetail {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fault: Option<FaultCode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bound: Option<Token>,
    subject: Subject,
}

impl ClosingDetail {
    pub(super) fn of(closing: &Closing) -> Self {
        Self { fault: closing.fault, bound: closing.bound, subject: closing.subject.clone() }
    }
}

fn request_and_token(id: &str, what: &'static str) -> Result<(RequestId, Token), Error> {
    let (request, token) = id.split_once('.').ok_or(corrupt(what))?;
    Ok((parsed(request, what)?, parsed(token, what)?))
}

pub(super) fn closing(row: &AnyRow) -> Result<(RequestId, Closing), Error> {
    let id: String = get(row, "id")?;
    let reason: String = get(row, "reason")?;
    let detail: String = get(row, "detail")?;
    let detail: ClosingDetail = serde_json::from_str(&detail).map_err(|_| corrupt("closures.detail"))?;
    let (request, token) = request_and_token(&id, "closures.id")?;
    let closing = Closing {
        token,
        reason: word::<CloseReason>(&reason, "closures.reason")?,
        fault: detail.fault,
        bound: detail.bound,
        subject: detail.subject,
        seq: uint(get(row, "seq")?),
        at_ms: uint(get(row, "at_ms")?),
    };
    Ok((request, closing))
}

pub(super) fn taken(row: &AnyRow) -> Result<(RequestId, Taken), Error> {
    let id: String = get(row, "id")?;
    let (request, token) = request_and_token(&id, "takeovers.id")?;
    Ok((request, Taken { token, seq: uint(get(row, "seq")?), at_ms: uint(get(row, "at_ms")?) }))
}

/// A transfer as the array that `insert_transfers` reads.
pub(super) struct TransferRow<'a>(pub(super) &'a Transfer);

impl Serialize for TransferRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let t = self.0;
        (&t.id, &t.debit, &t.credit, t.amount, t.code.number(), &t.attempt, t.seq, t.at_ms)
            .serialize(serializer)
    }
}

/// Reads a transfer back.
pub(super) fn transfer(row: &AnyRow) -> Result<Transfer, Error> {
    let (debit, credit): (String, String) = (get(row, "debit")?, get(row, "credit")?);
    let attempt: String = get(row, "attempt")?;
    Ok(Transfer {
        id: get(row, "id")?,
        debit: parsed::<Account>(&debit, "transfers.debit")?,
        credit: parsed::<Account>(&credit, "transfers.credit")?,
        amount: NanoUsd(get(row, "amount")?),
        code: Code::of(get(row, "code")?).ok_or(corrupt("transfers.code"))?,
        attempt: parsed::<AttemptId>(&attempt, "transfers.attempt")?,
        seq: uint(get(row, "seq")?),
        at_ms: uint(get(row, "at_ms")?),
    })
}
