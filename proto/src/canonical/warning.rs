//! What was lost or changed on the way from one dialect to another: said to the caller, never silent.

use std::fmt::Write;

use crate::fault::{Fault, FaultCode};

/// One thing that could not be carried as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What happened, in one word (`unknown_field_dropped`, `tool_choice_degraded`, …).
    pub code: &'static str,
    /// The field it happened to, in the caller's dialect.
    pub field: String,
}

/// All of them, in order and without repetition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Warnings(Vec<Warning>);

/// The longest header, in bytes.
const HEADER_BYTES_MAX: usize = 1024;

impl Warnings {
    /// Notes one.
    pub fn add(&mut self, code: &'static str, field: impl Into<String>) {
        let warning = Warning { code, field: field.into() };
        if !self.0.contains(&warning) {
            self.0.push(warning);
        }
    }

    /// All of them.
    pub fn all(&self) -> &[Warning] {
        &self.0
    }

    /// `code;field=path, …` in at most 1 KiB of ASCII, then `+N` for the rest; `None` without any.
    pub fn header(&self) -> Option<String> {
        let mut header = String::new();
        for (at, warning) in self.0.iter().enumerate() {
            let field: String = warning
                .field
                .chars()
                .map(|c| if c.is_ascii_graphic() && c != ',' { c } else { '?' })
                .collect();
            let before = header.len();
            let comma = if at == 0 { "" } else { ", " };
            let written = write!(header, "{comma}{};field={field}", warning.code);
            if written.is_err() || header.len() > HEADER_BYTES_MAX - 8 {
                header.truncate(before);
                let _written = write!(header, "{comma}+{}", self.0.len() - at);
                break;
            }
        }
        (!header.is_empty()).then_some(header)
    }

    /// For a caller that wants everything or nothing: the first warning as a refusal that names its field.
    ///
    /// # Errors
    /// [`FaultCode::InvalidRequest`] if there is any.
    pub fn refuse_any(&self) -> Result<(), Fault> {
        match self.0.first() {
            None => Ok(()),
            Some(Warning { code, field }) => {
                let message =
                    format!("`{field}` cannot be carried to the model's provider as it is ({code}).");
                Err(Fault::new(FaultCode::InvalidRequest, message).with_param(field.clone()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_fit_a_header() {
        let mut warnings = Warnings::default();
        assert_eq!(warnings.header(), None);
        warnings.add("dropped", "seed");
        warnings.add("dropped", "seed");
        warnings.add("merged", "messages[3]é,");
        assert_eq!(warnings.header().unwrap(), "dropped;field=seed, merged;field=messages[3]??");
        for n in 0..1000 {
            warnings.add("dropped", format!("field_{n}"));
        }
        let header = warnings.header().unwrap();
        assert!(header.len() <= HEADER_BYTES_MAX && header.contains(", +9"), "{header}");
    }

    #[test]
    fn strict_callers_get_the_field_named() {
        let mut warnings = Warnings::default();
        assert_eq!(warnings.refuse_any(), Ok(()));
        warnings.add("dropped", "seed");
        let fault = warnings.refuse_any().unwrap_err();
        assert_eq!((fault.status(), fault.param.as_deref()), (400, Some("seed")));
    }
}
