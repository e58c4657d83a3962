//! `NODE_ENV=production`: no role starts with a secret that is short, a default or a placeholder, whether it uses that
//! secret or not; and what is wrong is said without the secret.

use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use tests::binary;
use tests::setup::Setup;

const ROLES: [&str; 5] = ["up", "ingress", "workers", "ledger", "control"];
const STRONG: &str = "b7Qm2-vX9_kLs8RtYw3ZpJc5NfHd6GgA";

fn start(role: &str, name: &str, value: &str) -> Result<String> {
    let dir = tempfile::tempdir()?;
    let mut command = Command::new(binary::forebay()?);
    command.env_clear().envs(Setup::default().environment()).current_dir(dir.path());
    command.env("NODE_ENV", "production").env("NATS_URL", "nats://127.0.0.1:9");
    command.env("DATABASE_URL", format!("sqlite://{}?mode=rwc", dir.path().join("x.db").display()));
    for secret in ["SECRET_ENCRYPTION_KEY", "ADMIN_TOKEN", "DEVELOPER_ADMIN_TOKEN", "LITELLM_MASTER_KEY"] {
        command.env(secret, STRONG);
    }
    let listen = if role == "ingress" { "--listen" } else { "--admin-listen" };
    command.env(name, value).args([role, listen, "127.0.0.1:0"]);
    if role == "up" {
        command.env_remove("DATABASE_URL").args(["--listen", "127.0.0.1:0"]);
    }
    let output = command.stdin(Stdio::null()).output()?;
    ensure!(!output.status.success(), "{role} starts with a weak {name}");
    Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn no_role_starts_with_a_weak_secret() -> Result<()> {
    for role in ROLES {
        for name in ["SECRET_ENCRYPTION_KEY", "ADMIN_TOKEN", "DEVELOPER_ADMIN_TOKEN", "LITELLM_MASTER_KEY"] {
            for weak in [
                "CANARY-short-1x",
                "CANARY-changeme-changeme-changeme-42",
                "sk-1234-CANARY-sk-1234-CANARY-sk-1234",
            ] {
                let said = start(role, name, weak)?;
                assert!(said.contains(name) && said.contains("production"), "{role} {name}: {said}");
                assert!(!said.contains("CANARY"), "{role} {name}: {said}");
            }
        }
    }
    Ok(())
}
