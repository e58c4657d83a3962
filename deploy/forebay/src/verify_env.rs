//! `forebay verify-env`: whether the environment of a hosted deployment is complete and safe, before anything is started
//! with it. It prints names and what is wrong with them, never a value.

use proto::guard::check_url;
use serde::Serialize;
use serde_json::json;

use crate::output;
use crate::secrets::{MASTER_ENV, weakness};

const REQUIRED: [&str; 18] = [
    "NODE_ENV",
    "HOSTED_ENVIRONMENT",
    "HOSTED_SECRET_MANAGER",
    "API_PUBLIC_BASE_URL",
    "GATEWAY_PUBLIC_BASE_URL",
    "DASHBOARD_PUBLIC_BASE_URL",
    "PUBLIC_SUPPORT_URL",
    "API_CORS_ORIGINS",
    "GATEWAY_CORS_ORIGINS",
    "SECURITY_CONTACT_EMAIL",
    "ABUSE_CONTACT_EMAIL",
    "INCIDENT_CONTACT_EMAIL",
    "DATABASE_URL",
    MASTER_ENV,
    "ADMIN_TOKEN",
    "DEVELOPER_ADMIN_TOKEN",
    "LITELLM_BASE_URL",
    "LITELLM_MASTER_KEY",
];
const SECRETS: [&str; 4] = [MASTER_ENV, "ADMIN_TOKEN", "DEVELOPER_ADMIN_TOKEN", "LITELLM_MASTER_KEY"];
const URLS: [&str; 5] = [
    "API_PUBLIC_BASE_URL",
    "GATEWAY_PUBLIC_BASE_URL",
    "DASHBOARD_PUBLIC_BASE_URL",
    "PUBLIC_SUPPORT_URL",
    "LITELLM_BASE_URL",
];
const ORIGINS: [&str; 2] = ["API_CORS_ORIGINS", "GATEWAY_CORS_ORIGINS"];
const EMAILS: [&str; 3] = ["SECURITY_CONTACT_EMAIL", "ABUSE_CONTACT_EMAIL", "INCIDENT_CONTACT_EMAIL"];
const PROVIDERS: [&str; 4] = ["OPENAI_API_KEY", "OPENROUTER_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"];
const STRIPE: [&str; 2] = ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"];
const STRICT_PROVIDER: &str = "REQUIRE_HOSTED_PROVIDER";
const STRICT_STRIPE: &str = "REQUIRE_HOSTED_STRIPE";
/// The shortest master secret, in characters.
const MASTER_MIN: usize = 32;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Problem {
    /// The variable.
    name: &'static str,
    /// What is wrong with it.
    problem: String,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Report {
    problems: Vec<Problem>,
    /// Switches of strict checks that were not asked for.
    skipped: Vec<&'static str>,
}

/// Runs the command; whether the environment is complete and safe.
pub(crate) fn run(json: bool) -> anyhow::Result<bool> {
    let report = verify(|name| std::env::var(name).ok());
    let ok = report.problems.is_empty();
    if json {
        output::json(&json!({ "ok": ok, "problems": report.problems, "skipped": report.skipped }))?;
        return Ok(ok);
    }
    for problem in &report.problems {
        output::line(&format!("FAIL {}: {}", problem.name, problem.problem))?;
    }
    for switch in &report.skipped {
        output::line(&format!("SKIPPED what {switch}=1 checks"))?;
    }
    output::line(if ok {
        "PASS the environment is complete and safe"
    } else {
        "the environment is not ready"
    })?;
    Ok(ok)
}

fn verify(lookup: impl Fn(&str) -> Option<String>) -> Report {
    let get = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
    let mut report = Report::default();
    let mut wrong = |name: &'static str, problem: String| {
        report.problems.push(Problem { name, problem });
    };
    for name in REQUIRED {
        let Some(value) = get(name) else {
            wrong(name, "is not set".to_owned());
            continue;
        };
        let problem = match name {
            "NODE_ENV" if value != "production" => Some("must be production".to_owned()),
            MASTER_ENV if value.chars().count() < MASTER_MIN => {
                Some(format!("is shorter than {MASTER_MIN} characters"))
            }
            name if SECRETS.contains(&name) => weakness(&value),
            name if URLS.contains(&name) => address(&value),
            name if ORIGINS.contains(&name) => origins(&value),
            name if EMAILS.contains(&name) => email(&value),
            _ => None,
        };
        if let Some(problem) = problem {
            wrong(name, problem);
        }
    }
    for name in PROVIDERS.into_iter().chain(STRIPE) {
        if let Some(problem) = get(name).and_then(|value| key(&value)) {
            wrong(name, problem);
        }
    }
    let asked = |switch: &str| get(switch).as_deref() == Some("1");
    if asked(STRICT_PROVIDER) && PROVIDERS.iter().all(|name| get(name).is_none()) {
        wrong(STRICT_PROVIDER, format!("none of {} is set", PROVIDERS.join(", ")));
    }
    if asked(STRICT_STRIPE) {
        for name in STRIPE.into_iter().filter(|name| get(name).is_none()) {
            wrong(name, format!("is not set, and {STRICT_STRIPE}=1 asks for it"));
        }
    }
    report.skipped = [STRICT_PROVIDER, STRICT_STRIPE].into_iter().filter(|switch| !asked(switch)).collect();
    report
}

/// A vendor's key: as it is given out, so that only placeholders are refused.
fn key(value: &str) -> Option<String> {
    weakness(value).filter(|why| why.starts_with("contains"))
}

fn address(value: &str) -> Option<String> {
    check_url(&secured(value), false).err().map(|error| format!("is no public http or https URL: {error}"))
}

/// The same address with https: whether that is spoken is the business of what stands in front.
fn secured(value: &str) -> String {
    value.strip_prefix("http://").map_or_else(|| value.to_owned(), |rest| format!("https://{rest}"))
}

fn origins(value: &str) -> Option<String> {
    value.split(',').map(str::trim).find_map(|origin| {
        let (wanted, problem) = (secured(origin), |text: &str| Some(text.to_owned()));
        if origin.contains('*') {
            return problem("names a wildcard: list exact origins");
        }
        match check_url(&wanted, false) {
            Err(_) => problem("names an origin that is not public"),
            Ok(url) if url.origin().ascii_serialization() == wanted => None,
            Ok(_) => problem("names something that is no exact origin, such as https://app.example.com"),
        }
    })
}

fn email(value: &str) -> Option<String> {
    let well_formed = value.split_once('@').is_some_and(|(name, host)| {
        let plain = |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '@');
        plain(name) && plain(host) && host.contains('.') && !host.starts_with('.') && !host.ends_with('.')
    });
    (!well_formed).then(|| "is no e-mail address".to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn good() -> BTreeMap<&'static str, String> {
        let mut all: BTreeMap<&str, String> =
            REQUIRED.into_iter().map(|name| (name, "set".to_owned())).collect();
        all.insert("NODE_ENV", "production".to_owned());
        for (n, name) in SECRETS.into_iter().enumerate() {
            all.insert(name, format!("b7Qm2-vX9_kLs8RtYw3ZpJc5NfHd6Gg{n}"));
        }
        for name in URLS {
            all.insert(name, "https://gateway.acme.io".to_owned());
        }
        for name in ORIGINS {
            all.insert(name, "https://app.acme.io, https://console.acme.io:8443".to_owned());
        }
        for name in EMAILS {
            all.insert(name, "ops@acme.io".to_owned());
        }
        all
    }

    fn check(env: &BTreeMap<&'static str, String>) -> Report {
        verify(|name| env.get(name).cloned())
    }

    #[test]
    fn a_good_environment_passes_and_says_what_was_skipped() {
        let report = check(&good());
        assert_eq!(report.problems, []);
        assert_eq!(report.skipped, [STRICT_PROVIDER, STRICT_STRIPE]);
    }

    #[test]
    fn each_variable_that_is_missing_is_named() {
        for name in REQUIRED {
            for value in [None, Some(" ".to_owned())] {
                let mut env = good();
                env.remove(name);
                env.extend(value.map(|value| (name, value)));
                let report = check(&env);
                assert_eq!(report.problems.iter().map(|p| p.name).collect::<Vec<_>>(), [name]);
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_no_value_is_shown() {
        for (name, value) in [
            ("NODE_ENV", "CANARY-development"),
            (MASTER_ENV, "CANARYb7Qm2-vX9_kLs8RtYw3Z"),
            ("ADMIN_TOKEN", "CANARY-changeme-changeme-changeme"),
            ("ADMIN_TOKEN", "CANARY-short"),
            ("DEVELOPER_ADMIN_TOKEN", "CANARY-placeholder-dvgqlqzkTYRSH"),
            ("LITELLM_MASTER_KEY", "sk-1234-CANARY-0987qwertzuiop"),
            ("LITELLM_BASE_URL", "http://canary.localhost:4000"),
            ("LITELLM_BASE_URL", "https://10.0.0.1/CANARY"),
            ("API_PUBLIC_BASE_URL", "https://169.254.169.254/CANARY"),
            ("GATEWAY_PUBLIC_BASE_URL", "ftp://CANARY.acme.io"),
            ("DASHBOARD_PUBLIC_BASE_URL", "https://CANARY:pw@acme.io"),
            ("PUBLIC_SUPPORT_URL", "CANARY"),
            ("API_CORS_ORIGINS", "*"),
            ("API_CORS_ORIGINS", "https://*.canary.io"),
            ("GATEWAY_CORS_ORIGINS", "https://canary.io/"),
            ("GATEWAY_CORS_ORIGINS", "https://canary.io,https://localhost:3000"),
            ("SECURITY_CONTACT_EMAIL", "CANARY"),
            ("ABUSE_CONTACT_EMAIL", "CANARY@localhost"),
            ("OPENAI_API_KEY", "CANARY-your-key-here-your-key"),
        ] {
            let mut env = good();
            env.insert(name, value.to_owned());
            let report = check(&env);
            assert_eq!(report.problems.iter().map(|p| p.name).collect::<Vec<_>>(), [name], "{value}");
            let said = serde_json::to_string(&report).unwrap();
            assert!(!said.to_lowercase().contains("canary"), "{said}");
        }
    }

    #[test]
    fn strict_switches_ask_for_more() {
        let mut env = good();
        env.insert(STRICT_PROVIDER, "1".to_owned());
        env.insert(STRICT_STRIPE, "1".to_owned());
        let names: Vec<_> = check(&env).problems.iter().map(|p| p.name).collect();
        assert_eq!(names, [STRICT_PROVIDER, STRIPE[0], STRIPE[1]]);
        for name in ["ANTHROPIC_API_KEY", STRIPE[0], STRIPE[1]] {
            env.insert(name, "sk-live-b7Qm2vX9kLs8".to_owned());
        }
        let report = check(&env);
        assert_eq!((report.problems, report.skipped), (Vec::new(), Vec::new()));
    }
}
