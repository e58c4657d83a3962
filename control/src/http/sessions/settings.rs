//! What the environment says about sessions.

use crate::config::env;
use crate::error::Error;

const TTL_S: u64 = 3_600;
const TTL_MIN_S: u64 = 60;
const TTL_MAX_S: u64 = 30 * 24 * 3_600;
const GATEWAY: &str = "http://127.0.0.1:8080";

/// How sessions are opened.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// How long one holds, in seconds (`SESSION_TOKEN_TTL_SECONDS`).
    pub(crate) ttl_s: u64,
    /// Where its requests go (`GATEWAY_PUBLIC_BASE_URL`, else `GATEWAY_BASE_URL`).
    pub(crate) gateway_base_url: String,
}

impl Settings {
    /// Reads the environment.
    pub(crate) fn from_env() -> Result<Self, Error> {
        Self::read(&env)
    }

    fn read(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let given = |name: &str| env(name).filter(|value| !value.is_empty());
        let ttl_s = match given("SESSION_TOKEN_TTL_SECONDS") {
            None => TTL_S,
            Some(text) => {
                let ttl = text.parse().ok().filter(|ttl| (TTL_MIN_S..=TTL_MAX_S).contains(ttl));
                ttl.ok_or(Error::SessionLife { least: TTL_MIN_S, most: TTL_MAX_S })?
            }
        };
        let gateway = given("GATEWAY_PUBLIC_BASE_URL").or_else(|| given("GATEWAY_BASE_URL"));
        Ok(Self { ttl_s, gateway_base_url: gateway.unwrap_or_else(|| GATEWAY.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_checked() {
        let set = |ttl: &'static str| {
            Settings::read(&move |name| (name == "SESSION_TOKEN_TTL_SECONDS").then(|| ttl.to_owned()))
        };
        assert_eq!(set("").unwrap().ttl_s, 3_600);
        assert_eq!(set("120").unwrap().ttl_s, 120);
        for bad in ["59", "x", "-1", "9999999"] {
            assert!(set(bad).is_err(), "{bad}");
        }
        let public =
            Settings::read(&|name| name.ends_with("BASE_URL").then(|| format!("https://{name}"))).unwrap();
        assert_eq!(public.gateway_base_url, "https://GATEWAY_PUBLIC_BASE_URL");
    }
}
