//! Names of models: the same model goes by several, and rows of the catalogue by patterns.

use crate::config::ProviderKind;

/// The places that Bedrock's inference profiles stand for.
pub(super) const GEOS: [&str; 9] = ["us", "eu", "apac", "au", "jp", "ca", "sa", "us-gov", "global"];

/// The names under which a row may know `model`, each a part of it: as it stands; without `models/` (Gemini); of an
/// ARN its last part; without version, date and `-latest`; and at Bedrock without the place.
pub(super) fn candidates(kind: ProviderKind, model: &str) -> Vec<&str> {
    let mut names = Vec::with_capacity(8);
    let base = match kind {
        ProviderKind::Bedrock => model.rsplit('/').next().unwrap_or(model),
        ProviderKind::Gemini => model.strip_prefix("models/").unwrap_or(model),
        _ => model,
    };
    add_shorter(kind, base, &mut names);
    if kind == ProviderKind::Bedrock
        && let Some((geo, bare)) = base.split_once('.')
        && GEOS.contains(&geo)
    {
        add_shorter(kind, bare, &mut names);
    }
    names
}

/// The name and what is left of it without its endings, one after the other.
fn add_shorter<'a>(kind: ProviderKind, mut name: &'a str, names: &mut Vec<&'a str>) {
    names.push(name);
    let endings: &[fn(&str) -> Option<&str>] = match kind {
        ProviderKind::Bedrock => &[revision, version, date],
        _ => &[date, latest],
    };
    for ending in endings {
        if let Some(shorter) = ending(name).filter(|shorter| !shorter.is_empty()) {
            name = shorter;
            names.push(name);
        }
    }
}

/// `:0`, `:0:200k`.
fn revision(name: &str) -> Option<&str> {
    name.split_once(':').map(|(name, _)| name)
}

/// `-v1`.
fn version(name: &str) -> Option<&str> {
    let (name, version) = name.rsplit_once("-v")?;
    (!version.is_empty() && version.bytes().all(|b| b.is_ascii_digit())).then_some(name)
}

fn latest(name: &str) -> Option<&str> {
    name.strip_suffix("-latest")
}

/// `-20250929`, `-2024-08-06`.
fn date(name: &str) -> Option<&str> {
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let (rest, day) = name.rsplit_once('-')?;
    if digits(day, 8) {
        return Some(rest);
    }
    let (rest, month) = rest.rsplit_once('-').filter(|_| digits(day, 2))?;
    let (rest, year) = rest.rsplit_once('-').filter(|_| digits(month, 2))?;
    digits(year, 4).then_some(rest)
}

/// Whether a pattern, whose `*` stand for any text, fits all of `name`.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut pieces = rest.split('*').peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return name.ends_with(piece);
        }
        let Some(at) = name.find(piece) else { return false };
        name = name.get(at + piece.len()..).unwrap_or_default();
    }
    true
}

/// How much a pattern says: the more characters the more, and of equals the one without a `*`.
pub(super) fn weight(pattern: &str) -> (usize, bool) {
    let stars = pattern.bytes().filter(|b| *b == b'*').count();
    (pattern.len() - stars, stars == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_goes_by_several_names() {
        let cases: [(ProviderKind, &str, &[&str]); 8] = [
            (ProviderKind::Openai, "gpt-4o-2024-08-06", &["gpt-4o-2024-08-06", "gpt-4o"]),
            (ProviderKind::Openai, "gpt-5-chat-latest", &["gpt-5-chat-latest", "gpt-5-chat"]),
            (
                ProviderKind::Anthropic,
                "claude-sonnet-4-20250514",
                &["claude-sonnet-4-20250514", "claude-sonnet-4"],
            ),
            (ProviderKind::Gemini, "models/gemini-2.5-pro", &["gemini-2.5-pro"]),
            (
                ProviderKind::Bedrock,
                "cohere.embed-v4:0",
                &["cohere.embed-v4:0", "cohere.embed-v4", "cohere.embed"],
            ),
            (
                ProviderKind::Bedrock,
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                &[
                    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                    "us.anthropic.claude-sonnet-4-5-20250929-v1",
                    "us.anthropic.claude-sonnet-4-5-20250929",
                    "us.anthropic.claude-sonnet-4-5",
                    "anthropic.claude-sonnet-4-5-20250929-v1:0",
                    "anthropic.claude-sonnet-4-5-20250929-v1",
                    "anthropic.claude-sonnet-4-5-20250929",
                    "anthropic.claude-sonnet-4-5",
                ],
            ),
            (
                ProviderKind::Bedrock,
                "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
                &["amazon.nova-pro-v1:0", "amazon.nova-pro-v1", "amazon.nova-pro"],
            ),
            (ProviderKind::OpenaiCompatible, "", &[""]),
        ];
        for (kind, model, expected) in cases {
            assert_eq!(candidates(kind, model), expected, "{model}");
        }
    }

    #[test]
    fn patterns_fit_whole_names() {
        for (pattern, name) in
            [("a", "a"), ("a*", "a"), ("*", ""), ("a*c", "abc"), ("a*b*c", "axxbyc"), ("*b", "ab")]
        {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a", "ab"), ("a*", "b"), ("a*c", "ab"), ("a*b*c", "acb"), ("", "a")] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
        assert!(weight("gpt-4o-mini*") > weight("gpt-4o*") && weight("a") > weight("a*"));
    }
}
