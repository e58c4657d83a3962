//! What a provider wants back unread: made here, and known again only by who made it, for that model, unchanged.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::answer::sha256;

/// Why an artefact is not taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// Another provider made it, or nobody did.
    NotOurs,
    /// It belongs to another model.
    OtherModel,
    /// What it signs was changed.
    Changed,
}

/// Signs as one provider.
#[derive(Debug, Clone)]
pub(crate) struct Seal {
    /// The provider's name.
    pub name: String,
}

impl Seal {
    fn digest(&self, kind: &str, model: &str, content: &str) -> String {
        let mut digest = sha256(format!("{}\n{kind}\n{model}\n{content}\n", self.name).as_bytes());
        digest.truncate(32);
        digest
    }

    /// An artefact of a kind for a model, over what it belongs to. It is standard base64.
    pub(crate) fn make(&self, kind: &str, model: &str, content: &str) -> String {
        let digest = self.digest(kind, model, content);
        STANDARD.encode(format!("{}\n{kind}\n{model}\n{digest}", self.name))
    }

    /// Checks what came back.
    pub(crate) fn check(&self, token: &str, kind: &str, model: &str, content: &str) -> Result<(), Foreign> {
        let text = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or(Foreign::NotOurs)?;
        let parts: Vec<&str> = text.split('\n').collect();
        match parts[..] {
            [name, k, _, _] if name != self.name || k != kind => Err(Foreign::NotOurs),
            [_, _, made_for, digest] => {
                if made_for != model {
                    Err(Foreign::OtherModel)
                } else if digest != self.digest(kind, model, content) {
                    Err(Foreign::Changed)
                } else {
                    Ok(())
                }
            }
            _ => Err(Foreign::NotOurs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_maker_knows_it_again() {
        let seal = Seal { name: "a".to_owned() };
        let token = seal.make("signature", "m", "thought");
        assert_eq!(seal.check(&token, "signature", "m", "thought"), Ok(()));
        assert_eq!(seal.check(&token, "signature", "n", "thought"), Err(Foreign::OtherModel));
        assert_eq!(seal.check(&token, "signature", "m", "thougt"), Err(Foreign::Changed));
        assert_eq!(seal.check(&token, "redacted", "m", "thought"), Err(Foreign::NotOurs));
        let other = Seal { name: "b".to_owned() };
        assert_eq!(other.check(&token, "signature", "m", "thought"), Err(Foreign::NotOurs));
        for bad in ["", "x", "AAAA", "fb1.abc"] {
            assert_eq!(seal.check(bad, "signature", "m", "thought"), Err(Foreign::NotOurs));
        }
    }
}
