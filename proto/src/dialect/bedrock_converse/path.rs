//! The model's place in the URL.

use std::fmt::Write;

/// `/model/<id>` with the id as one segment: everything but unreserved characters is escaped, so that a `:` is
/// sent as `%3A` and the `/` of an ARN as `%2F`. The operation (`/converse`, `/converse-stream`) follows it. What
/// is signed has to be exactly this, or the signature does not match.
pub fn path(model: &str) -> String {
    let mut path = String::with_capacity(7 + model.len() + 8);
    path.push_str("/model/");
    for byte in model.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            let _written = write!(path, "%{byte:02X}");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment() {
        assert_eq!(path("us.amazon.nova-2-lite-v1:0"), "/model/us.amazon.nova-2-lite-v1%3A0");
        assert_eq!(
            path("arn:aws:bedrock:eu-west-1:1:inference-profile/a b?é"),
            "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Fa%20b%3F%C3%A9"
        );
    }
}
