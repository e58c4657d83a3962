//! When a limit that is used up is filled again, from the headers that say so with every answer: OpenAI's
//! `x-ratelimit-*` (a span such as `6m0s`) and Anthropic's `anthropic-ratelimit-*` (a point in time), read 2026-11.

use std::time::Duration;

use http::HeaderMap;

/// Prefix of the header and the order of its two parts behind it.
const OPENAI: [&str; 2] = ["requests", "tokens"];
const ANTHROPIC: [&str; 4] = ["requests", "tokens", "input-tokens", "output-tokens"];

/// How long until every limit that is used up is filled again; `None` = none is, or nothing says so.
pub(crate) fn reset_hint(headers: &HeaderMap, now_ms: u64) -> Option<Duration> {
    let text = |name: String| headers.get(name)?.to_str().ok().map(str::trim);
    let spent = |name: String| text(name) == Some("0");
    let openai = OPENAI
        .iter()
        .filter(|kind| spent(format!("x-ratelimit-remaining-{kind}")))
        .filter_map(|kind| span(text(format!("x-ratelimit-reset-{kind}"))?));
    let anthropic = ANTHROPIC
        .iter()
        .filter(|kind| spent(format!("anthropic-ratelimit-{kind}-remaining")))
        .filter_map(|kind| until(text(format!("anthropic-ratelimit-{kind}-reset"))?, now_ms));
    openai.chain(anthropic).max()
}

/// A span as Go writes it, or plain seconds.
fn span(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let (mut rest, mut whole) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        let seconds = match &rest[digits..unit] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        whole = whole.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = &rest[unit..];
    }
    Some(whole)
}

/// From now to a point in time.
fn until(text: &str, now_ms: u64) -> Option<Duration> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Duration::from_millis(u64::try_from(at.as_millisecond()).ok()?.saturating_sub(now_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&'static str, &str)]) -> Option<u128> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        reset_hint(&headers, 1_795_000_000_000).map(|hint| hint.as_millis())
    }

    #[test]
    fn only_limits_that_are_used_up_count_and_of_those_the_longest() {
        let spent = [
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "1m30.5s"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "120ms"),
        ];
        assert_eq!(of(&spent), Some(90_500));
        assert_eq!(of(&[("x-ratelimit-remaining-requests", "7"), spent[1]]), None);
        assert_eq!(
            of(&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "20")]),
            Some(20_000)
        );
        let anthropic = [
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
            ("anthropic-ratelimit-input-tokens-reset", "2026-11-18T11:06:47Z"),
        ];
        assert_eq!(of(&anthropic), Some(1_795_000_007_000 - 1_795_000_000_000));
    }

    #[test]
    fn what_is_no_span_says_nothing() {
        for bad in ["", "soon", "1y", "s", "-1s", "1.2.3s", "99999999999999999999h"] {
            let pairs = [("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", bad)];
            assert!(of(&pairs).is_none_or(|ms| bad.is_empty() && ms == 0), "{bad}");
        }
    }
}
