//! The account: what clients saw, what the provider was asked and what is on the books, laid side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use proto::envelope::Envelope;
use proto::subject::REQUESTS_STREAM;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection as _, Row as _};

use super::Options;
use super::load::{Fate, Outcome};
use super::trouble::{Trouble, What};
use crate::stack::Stack;
use crate::{client, nats};

/// The most examples of one kind that are shown.
const SHOWN: usize = 5;

/// What came of it all.
#[derive(Debug, Default, Serialize)]
pub struct Account {
    /// What must be 0, by name.
    pub must_be_zero: BTreeMap<&'static str, u64>,
    /// What is worth knowing.
    pub counts: BTreeMap<String, u64>,
    /// The run's own particulars.
    pub run: Value,
    /// Everything that was done to processes.
    pub troubles: Vec<String>,
    /// Some of what should not have been.
    pub examples: Vec<String>,
}

/// What is on the books.
struct Books {
    /// Attempts by id: state and payer.
    attempts: BTreeMap<String, (String, String)>,
    /// Requests with an outcome: every attempt of theirs has ended and one of them was the last, or they were
    /// closed.
    ended: BTreeSet<String>,
    /// Attempts by the codes of their transfers.
    transfers: BTreeMap<String, Vec<i64>>,
    incidents: u64,
}

/// Draws it up.
pub(super) async fn draw_up(
    stack: &Stack,
    upstream: &str,
    outcomes: Vec<Outcome>,
    troubles: Vec<Trouble>,
    settled: Result<Value>,
) -> Result<Account> {
    let mut account = Account::default();
    let books = books(&stack.database_url()?).await?;
    let stored = stored(&stack.nats_url()?).await?;
    account.clients(&outcomes, &stored, &books);
    account.provider(upstream, &books).await?;
    account.books(&stored, &books, settled);
    account.troubles(&troubles);
    Ok(account)
}

/// Requests that were accepted: the client's own id by Forebay's.
async fn stored(url: &str) -> Result<BTreeMap<String, String>> {
    let js = nats::connect(url).await?;
    let mut stream = js.get_stream(REQUESTS_STREAM).await?;
    let mut left = stream.info().await?.state.messages;
    let config = async_nats::jetstream::consumer::pull::OrderedConfig {
        headers_only: true,
        ..async_nats::jetstream::consumer::pull::OrderedConfig::default()
    };
    let mut messages = stream.create_consumer(config).await?.messages().await?;
    let mut found = BTreeMap::new();
    while left > 0 {
        let message = messages.next().await.context("the stream ended")??;
        let envelope = Envelope::from_headers(message.headers.as_ref())?;
        found.insert(envelope.request.to_string(), envelope.client_request_id.unwrap_or_default());
        left -= 1;
    }
    Ok(found)
}

async fn books(url: &str) -> Result<Books> {
    sqlx::any::install_default_drivers();
    let mut sql = AnyConnection::connect(url).await?;
    let mut books =
        Books { attempts: BTreeMap::new(), ended: BTreeSet::new(), transfers: BTreeMap::new(), incidents: 0 };
    for row in sqlx::query("SELECT id, state, payer FROM attempts").fetch_all(&mut sql).await? {
        let id: String = row.try_get(0)?;
        let state: String = row.try_get(1)?;
        if state != "open" {
            books.ended.extend(id.split('.').next().map(str::to_owned));
        }
        books.attempts.insert(id, (state, row.try_get(2)?));
    }
    for row in sqlx::query("SELECT id FROM closures").fetch_all(&mut sql).await? {
        let id: String = row.try_get(0)?;
        books.ended.extend(id.split('.').next().map(str::to_owned));
    }
    for row in sqlx::query("SELECT attempt, code FROM transfers").fetch_all(&mut sql).await? {
        books.transfers.entry(row.try_get(0)?).or_default().push(row.try_get(1)?);
    }
    let incidents = sqlx::query("SELECT COUNT(*) FROM incidents").fetch_one(&mut sql).await?;
    books.incidents = u64::try_from(incidents.try_get::<i64, _>(0)?).unwrap_or(0);
    Ok(books)
}

impl Account {
    fn zero(&mut self, name: &'static str, examples: Vec<String>) {
        self.must_be_zero.insert(name, examples.len() as u64);
        self.examples.extend(examples.into_iter().take(SHOWN).map(|e| format!("{name}: {e}")));
    }

    fn count(&mut self, name: &str, count: usize) {
        self.counts.insert(name.to_owned(), count as u64);
    }

    /// What clients saw.
    fn clients(&mut self, outcomes: &[Outcome], stored: &BTreeMap<String, String>, books: &Books) {
        let of = |wanted: fn(&Fate) -> Option<String>| -> Vec<String> {
            let said = outcomes.iter().filter_map(|o| wanted(&o.fate).map(|text| (o, text)));
            said.map(|(o, text)| format!("{} after {:?} {text}", o.own, o.took)).collect()
        };
        self.zero("requests hung", of(|f| (*f == Fate::Hung).then(String::new)));
        self.zero(
            "requests without an answer or a definite error",
            of(|f| match f {
                Fate::Broken(why) => Some(why.clone()),
                Fate::Answered | Fate::Error(_) | Fate::IngressKilled | Fate::Wrong(_) | Fate::Hung => None,
            }),
        );
        self.zero(
            "answers wrong or streams ended without a word",
            of(|f| match f {
                Fate::Wrong(why) => Some(why.clone()),
                Fate::Answered | Fate::Error(_) | Fate::IngressKilled | Fate::Broken(_) | Fate::Hung => None,
            }),
        );
        self.count("requests", outcomes.len());
        self.count("requests streaming", outcomes.iter().filter(|o| o.stream).count());
        self.count("requests answered", outcomes.iter().filter(|o| o.fate == Fate::Answered).count());
        for outcome in outcomes {
            if let Fate::Error(code) = &outcome.fate {
                *self.counts.entry(format!("error {code}")).or_default() += 1;
            }
        }
        let killed = || outcomes.iter().filter(|o| o.fate == Fate::IngressKilled);
        self.count("requests whose own ingress was killed", killed().count());
        let by_own: BTreeMap<&str, &str> =
            stored.iter().map(|(id, own)| (own.as_str(), id.as_str())).collect();
        let accepted: Vec<(&str, &str)> = killed()
            .filter_map(|o| by_own.get_key_value(o.own.as_str()).map(|(own, id)| (*own, *id)))
            .collect();
        self.count("of these accepted", accepted.len());
        let without = accepted.iter().filter(|(_, id)| !books.ended.contains(*id));
        self.zero(
            "of these without a ledger outcome",
            without.map(|(own, id)| format!("{own} {id}")).collect(),
        );
        self.answered(outcomes, &by_own, books);
        let mut took: Vec<Duration> = outcomes.iter().map(|o| o.took).collect();
        took.sort();
        for (name, part) in [("p50", 50), ("p99", 99), ("longest", 100)] {
            let at = (took.len() * part / 100).min(took.len().saturating_sub(1));
            let ms = took.get(at).map_or(0, Duration::as_millis);
            self.counts.insert(format!("request {name} ms"), u64::try_from(ms).unwrap_or(0));
        }
    }

    /// Answers and what the books say of them. A worker that dies between its last frame and its outcome, and then
    /// the ingress that has a copy, leave an answer that nobody can book: it is flagged, and the platform's loss.
    fn answered(&mut self, outcomes: &[Outcome], by_own: &BTreeMap<&str, &str>, books: &Books) {
        let requests = |wanted: &dyn Fn(&str, &str) -> bool| -> BTreeSet<&str> {
            let of = books.attempts.iter().filter(|(_, (state, payer))| wanted(state, payer));
            of.filter_map(|(id, _)| id.split('.').next()).collect()
        };
        let booked = requests(&|state, payer| state == "success" && payer == "customer");
        let flagged = requests(&|state, _| state == "unknown");
        let answered = outcomes.iter().filter(|o| o.fate == Fate::Answered);
        let id = |o: &Outcome| by_own.get(o.own.as_str()).copied().unwrap_or_default();
        let unbooked: Vec<&Outcome> = answered.filter(|o| !booked.contains(id(o))).collect();
        self.count(
            "answered and unknown, flagged",
            unbooked.iter().filter(|o| flagged.contains(id(o))).count(),
        );
        let silent = unbooked.iter().filter(|o| !flagged.contains(id(o)));
        self.zero("answered, neither booked nor flagged", silent.map(|o| o.own.clone()).collect());
    }

    /// What the provider was asked.
    async fn provider(&mut self, upstream: &str, books: &Books) -> Result<()> {
        let calls = client::get(&format!("{upstream}/_calls")).await?.json()?;
        let calls = calls.as_array().cloned().unwrap_or_default();
        let attempts: Vec<String> = calls
            .iter()
            .map(|c| {
                c.pointer("/headers/x-forebay-attempt").and_then(Value::as_str).unwrap_or_default().to_owned()
            })
            .collect();
        self.count("upstream calls", calls.len());
        let missing = attempts.iter().filter(|id| !books.attempts.contains_key(*id));
        self.zero("upstream calls missing from the ledger", missing.cloned().collect());
        let mut times: BTreeMap<&str, u64> = BTreeMap::new();
        for id in &attempts {
            *times.entry(id).or_default() += 1;
        }
        let twice = times.iter().filter(|(_, n)| **n > 1);
        self.zero("attempts sent twice", twice.map(|(id, n)| format!("{id} {n} times")).collect());
        Ok(())
    }

    /// What is on the books.
    fn books(&mut self, stored: &BTreeMap<String, String>, books: &Books, settled: Result<Value>) {
        self.count("requests accepted", stored.len());
        let without = stored.keys().filter(|id| !books.ended.contains(*id));
        self.zero("accepted requests without a ledger outcome", without.cloned().collect());
        let mut customers: BTreeMap<&str, u64> = BTreeMap::new();
        for (id, (state, payer)) in &books.attempts {
            *self.counts.entry(format!("attempts {state}, {payer} pays")).or_default() += 1;
            if payer == "customer" {
                *customers.entry(id.split('.').next().unwrap_or_default()).or_default() += 1;
            }
        }
        self.count("attempts", books.attempts.len());
        let paid_twice = customers.iter().filter(|(_, n)| **n > 1).map(|(id, _)| (*id).to_owned());
        self.zero("requests paid twice by the customer", paid_twice.collect());
        let doubled = books.transfers.iter().filter(|(_, codes)| counted_twice(codes));
        self.zero("attempts counted twice", doubled.map(|(id, codes)| format!("{id} {codes:?}")).collect());
        self.zero(
            "incidents",
            vec!["see the table incidents".to_owned(); usize::try_from(books.incidents).unwrap_or(0)],
        );
        let (report, unsettled) = match settled {
            Ok(report) => (report, Vec::new()),
            Err(error) => (Value::Null, vec![format!("{error:#}")]),
        };
        self.zero("books that do not settle", unsettled);
        let mismatches = report["mismatches"].as_u64().unwrap_or(u64::from(report.is_null()));
        self.must_be_zero.insert("reconcile mismatches", mismatches);
    }

    fn troubles(&mut self, troubles: &[Trouble]) {
        for trouble in troubles {
            let (kind, what) = match trouble.what {
                What::Killed => ("killed", "killed".to_owned()),
                What::Frozen(long) => ("frozen", format!("frozen for {:.1} s", long.as_secs_f32())),
                What::EndedByItself => ("ended by themselves", "ended by itself".to_owned()),
            };
            *self.counts.entry(format!("processes {kind}")).or_default() += 1;
            self.troubles.push(format!("{:6.1} s  {} {what}", trouble.at.as_secs_f32(), trouble.name));
        }
        let by_itself = troubles.iter().filter(|t| t.what == What::EndedByItself).map(|t| t.name.clone());
        self.zero("processes that ended by themselves", by_itself.collect());
    }

    /// The same with the run's own particulars.
    pub(super) fn with_run(mut self, options: &Options, loaded: Duration, took: Duration) -> Self {
        self.run = json!({
            "database": if options.sqlite { "sqlite" } else { "postgres" },
            "random_start": options.random_start,
            "concurrency": options.concurrency,
            "period_s": options.period,
            "loaded_s": loaded.as_secs(),
            "took_s": took.as_secs(),
        });
        self
    }

    /// Whether everything that must be 0 is.
    pub fn holds(&self) -> bool {
        self.must_be_zero.values().all(|count| *count == 0)
    }

    /// The account for a person.
    pub fn text(&self) -> String {
        let mut text = String::from("what was done\n");
        let mut line = |part: std::fmt::Arguments<'_>| text.write_fmt(part).unwrap_or_default();
        for trouble in &self.troubles {
            line(format_args!("  {trouble}\n"));
        }
        line(format_args!("what was counted\n"));
        for (name, count) in &self.counts {
            line(format_args!("  {count:>8}  {name}\n"));
        }
        line(format_args!("what must be 0\n"));
        for (name, count) in &self.must_be_zero {
            let mark = if *count == 0 { "ok" } else { "FAILED" };
            line(format_args!("  {count:>8}  {name}  {mark}\n"));
        }
        for example in &self.examples {
            line(format_args!("  {example}\n"));
        }
        line(format_args!("{}\n", self.run));
        line(format_args!("{}", if self.holds() { "chaos: all promises held" } else { "chaos: FAILED" }));
        text
    }

    /// Says where logs and stores are.
    pub(super) fn say_where(&self, dir: &Path) {
        use std::io::Write as _;
        writeln!(std::io::stderr(), "logs and stores are kept in {}", dir.display()).unwrap_or_default();
    }
}

/// Whether the transfers of one attempt put its cost on the books more than once: 1 and 2 are its cost, 3 an
/// estimate of it, 4 takes the estimate back.
fn counted_twice(codes: &[i64]) -> bool {
    let times = |code: i64| codes.iter().filter(|c| **c == code).count();
    let costs = times(1) + times(2);
    let estimates = times(3);
    costs > 1 || estimates > 1 || times(4) > 1 || costs + estimates != 1 + times(4)
}

#[cfg(test)]
mod tests {
    use super::counted_twice;

    #[test]
    fn a_cost_may_replace_its_estimate_and_nothing_else() {
        for once in [&[1][..], &[2], &[3], &[3, 4, 2], &[4, 1, 3]] {
            assert!(!counted_twice(once), "{once:?}");
        }
        for twice in [&[1, 1][..], &[1, 2], &[3, 2], &[3, 3], &[3, 4, 2, 2], &[4]] {
            assert!(counted_twice(twice), "{twice:?}");
        }
    }
}
