//! Sentences as providers write them, canaries, and ordinary text that has to stay.

use proptest::prelude::*;

use super::*;

#[test]
fn secrets_are_cut_out_of_sentences() {
    let cases = [
        (
            "Incorrect API key provided: sk-proj-********************cdef. You can find your API key at https://platform.openai.com/account/api-keys.",
            "Incorrect API key provided: [redacted]. You can find your API key at [redacted].",
        ),
        ("Authorization: Bearer abcdefghijklmnop", "Authorization: Bearer [redacted]"),
        ("authorization='bearer tok3n-abc/def=='", "authorization='bearer [redacted]'"),
        (
            "Rate limit reached for gpt-4o in organization org-AbC123dEf456 on tokens per min (TPM)",
            "Rate limit reached for gpt-4o in organization [redacted] on tokens per min (TPM)",
        ),
        (
            "Project `proj_abcdEFGH` does not have access to model `gpt-4o`",
            "Project `[redacted]` does not have access to model `gpt-4o`",
        ),
        ("key AIzaSyA-1234567890abcdefghijklmnopqrstu!", "key [redacted]!"),
        ("AKIAIOSFODNN7EXAMPLE is not authorized", "[redacted] is not authorized"),
        ("User: arn:aws:iam::123456789012:user/bob is not authorized", "User: [redacted] is not authorized"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_def expired", "jwt [redacted] expired"),
        ("api_key=hunter2secret&x=1", "api_key=[redacted]&x=1"),
        ("x-api-key: 0123456789abcdef0123456789abcdef", "x-api-key: [redacted]"),
        ("Invalid API key provided: abcd1234", "Invalid API key provided: [redacted]"),
        (
            "Cannot connect to host vllm-7b:8000 ssl:default [Connect call failed ('10.0.0.5', 8000)]",
            "Cannot connect to host [redacted] ssl:default [Connect call failed ('[redacted]', 8000)]",
        ),
        ("no route to myres.openai.azure.com:443 or localhost:9001", "no route to [redacted] or [redacted]"),
        ("see (http://user:pw@10.1.2.3:80/v1?key=x), then retry", "see ([redacted]), then retry"),
        (
            "contact ops@example.co.jp about wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "contact [redacted] about [redacted]",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(redact(text), expected);
    }
}

#[test]
fn ordinary_text_stays() {
    for text in [
        "",
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 130042 tokens.",
        "Invalid type for 'messages[0].content': expected a string, e.g. \"hi\".",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "The model `claude-3-5-sonnet-20241022` does not exist; try meta-llama/Llama-3.3-70B-Instruct-Turbo.",
        "tool_call_id call_AbC123dEf456GhI789jKl012 was not answered (request req_011CQf3456789abcdefghijk)",
        "An org-level, org-wide or risk-based limit; sk-learn 1.2.3 (v1/chat/completions)",
        "You need to provide your API key in an Authorization header using Bearer auth.",
        "Bearer token missing; basic checks failed. Unexpected token at position 12345678",
        "Invalid model provided: gpt-4o-mini; std::fmt at 12:30:45; the /v1/chat/completions/Extra path",
        "tools[0].function.parameters.properties.app and messages.1.internal need asyncio.run, e.g. litellm.APIError",
        "Rate limit: 500 requests per 1m0s, retry in 12.5s at 2026-11-20T12:00:00Z",
        "expected one of: low, medium, high. Größe überschritten — 漢字…",
        "messages.0.content.1.image_url.url: file type image/webp is not one of image/png, image/jpeg",
    ] {
        assert_eq!(redact(text), text);
        assert!(matches!(redact(text), Cow::Borrowed(_)));
    }
}

#[test]
fn known_secrets_go_whatever_they_look_like() {
    assert_eq!(
        redact_exact("the key plain is plain", &["plain", "", "is"]),
        "the key [redacted] is [redacted]"
    );
    assert!(matches!(redact_exact("nothing", &["secret"]), Cow::Borrowed(_)));
}

proptest! {
    #[test]
    fn any_text_is_read_and_read_only_once(text in "(sk-|Bearer |https?://|key[=: ]|org-|[a-z0-9.:@/_=\\-*é漢 \n]|\\PC){0,40}") {
        redact(&text);
    }

    #[test]
    fn canaries_never_survive(before in "[a-z ,:(\"']{0,20}", canary in "sk-[A-Za-z0-9_-]{4}[A-Za-z0-9]{12,40}", after in "[ ,.)\"']{1}[a-z ]{0,20}") {
        let text = format!("{before} {canary}{after}");
        prop_assert!(!redact(&text).contains(&canary[3..]), "{}", redact(&text));
    }
}
