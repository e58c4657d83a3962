//! The provider's body, made from the caller's.

use bytes::Bytes;

use crate::fault::{Fault, FaultCode};

/// The caller's body with `model` in place of the model it names.
pub fn rewrite(body: &Bytes, model: &str) -> Result<Bytes, Fault> {
    let bad = |_| Fault::new(FaultCode::InvalidRequest, "expected a JSON object as the body");
    let mut value: serde_json::Value = serde_json::from_slice(body).map_err(bad)?;
    value["model"] = model.into();
    if value["stream"] == true {
        value["stream_options"]["include_usage"] = true.into();
    }
    Ok(Bytes::from(value.to_string()))
}
