//! The provider's body, made from the caller's by changing the model's name.

use bytes::Bytes;

use crate::dialect::json::{self, Edit};
use crate::dialect::openai_chat::request::{expected, object, utf8};
use crate::dialect::openai_chat::rewrite::{quoted, splice};
use crate::fault::{Fault, FaultCode};

/// The caller's body, byte for byte, but for the value of its top-level `model`.
///
/// # Errors
/// [`FaultCode::InvalidRequest`] for a body that [`scan`](super::scan()) would have refused as well.
pub fn rewrite(body: &Bytes, model: &str) -> Result<Bytes, Fault> {
    let text = utf8(body)?;
    let (mut named, mut twice) = (None, false);
    object(text, |member| {
        if member.name() == "model" {
            twice |= named.replace(member.value).is_some();
        }
    })?;
    if twice {
        return Err(Fault::new(FaultCode::InvalidRequest, "The body names a key twice.").with_param("model"));
    }
    let named = named.ok_or_else(|| expected("model", "a string"))?;
    let asked = json::string(named).ok_or_else(|| expected("model", "a string"))?;
    if asked == model {
        return Ok(body.clone());
    }
    Ok(splice(body, vec![Edit::replace(text, named, quoted(model))]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_model_changes() {
        let body = r#"{ "input" : ["model"], "model":"fast","x":1.50 }"#;
        let out = rewrite(&Bytes::copy_from_slice(body.as_bytes()), "text-\"3\"").unwrap();
        assert_eq!(&out[..], br#"{ "input" : ["model"], "model":"text-\"3\"","x":1.50 }"#);
        let same = Bytes::from_static(br#"{"model":"\u0061"}"#);
        assert_eq!(rewrite(&same, "a").unwrap().as_ptr(), same.as_ptr());
        for bad in ["{}", "[]", r#"{"model":1}"#, r#"{"model":"a","model":"b"}"#] {
            assert!(rewrite(&Bytes::copy_from_slice(bad.as_bytes()), "m").is_err(), "{bad}");
        }
    }
}
