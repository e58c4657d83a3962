//! What single words look like: keys, account ids, hosts, and the ids that may be shown.

/// What keys of well-known vendors begin with.
const KEY_PREFIXES: [&str; 23] = [
    "sk-",
    "sk_",
    "pk_",
    "rk_",
    "pk-",
    "rk-",
    "sess-",
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
    "fb_",
];

/// What account ids of well-known vendors begin with.
const ACCOUNT_PREFIXES: [&str; 5] = ["org-", "org_", "proj_", "proj-", "acct_"];

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
const HOST_ENDINGS: [&str; 22] = [
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
];

/// What the path of a parameter begins with, whatever it ends with.
const PATH_ROOTS: [&str; 13] = [
    "messages",
    "message",
    "content",
    "tools",
    "tool",
    "function",
    "functions",
    "parameters",
    "properties",
    "response_format",
    "input",
    "body",
    "choices",
];

/// Words after which an odd-looking word is taken for a secret.
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

/// Words after which an odd-looking word is taken for an account.
const ACCOUNT_NAMES: [&str; 3] = ["account", "organization", "project"];

/// An id that may be shown.
pub(super) fn is_open(word: &str) -> bool {
    OPEN_PREFIXES.iter().any(|prefix| word.starts_with(prefix))
}

/// A key or token by its own looks: a known prefix, a mask, a JWT, or a long run of mixed letters and digits.
pub(super) fn is_secret(word: &str) -> bool {
    if is_open(word) {
        return false;
    }
    let aws = word.len() == 20 && (word.starts_with("AKIA") || word.starts_with("ASIA"));
    let jwt = word.starts_with("eyJ") && word.len() > 20;
    let masked = word.contains("***") && word.len() > 6;
    let random = word.split(|c: char| !c.is_ascii_alphanumeric()).any(|run| {
        let digits = run.bytes().filter(u8::is_ascii_digit).count();
        run.len() >= 20 && digits >= 3 && run.len() - digits >= 3
    });
    begins(word, &KEY_PREFIXES) || aws || jwt || masked || random
}

/// An account's id.
pub(super) fn is_account(word: &str) -> bool {
    let email = word.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'));
    email || begins(word, &ACCOUNT_PREFIXES)
}

fn begins(word: &str, prefixes: &[&str]) -> bool {
    let tail = prefixes.iter().find_map(|prefix| word.strip_prefix(prefix));
    tail.is_some_and(|tail| tail.len() >= 4 && !ORDINARY_TAILS.contains(&tail))
}

/// A long base64 text with slashes or plus signs, which words end at.
pub(super) fn is_base64_secret(text: &str) -> bool {
    let count = |is: fn(&u8) -> bool| text.bytes().filter(is).count();
    text.len() >= 40
        && text.contains(['/', '+'])
        && count(u8::is_ascii_digit) >= 1
        && count(u8::is_ascii_uppercase) >= 4
        && count(u8::is_ascii_lowercase) >= 4
}

/// A name whose value is a secret.
pub(super) fn is_secret_name(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    SECRET_NAMES.contains(&lower.as_str()) || lower.ends_with("_key") || lower.ends_with("_token")
}

/// Whether `word` is what the words before it announced: a bearer token, the value of a key, an account.
pub(super) fn follows_secret_name(before: [&str; 2], word: &str) -> bool {
    let has = |is: fn(&u8) -> bool| word.bytes().any(|b| is(&b));
    let mixed = has(u8::is_ascii_alphabetic) && has(u8::is_ascii_digit);
    if before[1].eq_ignore_ascii_case("bearer") || before[1].eq_ignore_ascii_case("basic") {
        return word.len() >= 16 || (word.len() >= 6 && mixed);
    }
    let announced = is_secret_name(before[1])
        || (before[1] == "provided" && is_secret_name(before[0]))
        || ACCOUNT_NAMES.iter().any(|name| before[1].eq_ignore_ascii_case(name));
    announced && word.len() >= 8 && !word.contains('.') && mixed
}

/// A host name or an IPv4 address. The path of a parameter, `messages.0.app`, is neither.
pub(super) fn is_host(word: &str) -> bool {
    let label = |l: &str| {
        l.bytes().any(|b| !b.is_ascii_digit())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let known = |last: &str| HOST_ENDINGS.iter().any(|ending| last.eq_ignore_ascii_case(ending));
    let path = word.split('.').next().is_some_and(|first| PATH_ROOTS.contains(&first));
    let named = word.rsplit_once('.').is_some_and(|(rest, last)| known(last) && rest.split('.').all(label));
    (named && !path) || word.parse::<std::net::Ipv4Addr>().is_ok()
}
