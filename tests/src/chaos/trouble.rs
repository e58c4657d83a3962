//! What happens to the processes meanwhile: killed and started again, or frozen for a while. A NATS server is hit
//! only when all three are healthy and caught up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::Options;
use super::chance::Chance;
use super::load::Ingresses;
use crate::process::Process;
use crate::stack::Stack;

/// How often it is looked whether the load is over, or a process ended by itself.
const LOOK: Duration = Duration::from_millis(100);
const NATS_CAUGHT_UP: Duration = Duration::from_secs(60);
/// Of all disturbances, how many are kills rather than freezes, in percent.
const KILLS: u64 = 70;

/// One thing that happened.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    /// Since the start of the load.
    pub(super) at: Duration,
    /// The process.
    pub(super) name: String,
    /// What was done to it.
    pub(super) what: What,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Killed,
    Frozen(Duration),
    /// Nobody did anything: it ended by itself.
    EndedByItself,
}

/// A process of the stack or one of its servers.
fn process<'a>(stack: &'a mut Stack, name: &str) -> Result<&'a mut Process> {
    match name.strip_prefix("nats-") {
        Some(n) => {
            let nats = stack.nats.as_mut().context("no nats")?;
            Ok(&mut nats.servers.get_mut(n.parse::<usize>()?).context("no such server")?.process)
        }
        None => stack.process(name),
    }
}

/// Disturbs until `over`, and leaves everything running.
pub(super) async fn run(
    options: &Options,
    stack: &mut Stack,
    ingresses: &Ingresses,
    over: &AtomicBool,
    mut chance: Chance,
) -> Result<Vec<Trouble>> {
    let started = Instant::now();
    let mut all = Vec::new();
    let period = Duration::from_secs(options.period.unwrap_or(5));
    let mut next = started + period;
    while !over.load(Ordering::Relaxed) {
        tokio::time::sleep(LOOK).await;
        all.extend(start_what_ended(stack, started)?);
        if options.calm || Instant::now() < next {
            continue;
        }
        next += period;
        let name = choose(stack, &mut chance).await?;
        let may_freeze = !(options.sqlite && name.starts_with("ledger"));
        let at = started.elapsed();
        let what = if !may_freeze || chance.percent(KILLS) {
            kill(stack, &name, ingresses, chance.millis(100, 1_500)).await?;
            What::Killed
        } else {
            let long = chance.millis(1_000, 7_000);
            process(stack, &name)?.pause()?;
            tokio::time::sleep(long).await;
            process(stack, &name)?.resume()?;
            What::Frozen(long)
        };
        all.push(Trouble { at, name, what });
    }
    let nats = stack.nats.as_ref().context("no nats")?;
    crate::wait::until("nats is caught up", NATS_CAUGHT_UP, || async {
        Ok(nats.caught_up().await?.then_some(()))
    })
    .await?;
    Ok(all)
}

async fn choose(stack: &Stack, chance: &mut Chance) -> Result<String> {
    let roles: Vec<String> = stack.processes.keys().cloned().collect();
    let nats = stack.nats.as_ref().context("no nats")?;
    let all = roles.len() + nats.servers.len();
    let chosen = chance.below(all);
    if chosen >= roles.len() && nats.caught_up().await.unwrap_or(false) {
        return Ok(format!("nats-{}", chosen - roles.len()));
    }
    Ok(roles[chosen % roles.len()].clone())
}

async fn kill(stack: &mut Stack, name: &str, ingresses: &Ingresses, down: Duration) -> Result<()> {
    if let Some(n) = name.strip_prefix("ingress-") {
        ingresses.is_killed(n.parse()?);
    }
    process(stack, name)?.kill()?;
    tokio::time::sleep(down).await;
    let process = process(stack, name)?;
    *process = process.spec().start()?;
    Ok(())
}

/// Processes that ended although nobody killed them: noted, and started again as a supervisor would.
fn start_what_ended(stack: &mut Stack, started: Instant) -> Result<Vec<Trouble>> {
    let mut found = Vec::new();
    let names: Vec<String> = stack.processes.keys().cloned().collect();
    for name in names {
        let process = stack.process(&name)?;
        if process.ended()?.is_some() {
            *process = process.spec().start()?;
            found.push(Trouble { at: started.elapsed(), name, what: What::EndedByItself });
        }
    }
    Ok(found)
}
