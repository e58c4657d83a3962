//! Whether a version comes into force: every process that runs is shown it and says whether it could run with it.
//!
//! A version that one process refuses fails, and the one before stays everywhere. Who says nothing at all for three
//! seconds is gone or frozen and is not waited for: it takes what is in force when it comes back. Of several controls
//! the first one to decide does, in SQL; a control that dies in the middle is followed by the next one, which finds
//! the version staged and asks again.

use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::clock::now_ms;
use proto::nats::presence::Heard;
use proto::subject;
use serde_json::{Value, json};

use super::bucket::{self, Verdict, write};
use super::{Projector, version_of};
use crate::error::Error;
use crate::metrics;
use crate::store::{self, OutboxRow, publications};

/// How long a process that is there may take to judge.
const PATIENCE: Duration = Duration::from_secs(5);
/// Who has said nothing for this long after the version was staged is not there.
const SILENCE: Duration = Duration::from_secs(3);

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It is done.
    Done,
    /// Processes are still being waited for.
    Pending,
    /// The version does not come into force; its other rows are gone.
    Refused,
}

/// What one look at the processes says.
enum Look {
    Wait,
    Pass(Vec<Value>),
    Refuse(String, Vec<Value>),
}

impl Projector {
    /// Shows a version, and looks at what the processes say of it.
    pub(super) async fn stage(&self, row: &OutboxRow) -> Result<Step, Error> {
        let Some(version) = row.version else { return Ok(Step::Done) };
        if !publications::is_staged(&self.db, version).await? {
            return Ok(Step::Done);
        }
        let current = bucket::read(&self.config, subject::CONFIG_KEY).await?;
        if version_of(current.as_deref()) == 0 {
            // Nobody runs with anything yet, so nothing can be kept by refusing.
            publications::observed(&self.db, version, "[]").await?;
            return Ok(Step::Done);
        }
        let since = self.staged_since(version);
        self.show(version).await?;
        let Some(heard) = self.roster.all() else { return Ok(Step::Pending) };
        match look(version, &heard, since.elapsed()) {
            Look::Wait => Ok(Step::Pending),
            Look::Pass(said) => {
                publications::observed(&self.db, version, &Value::from(said).to_string()).await?;
                metrics::published(true, since.elapsed());
                Ok(Step::Done)
            }
            Look::Refuse(error, said) => {
                let said = Value::from(said).to_string();
                let before = &row.payload;
                if publications::fail(&self.db, version, &error, &said, before, now_ms()).await? {
                    metrics::published(false, since.elapsed());
                    tracing::error!(
                        config_version = version,
                        error,
                        "a version does not come into force, the one before stays"
                    );
                }
                self.hide(version).await?;
                Ok(Step::Refused)
            }
        }
    }

    /// Since when this control has been waiting for the version.
    fn staged_since(&self, version: u64) -> Instant {
        let mut staging = self.staging.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match *staging {
            Some((staged, since)) if staged == version => since,
            _ => {
                let now = Instant::now();
                *staging = Some((version, now));
                now
            }
        }
    }

    /// Puts the version where every process sees it, unless it is there, or is not staged any more.
    async fn show(&self, version: u64) -> Result<(), Error> {
        let judge = async |now: Option<Bytes>| {
            if version_of(now.as_deref()) >= version || !publications::is_staged(&self.db, version).await? {
                return Ok(Verdict::Keep);
            }
            let Some(stored) = store::publications::by_number(&self.db, version).await? else {
                return Ok(Verdict::Keep);
            };
            Ok(Verdict::Put(serde_json::to_vec(&stored.config)?.into()))
        };
        write(&self.config, subject::CONFIG_STAGED, judge).await.map(drop)
    }

    /// Takes a version back that does not come into force.
    async fn hide(&self, version: u64) -> Result<(), Error> {
        let judge = async |now: Option<Bytes>| {
            let ours = version_of(now.as_deref()) == version;
            Ok(if ours { Verdict::Delete } else { Verdict::Keep })
        };
        write(&self.config, subject::CONFIG_STAGED, judge).await.map(drop)
    }
}

/// Judges by what was heard, `waited` after the version was staged.
fn look(version: u64, heard: &[Heard], waited: Duration) -> Look {
    let (mut said, mut refused, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for process in heard.iter().filter(|process| process.is_live()) {
        let presence = &process.presence;
        let name = format!("{} {}", presence.role, presence.id);
        let of_it = presence.staged.as_ref().filter(|staged| staged.version == version);
        let mut note = json!({ "role": presence.role, "id": presence.id });
        match of_it.and_then(|staged| staged.ok) {
            Some(ok) => {
                let error = of_it.and_then(|staged| staged.error.clone());
                note["ok"] = Value::from(ok);
                if !ok {
                    let error = error.unwrap_or_default();
                    note["error"] = Value::from(error.clone());
                    refused.push(format!("{name} refuses it: {error}"));
                }
            }
            None if presence.config >= version => note["ok"] = Value::from(true),
            None if waited >= SILENCE && process.ago >= waited => note["silent"] = Value::from(true),
            None => waiting.push(name),
        }
        said.push(note);
    }
    if !refused.is_empty() {
        return Look::Refuse(refused.join("; "), said);
    }
    if waiting.is_empty() {
        return Look::Pass(said);
    }
    if waited >= PATIENCE {
        let who = waiting.join(", ");
        return Look::Refuse(format!("not judged within {} s by {who}", PATIENCE.as_secs()), said);
    }
    Look::Wait
}

#[cfg(test)]
mod tests {
    use proto::nats::presence::{Observed, Presence};

    use super::*;

    fn heard(config: u64, staged: Option<Option<bool>>, ago_ms: u64) -> Heard {
        let staged = staged.map(|ok| Observed {
            version: 7,
            ok,
            error: (ok == Some(false)).then(|| "no key".to_owned()),
        });
        let presence = Presence {
            role: "workers".into(),
            id: "w".into(),
            build: String::new(),
            since_ms: 0,
            config,
            staged,
        };
        Heard { presence, ago: Duration::from_millis(ago_ms) }
    }

    fn says(all: &[Heard], waited_ms: u64) -> &'static str {
        match look(7, all, Duration::from_millis(waited_ms)) {
            Look::Wait => "wait",
            Look::Pass(_) => "pass",
            Look::Refuse(..) => "refuse",
        }
    }

    #[test]
    fn who_is_there_is_waited_for_and_who_is_gone_is_not() {
        let fine = heard(6, Some(Some(true)), 10);
        assert_eq!(says(&[], 0), "pass");
        assert_eq!(says(&[fine.clone(), heard(7, None, 10)], 10), "pass");
        assert_eq!(says(&[fine.clone(), heard(6, None, 900)], 1000), "wait");
        assert_eq!(says(&[fine.clone(), heard(6, Some(None), 900)], 4900), "wait", "it is judging");
        assert_eq!(says(&[fine.clone(), heard(6, Some(None), 900)], 5000), "refuse");
        assert_eq!(says(&[fine.clone(), heard(6, None, 3100)], 3000), "pass", "silent since it was staged");
        assert_eq!(says(&[fine.clone(), heard(6, None, 2900)], 3000), "wait");
        assert_eq!(says(&[fine.clone(), heard(6, None, 12_000)], 0), "pass", "long gone");
        assert_eq!(says(&[fine, heard(6, Some(Some(false)), 10)], 10), "refuse");
    }
}
