//! What must not reach a caller is cut out of texts that others wrote: keys, tokens, hosts, addresses and account
//! ids, each replaced by `[redacted]`.
//!
//! A provider's message is written for the holder of the provider's account, which the caller is not. Words are
//! judged one by one by what they look like, so ordinary text, parameter paths, model names and the ids of
//! requests and tool calls stay. What a secret looks like is a guess; exact secrets are cut out by
//! [`redact_exact`] where they are known.

use std::borrow::Cow;

const REDACTED: &str = "[redacted]";

/// What keys and account ids of well-known vendors begin with.
const SECRET_PREFIXES: [&str; 27] = [
    "sk-",
    "sk_",
    "pk_",
    "rk_",
    "pk-",
    "rk-",
    "sess-",
    "org-",
    "org_",
    "proj_",
    "proj-",
    "acct_",
    "ghp_",
    "gho_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xai-",
    "gsk_",
    "hf_",
    "r8_",
    "nvapi-",
    "pplx-",
    "AIza",
    "ya29.",
    "fb-",
];

/// Ordinary words that begin like one of them.
const ORDINARY_TAILS: [&str; 12] = [
    "learn", "level", "wide", "scoped", "specific", "based", "owned", "admin", "name", "members", "member",
    "owner",
];

/// Ids of requests, answers and their parts: no secret, and what a message is often about.
const OPEN_PREFIXES: [&str; 16] = [
    "call_",
    "toolu_",
    "chatcmpl-",
    "cmpl-",
    "msg_",
    "resp_",
    "req_",
    "req-",
    "fc_",
    "rs_",
    "file-",
    "file_",
    "batch_",
    "run_",
    "thread_",
    "asst_",
];

/// Last labels by which a dotted word is taken for a host name.
const HOST_ENDINGS: [&str; 24] = [
    "com",
    "net",
    "org",
    "io",
    "ai",
    "dev",
    "app",
    "cloud",
    "internal",
    "local",
    "localdomain",
    "lan",
    "corp",
    "intranet",
    "co",
    "eu",
    "de",
    "fr",
    "uk",
    "cn",
    "us",
    "svc",
    "run",
    "host",
];

/// Words after which the next odd-looking word is taken for a secret.
const SECRET_NAMES: [&str; 14] = [
    "key",
    "token",
    "secret",
    "password",
    "passwd",
    "credential",
    "authorization",
    "api_key",
    "apikey",
    "api-key",
    "x-api-key",
    "access_token",
    "subscription",
    "tenant",
];

/// `text` without anything that looks like a key, a bearer token, a URL, a host, an address or an account id.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut kept = 0;
    let mut at = 0;
    let mut previous = "";
    while let Some(word) = next_word(text, at) {
        at = word.end;
        let (start, end) = match judge(text, word.clone(), previous) {
            Some(cut) => (cut.start, cut.end),
            None => {
                previous = trimmed(&text[word]);
                continue;
            }
        };
        previous = "";
        at = end.max(at);
        out.push_str(&text[kept..start]);
        out.push_str(REDACTED);
        kept = end;
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

/// `text` without any occurrence of the given secrets; those shorter than 4 bytes are passed over.
pub fn redact_exact<'a>(text: &'a str, secrets: &[&str]) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(text);
    for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
        if text.contains(secret) {
            text = Cow::Owned(text.replace(secret, REDACTED));
        }
    }
    text
}

type Span = std::ops::Range<usize>;

fn in_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"_-*.@+~".contains(&b) || b >= 0x80
}

/// Characters that a secret may go on with behind a word's end.
fn in_secret(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"_-*.+~/=%".contains(&b)
}

fn in_url(b: u8) -> bool {
    b.is_ascii_graphic() && !b"\"'`<>()[]{}|\\,;".contains(&b)
}

fn next_word(text: &str, from: usize) -> Option<Span> {
    let bytes = text.as_bytes();
    let start = (from..bytes.len()).find(|at| in_word(bytes[*at]))?;
    Some(start..run(text, start, in_word))
}

/// Where the run of bytes that satisfy `is` and starts at `start` ends.
fn run(text: &str, start: usize, is: fn(u8) -> bool) -> usize {
    start + text.as_bytes()[start..].iter().take_while(|b| is(**b)).count()
}

/// A word without the full stops and dashes that belong to the sentence.
fn trimmed(word: &str) -> &str {
    word.trim_matches(|c| matches!(c, '.' | '-' | '+' | '~'))
}

/// The span to cut out for the word at `span`, if it or what it starts is to be cut out.
fn judge(text: &str, span: Span, previous: &str) -> Option<Span> {
    let raw = &text[span.clone()];
    let after = &text[span.end..];
    if after.starts_with("://") {
        return Some(span.start..sentence_end(text, span.start, run(text, span.end + 1, in_url)));
    }
    let word = trimmed(raw);
    let start = span.start + raw.find(word).unwrap_or(0);
    let to_end = |is: fn(u8) -> bool| Some(start..sentence_end(text, start, run(text, span.end, is)));
    if word.eq_ignore_ascii_case("arn") && after.starts_with(":aws") {
        return to_end(in_url);
    }
    if is_host(word) || is_email(word) || is_address(word) || is_named_port(word, after, previous) {
        return Some(start..with_port(text, start + word.len()));
    }
    let assigned = after.as_bytes().first() == Some(&b'=') && is_secret_name(word);
    if assigned && run(text, span.end + 1, in_secret) > span.end + 4 {
        let value = span.end + 1;
        return Some(value..sentence_end(text, value, run(text, value, in_secret)));
    }
    if is_secret(word) || (follows_secret_name(previous, word) && !is_open(word)) {
        return to_end(in_secret);
    }
    None
}

/// `end` without the sentence's own punctuation.
fn sentence_end(text: &str, start: usize, end: usize) -> usize {
    start + text[start..end].trim_end_matches(['.', ':', '!', '?']).len()
}

fn has_prefix(word: &str, prefixes: &[&str]) -> Option<usize> {
    prefixes.iter().find(|prefix| word.starts_with(**prefix)).map(|prefix| prefix.len())
}

fn is_open(word: &str) -> bool {
    has_prefix(word, &OPEN_PREFIXES).is_some()
}

fn is_secret(word: &str) -> bool {
    if is_open(word) {
        return false;
    }
    if let Some(len) = has_prefix(word, &SECRET_PREFIXES) {
        let tail = &word[len..];
        return tail.len() >= 4 && !ORDINARY_TAILS.contains(&tail);
    }
    let digits = |s: &str| s.bytes().filter(u8::is_ascii_digit).count();
    let aws = word.len() == 20 && (word.starts_with("AKIA") || word.starts_with("ASIA"));
    let jwt = word.starts_with("eyJ") && word.len() > 20;
    let masked = word.contains("***") && word.len() > 6;
    let random = word.split(|c: char| !c.is_ascii_alphanumeric()).any(|run| {
        let letters = run.len() - digits(run);
        run.len() >= 20 && digits(run) >= 3 && letters >= 3
    });
    aws || jwt || masked || random
}

fn is_secret_name(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    SECRET_NAMES.contains(&lower.as_str()) || lower.ends_with("_key") || lower.ends_with("_token")
}

/// Whether `word` is what the word before it announced: a bearer token, or the value of a key.
fn follows_secret_name(previous: &str, word: &str) -> bool {
    let has = |is: fn(&u8) -> bool| word.bytes().any(|b| is(&b));
    let letter = has(u8::is_ascii_alphabetic);
    if previous.eq_ignore_ascii_case("bearer") || previous.eq_ignore_ascii_case("basic") {
        return word.len() >= 16 || (word.len() >= 6 && letter && has(u8::is_ascii_digit));
    }
    let announced =
        is_secret_name(previous) || matches!(previous, "provided" | "account" | "organization" | "project");
    announced && word.len() >= 8 && !word.contains('.') && letter && has(u8::is_ascii_digit)
}

fn is_host(word: &str) -> bool {
    let labels = || word.split('.');
    labels().count() >= 2
        && labels()
            .all(|l| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'))
        && labels().next_back().is_some_and(|last| HOST_ENDINGS.contains(&last.to_ascii_lowercase().as_str()))
}

fn is_email(word: &str) -> bool {
    word.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'))
}

fn is_address(word: &str) -> bool {
    word.parse::<std::net::Ipv4Addr>().is_ok()
}

/// A bare name that is a host by what surrounds it: `localhost`, or a name with a port behind the word "host".
fn is_named_port(word: &str, after: &str, previous: &str) -> bool {
    let port = after.strip_prefix(':').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let announced =
        ["host", "hostname", "server", "upstream"].iter().any(|w| previous.eq_ignore_ascii_case(w));
    word.eq_ignore_ascii_case("localhost") || (port && announced)
}

/// The end of a port behind `end`.
fn with_port(text: &str, end: usize) -> usize {
    let digits =
        text[end..].strip_prefix(':').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    if digits == 0 { end } else { end + 1 + digits }
}

#[cfg(test)]
mod tests {
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
            (
                "User: arn:aws:iam::123456789012:user/bob is not authorized",
                "User: [redacted] is not authorized",
            ),
            ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_def expired", "jwt [redacted] expired"),
            ("api_key=hunter2secret&x=1", "api_key=[redacted]&x=1"),
            ("x-api-key: 0123456789abcdef0123456789abcdef", "x-api-key: [redacted]"),
            ("Invalid API key provided: abcd1234", "Invalid API key provided: [redacted]"),
            (
                "Cannot connect to host vllm-7b:8000 ssl:default [Connect call failed ('10.0.0.5', 8000)]",
                "Cannot connect to host [redacted] ssl:default [Connect call failed ('[redacted]', 8000)]",
            ),
            (
                "no route to myres.openai.azure.com:443 or localhost:9001",
                "no route to [redacted] or [redacted]",
            ),
            ("see (http://user:pw@10.1.2.3:80/v1?key=x), then retry", "see ([redacted]), then retry"),
            (
                "contact ops@example.co about wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                "contact [redacted] about wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
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
}
