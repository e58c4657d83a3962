//! Why the role cannot start or go on. What goes wrong for one request is a [`proto::fault::Fault`] instead.

/// An error that ends the role.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An environment variable that does not fit.
    #[error("{name} must be {expected}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// Settings that contradict each other.
    #[error("{0}")]
    Settings(&'static str),
    /// A NATS subscription that could not be made.
    #[error("cannot subscribe to {subject}")]
    Subscribe {
        /// What was subscribed to.
        subject: String,
        /// The client's reason.
        #[source]
        source: async_nats::SubscribeError,
    },
    /// The connection was closed for good.
    #[error("the subscription to {0} has ended")]
    Ended(&'static str),
}

/// The chain of an error's causes as one line, for logs.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
