//! Why an ingress cannot start or go on. What goes wrong with one request is a [`proto::fault::Fault`] instead.

/// A fatal error of the ingress.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The reply or control subjects cannot be listened on.
    #[error("cannot subscribe to {subject}")]
    Subscribe {
        /// The subject.
        subject: String,
        /// Why.
        #[source]
        source: async_nats::SubscribeError,
    },
    /// The listener cannot be used.
    #[error("cannot use the listening socket")]
    Listener(#[source] std::io::Error),
    /// A background task ended although it never should.
    #[error("the task {0} ended unexpectedly")]
    TaskEnded(&'static str),
}

/// An environment variable that does not parse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: expected {expected}")]
pub struct ConfigError {
    pub(crate) name: &'static str,
    pub(crate) expected: &'static str,
}
