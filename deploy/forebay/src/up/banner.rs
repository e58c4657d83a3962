//! What `forebay up` prints once it is ready: where it is, a key, and a line to paste into a shell.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use control::GeneratedKey;
use proto::config::{Config, ProviderKind, WILDCARD};
use serde_json::json;

use super::configure::Configured;
use crate::data_dir::DataDir;

/// Asked for where nothing but a wildcard is configured.
const ANY_MODEL: &str = "gpt-5.4-mini";

/// Everything that is printed, without the last line end.
pub(crate) fn text(
    http: &str,
    admin: &str,
    configured: &Configured,
    dir: &DataDir,
    generated: &[GeneratedKey],
) -> anyhow::Result<String> {
    let mut lines = vec![
        format!("Forebay is ready at {http}/v1"),
        format!("  operators: {admin}    data: {}", dir.path().display()),
    ];
    if scripted(&configured.draft.config) {
        lines.push(
            "  No provider is configured, so a built-in scripted one answers. Set OPENAI_API_KEY,".into(),
        );
        lines.push("  ANTHROPIC_API_KEY or GEMINI_API_KEY, or pass --config FILE, to use a real one.".into());
    }
    for key in generated {
        lines.push(format!("  new key {} of project {}: {}", key.name, key.project, key.secret.expose()));
    }
    match configured.first_key(dir)? {
        Some(secret) => {
            lines.push(format!("  key: {}", secret.expose()));
            lines.push(String::new());
            lines.push(curl(http, secret.expose(), model(&configured.draft.config)));
        }
        None if configured.is_environment() => {}
        None => lines.push("  No key is configured: add [[keys]] to the file to make requests.".into()),
    }
    Ok(lines.join("\n"))
}

/// How `address` is reached from this machine.
pub(crate) fn url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

fn scripted(config: &Config) -> bool {
    config.providers.iter().any(|provider| provider.kind == ProviderKind::Scripted)
}

/// A model that is served: the first with a name of its own, the small one where there are many.
fn model(config: &Config) -> &str {
    if config.models.iter().any(|model| model.alias == ANY_MODEL) {
        return ANY_MODEL;
    }
    let mut named = config.models.iter().map(|model| model.alias.as_str()).filter(|alias| *alias != WILDCARD);
    named.next().unwrap_or(ANY_MODEL)
}

/// One request as a command line, quoted for a POSIX shell.
fn curl(http: &str, secret: &str, model: &str) -> String {
    let body =
        format!(r#"{{"model":{},"messages":[{{"role":"user","content":"Say hello."}}]}}"#, json!(model));
    format!(
        "curl -sS {http}/v1/chat/completions -H {} -H 'Content-Type: application/json' -d {}",
        quoted(&format!("Authorization: Bearer {secret}")),
        quoted(&body)
    )
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_address_is_reached_on_the_loopback() {
        assert_eq!(url("0.0.0.0:80".parse().unwrap()), "http://127.0.0.1:80");
        assert_eq!(url("[::]:80".parse().unwrap()), "http://[::1]:80");
        assert_eq!(url("192.0.2.1:80".parse().unwrap()), "http://192.0.2.1:80");
    }

    #[test]
    fn the_line_survives_a_shell() {
        let line = curl("http://h:1", "it's a $ecret`", "a \"model\"");
        let script = line.replacen("curl", "printf '%s\\n'", 1);
        let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("Authorization: Bearer it's a $ecret`"), "{said}");
        assert!(said.lines().last().unwrap().contains(r#""model":"a \"model\"""#), "{said}");
    }
}
