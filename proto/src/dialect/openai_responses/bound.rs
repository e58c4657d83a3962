//! Encrypted reasoning and the id of its item. The provider refuses the one without the other's match ("Encrypted
//! content item_id did not match the target item id"), but takes it without an id; so both travel as one text.

/// No id and no base64 holds it.
const BAR: char = '|';

/// Ids and content as one text.
pub(super) fn join(id: Option<&str>, content: &str) -> String {
    match id {
        Some(id) if id.starts_with("rs_") && !id.contains(BAR) => format!("{id}{BAR}{content}"),
        _ => content.to_owned(),
    }
}

/// The id, where known, and the content.
pub(super) fn split(data: &str) -> (Option<&str>, &str) {
    match data.split_once(BAR) {
        Some((id, content)) if id.starts_with("rs_") => (Some(id), content),
        _ => (None, data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_back_or_was_never_there() {
        assert_eq!(split(&join(Some("rs_1"), "gA=")), (Some("rs_1"), "gA="));
        assert_eq!(split(&join(None, "gA=")), (None, "gA="));
        assert_eq!(split(&join(Some("weird"), "g|A")), (None, "g|A"));
    }
}
