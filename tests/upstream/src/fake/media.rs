//! Bytes in a body: base64 and data URLs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Whether a text is standard base64 of at least one byte.
pub(crate) fn is_base64(text: &str) -> bool {
    !text.is_empty() && STANDARD.decode(text).is_ok()
}

/// The media type and data of a `data:…;base64,…` URL with sound base64.
pub(crate) fn data_url(url: &str) -> Option<(&str, &str)> {
    let (media_type, data) = url.strip_prefix("data:")?.split_once(";base64,")?;
    is_base64(data).then_some((media_type, data))
}

/// Whether the bytes begin as a picture of that type does. Only these four are known.
pub(crate) fn is_picture(media_type: &str, data: &str) -> bool {
    let Ok(bytes) = STANDARD.decode(data) else { return false };
    match media_type {
        "image/png" => bytes.starts_with(b"\x89PNG"),
        "image/jpeg" => bytes.starts_with(b"\xff\xd8\xff"),
        "image/gif" => bytes.starts_with(b"GIF8"),
        "image/webp" => bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP".as_slice()),
        _ => true,
    }
}

/// Whether a URL is one that a provider would fetch.
pub(crate) fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_data_urls() {
        assert_eq!(data_url("data:image/png;base64,iVBORw=="), Some(("image/png", "iVBORw==")));
        assert_eq!(data_url("data:image/png;base64,%%"), None);
        assert_eq!(data_url("https://x/y.png"), None);
        assert!(is_picture("image/png", "iVBORw0KGgo="));
        assert!(!is_picture("image/jpeg", "iVBORw0KGgo="));
    }
}
