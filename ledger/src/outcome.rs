//! What became of something that was put on the books under its own id.

/// The three outcomes. [`Outcome::Exists`] is a success; [`Outcome::ExistsWithDifferent`] is an incident and is
/// never passed over in silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was new.
    Created,
    /// It was there already, with the same content.
    Exists,
    /// It was there already, and this field says something else.
    ExistsWithDifferent(&'static str),
}

impl Outcome {
    /// The outcome of a comparison, field by field: the first that differs is named.
    pub fn of(differs: impl IntoIterator<Item = (&'static str, bool)>) -> Self {
        let different = differs.into_iter().find(|(_, differs)| *differs);
        different.map_or(Self::Exists, |(field, _)| Self::ExistsWithDifferent(field))
    }
}
