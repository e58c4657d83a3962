//! How the role is, for the readiness check of the process that runs it.

use std::sync::{Arc, Mutex, PoisonError};

/// A cheap shared handle; the role writes, `/ready` reads.
#[derive(Debug, Clone)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    version: u64,
    problem: Option<String>,
}

impl Default for Health {
    fn default() -> Self {
        let problem = Some("control has not started yet".to_owned());
        Self(Arc::new(Mutex::new(State { version: 0, problem })))
    }
}

impl Health {
    /// Whether everything published is projected; else a sentence that says what is not.
    pub fn check(&self) -> Result<(), String> {
        match &self.state().problem {
            Some(problem) => Err(problem.clone()),
            None => Ok(()),
        }
    }

    /// The newest version in the database; 0 while there is none.
    pub fn config(&self) -> u64 {
        self.state().version
    }

    pub(crate) fn set(&self, version: u64, problem: Option<String>) {
        *self.state() = State { version, problem };
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
