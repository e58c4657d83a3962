//! Citations: Anthropic's, and OpenAI's `url_citation` that stands for a page on the web in between.
//!
//! A page found by a search becomes a `url_citation` over the text so far and back; what points into the caller's own
//! documents stays as it stood.

use serde_json::{Value, json};

const WEB: &str = "web_search_result_location";

/// Theirs to ours; `chars` is how much text the block holds.
pub(super) fn decoded(theirs: Value, chars: u64) -> Value {
    if theirs["type"] != WEB || !theirs["url"].is_string() {
        return theirs;
    }
    json!({
        "type": "url_citation",
        "url": theirs["url"],
        "title": theirs["title"].as_str().unwrap_or_default(),
        "start_index": 0,
        "end_index": chars,
    })
}

/// Ours to theirs. OpenAI's other annotations have no place there.
pub(super) fn encoded(ours: &Value) -> Option<Value> {
    // Chat Completions nests the particulars, Responses does not.
    let inner = ours.get("url_citation").unwrap_or(ours);
    match ours["type"].as_str()? {
        "url_citation" => Some(json!({
            "type": WEB,
            "url": inner["url"],
            "title": inner["title"],
            "cited_text": "",
            "encrypted_index": "",
        })),
        word if word.ends_with("_location") => Some(ours.clone()),
        _ => None,
    }
}

/// Whether a citation in a conversation may go back to the provider: only whole ones of its own kind.
pub(super) fn returnable(citation: &Value) -> bool {
    let own = citation["type"].as_str().is_some_and(|word| word.ends_with("_location"));
    own && (citation["type"] != WEB
        || citation["encrypted_index"].as_str().is_some_and(|index| !index.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_become_url_citations_and_back() {
        let theirs = json!({"type": WEB, "url": "https://a.example", "title": "A", "cited_text": "x", "encrypted_index": "E"});
        assert!(returnable(&theirs));
        let ours = decoded(theirs, 7);
        assert_eq!(
            ours,
            json!({"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 7})
        );
        let back = encoded(&ours).unwrap();
        assert_eq!((&back["type"], &back["url"]), (&json!(WEB), &json!("https://a.example")));
        assert!(!returnable(&back));
        let page = json!({"type": "page_location", "document_index": 0});
        assert_eq!(decoded(page.clone(), 1), page);
        assert_eq!(encoded(&page), Some(page));
        assert_eq!(encoded(&json!({"type": "file_citation"})), None);
    }
}
