//! What a provider bills is what the ledger books, class by class and call by call.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;
use sqlx::{AnyConnection, Connection as _, Row as _};
use tests::stack::Stack;
use upstream::{Billed, Ended, Fake, Seen};

use super::stack::Provider;

/// What the books say of one upstream call.
#[derive(Debug)]
pub(super) struct Booked {
    provider: String,
    state: String,
    used: Value,
}

/// Every attempt on the books, by its id.
pub(super) async fn books(stack: &Stack) -> Result<BTreeMap<String, Booked>> {
    sqlx::any::install_default_drivers();
    let mut sql = AnyConnection::connect(&stack.database_url()?).await?;
    let rows = sqlx::query("SELECT id, provider, state, detail FROM attempts").fetch_all(&mut sql).await?;
    let booked = |row: &sqlx::any::AnyRow| {
        let detail: Value = serde_json::from_str(row.try_get(3)?)?;
        let used = detail.pointer("/settled/used/usage").cloned().unwrap_or_default();
        Ok((row.try_get(0)?, Booked { provider: row.try_get(1)?, state: row.try_get(2)?, used }))
    };
    rows.iter().map(booked).collect()
}

/// Compares the calls of a fake with the books; gives the differences, and how many calls were equal.
pub(super) fn compare(
    books: &BTreeMap<String, Booked>,
    provider: &Provider,
    fake: &Fake,
) -> (Vec<String>, usize) {
    let mut calls: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    for call in fake.calls() {
        calls.entry(call.header("x-forebay-attempt").unwrap_or_default().to_owned()).or_default().push(call);
    }
    let mut wrong = Vec::new();
    let mut equal = 0;
    for (id, calls) in &calls {
        let what = calls.first().map(|call| format!("{} {}", call.path, call.model)).unwrap_or_default();
        match books.get(id) {
            None => wrong.push(format!("{}: {what}: the attempt {id:?} is not booked", provider.name)),
            Some(booked) => match difference(booked, calls) {
                Some(difference) => wrong.push(format!("{}: {what} {id}: {difference}", provider.name)),
                None => equal += 1,
            },
        }
    }
    for (id, booked) in books.iter().filter(|(id, b)| b.provider == provider.name && !calls.contains_key(*id))
    {
        wrong.push(format!("{}: {id} is booked as {} and was never made", provider.name, booked.state));
    }
    (wrong, equal)
}

/// What is different between an attempt and its calls: several only where a provider embeds one text at a time.
fn difference(booked: &Booked, calls: &[Seen]) -> Option<String> {
    let refused = calls.iter().any(|call| call.status.is_some_and(|status| status >= 400));
    let cut = |call: &Seen| call.ended != Some(Ended::Finished) || call.model.contains("mid_error");
    if !refused && calls.iter().any(cut) {
        // The provider does not get to say what it bills: what is booked is estimated, and never as a success.
        let known = ["failed", "cancelled"].contains(&booked.state.as_str());
        return (!known).then(|| format!("a call that broke off is booked as {}", booked.state));
    }
    let mut billed = Billed::default();
    for call in calls.iter().filter(|_| !refused) {
        billed.input_tokens += call.billed.input_tokens;
        billed.output_tokens += call.billed.output_tokens;
        billed.cached += call.billed.cached;
        billed.cache_write += call.billed.cache_write;
        billed.cache_write_long += call.billed.cache_write_long;
        billed.reasoning += call.billed.reasoning;
    }
    let number = |name: &str| booked.used.get(name).and_then(Value::as_u64).unwrap_or(0);
    let found = Billed {
        input_tokens: number("input_tokens"),
        output_tokens: number("output_tokens"),
        cached: number("cached_input_tokens"),
        cache_write: number("cache_write_tokens"),
        cache_write_long: number("cache_write_long_tokens"),
        reasoning: number("reasoning_tokens"),
    };
    let state = if refused { "failed" } else { "success" };
    (found != billed || booked.state != state)
        .then(|| format!("billed {billed:?}, booked {found:?} as {} instead of {state}", booked.state))
}

#[cfg(test)]
mod checked {
    use serde_json::json;

    use super::*;

    fn call(status: u16, ended: Ended) -> Seen {
        Seen {
            n: 0,
            dialect: None,
            method: "POST".into(),
            path: "/v1/messages".into(),
            query: String::new(),
            headers: BTreeMap::new(),
            body: Value::Null,
            model: "m".into(),
            stream: true,
            status: Some(status),
            refused: None,
            billed: Billed { input_tokens: 7, output_tokens: 6, cached: 2, ..Billed::default() },
            ended: Some(ended),
        }
    }

    fn booked(state: &str, used: Value) -> Booked {
        Booked { provider: "p".into(), state: state.into(), used }
    }

    #[test]
    fn every_class_counts() {
        let same = json!({"input_tokens": 7, "output_tokens": 6, "cached_input_tokens": 2});
        let whole = [call(200, Ended::Finished)];
        assert_eq!(difference(&booked("success", same.clone()), &whole), None);
        assert!(difference(&booked("failed", same.clone()), &whole).is_some());
        for name in ["input_tokens", "cached_input_tokens", "reasoning_tokens", "cache_write_long_tokens"] {
            let mut other = same.clone();
            other[name] = json!(5);
            assert!(difference(&booked("success", other), &whole).is_some(), "{name}");
        }
        assert_eq!(difference(&booked("failed", json!({})), &[call(500, Ended::Finished)]), None);
        assert!(difference(&booked("failed", same.clone()), &[call(500, Ended::Finished)]).is_some());
        assert_eq!(difference(&booked("cancelled", same.clone()), &[call(200, Ended::Dropped)]), None);
        assert!(difference(&booked("success", same), &[call(200, Ended::Cut)]).is_some());
    }
}
