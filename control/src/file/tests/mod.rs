//! Files with mistakes, each with its line and sentence, and the files that must pass.

mod table;

use proto::config::{ProviderKind, SecretRef, Strategy};
use proto::envelope::OnDisconnect;

use self::table::{TABLE, WITH_PROJECT};
use super::*;

const CANARY: &str = "canary-0123456789-canary";

fn env(name: &str) -> Option<String> {
    match name {
        "GOOD" => Some(CANARY.to_owned()),
        "SHORT" => Some("short".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn read(text: &str) -> Result<Draft, Vec<Mistake>> {
    parse(text, &env, FileOptions::default())
}

/// All mistakes of a file as `line|path|message`.
fn mistakes(text: &str) -> Vec<String> {
    let found = read(text).expect_err(text);
    found.iter().map(|m| format!("{}|{}|{}", m.line, m.path, m.message)).collect()
}

#[test]
fn every_mistake_has_its_line_and_its_sentence() {
    assert!(TABLE.len() >= 60);
    for (before, with_mistake, expected) in TABLE {
        let text = format!("{before}{with_mistake}");
        assert_eq!(mistakes(&text), *expected, "{with_mistake}");
    }
}

#[test]
fn no_message_repeats_a_secret() {
    for (before, with_mistake, _) in TABLE {
        let said = mistakes(&format!("{before}{with_mistake}")).join("\n");
        assert!(!said.contains("canary"), "{said}");
    }
    let draft =
        read(&format!("{WITH_PROJECT}[[keys]]\nproject = \"a\"\nname = \"k\"\nsecret = \"{CANARY}\""))
            .unwrap();
    assert!(!format!("{draft:?}").contains("canary"));
}

#[test]
fn a_mistake_reads_as_file_line_path_sentence() {
    let options = FileOptions { name: "my.toml".into(), ..FileOptions::default() };
    let found = parse(&format!("{WITH_PROJECT}  streaming = 1"), &env, options).unwrap_err();
    assert_eq!(
        found[0].to_string(),
        "my.toml:9: projects[0].streaming: expected true or false, found the number 1"
    );
    assert_eq!(found[0].column, 15);
}

#[test]
fn all_mistakes_come_at_once_in_the_order_of_the_file() {
    let text = "keys = 3\nstreaming = 2\n[[providers]]\nname = \"p\"\nkind = \"x\"\n[[models]]\n[[projects]]\nrpm = 1";
    let lines: Vec<usize> = read(text).unwrap_err().iter().map(|m| m.line).collect();
    assert_eq!(lines, [1, 2, 5, 6, 6, 7, 8]);
}

#[test]
fn the_documented_file_is_served_without_the_fields_that_are_not() {
    let text = r#"
[[providers]]
name = "primary"
kind = "openai"                 # openai | openai_compatible | anthropic | azure_openai | gemini | bedrock
base_url = "http://127.0.0.1:9001/v1"
api_key = "env:GOOD"            # env:NAME, file:PATH, or credential:ID
allow_private_network = true

[[providers]]
name = "spare"
kind = "openai_compatible"
base_url = "https://spare.example/openai/v1/"

[[models]]
alias = "fast"
strategy = "fallback"
targets = [ { provider = "primary", model = "gpt-4o-mini" },
            { provider = "spare",   model = "gpt-4o-mini" } ]
price = { input = "0.15", output = "0.60", cached_input = "0.075" }

[[models]]
alias = "*"
targets = [ { provider = "spare", model = "*" } ]

[[projects]]
name = "acme"

[[projects]]
name = "quiet"
streaming = false
on_disconnect = "drain"

[[keys]]
project = "acme"
name = "ci"
secret = "env:GOOD"

[[keys]]
project = "acme"
name = "made"
"#;
    let Draft { config, keys } = read(text).unwrap();
    assert!(config.streaming);
    assert_eq!(config.providers[0].kind, ProviderKind::Openai);
    assert_eq!(config.providers[0].api_key, Some(SecretRef::Env("GOOD".into())));
    assert_eq!(config.providers[1].base_url.as_deref(), Some("https://spare.example/openai/v1"));
    assert_eq!((config.models[0].strategy, config.models[0].targets.len()), (Strategy::Fallback, 2));
    assert_eq!(config.models[0].price.as_ref().unwrap().cached_input.unwrap().to_string(), "0.075");
    assert_eq!(config.model("other").unwrap().targets[0].upstream_model("other"), "other");
    assert_eq!(config.project("acme").unwrap().on_disconnect, OnDisconnect::Cancel);
    assert_eq!(config.project("quiet").unwrap().on_disconnect, OnDisconnect::Drain);
    assert!(!config.project("quiet").unwrap().streaming);
    assert_eq!(keys[0].secret.as_ref().unwrap().expose(), CANARY);
    assert!(keys[1].secret.is_none());
    assert!(!serde_json::to_string(&config).unwrap().contains(CANARY));
}

#[test]
fn secrets_are_read_from_files_without_their_line_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let text = |name: &str| {
        format!(
            "{WITH_PROJECT}[[keys]]\nproject = \"a\"\nname = \"k\"\nsecret = 'file:{}'",
            dir.path().join(name).display()
        )
    };
    std::fs::write(&path, format!("{CANARY}\r\n")).unwrap();
    assert_eq!(read(&text("key")).unwrap().keys[0].secret.as_ref().unwrap().expose(), CANARY);
    assert!(mistakes(&text("none"))[0].contains("cannot read"));
}

#[test]
fn production_refuses_placeholders() {
    for (secret, weak) in
        [("changeme-changeme-1", true), ("aaaaaaaaaaaaaaaaaaaa", true), ("k7Qp2vXz9LmN4tRs", false)]
    {
        let text = format!("{WITH_PROJECT}[[keys]]\nproject = \"a\"\nname = \"k\"\nsecret = \"{secret}\"");
        let options = FileOptions { production: true, ..FileOptions::default() };
        assert_eq!(parse(&text, &env, options).is_err(), weak, "{secret}");
        assert!(read(&text).is_ok());
    }
}

#[test]
fn a_provider_secret_of_other_machines_is_not_looked_for() {
    let text = WITH_PROJECT.replace("kind = \"openai\"", "kind = \"openai\"\napi_key = \"env:MISSING\"");
    let options = FileOptions { local_providers: false, ..FileOptions::default() };
    assert!(parse(&text, &env, options).is_ok());
    assert!(read(&text).is_err());
}

proptest::proptest! {
    /// Whatever is cut out of a file or put into it: no panic, and every mistake lies within the file.
    #[test]
    fn any_text_is_read_or_refused(cut in 0_usize..400, len in 0_usize..40, put in "[\\PC\n\"=\\[\\]{}.]{0,12}") {
        let mut text = format!("{WITH_PROJECT}[[keys]]\nproject = \"a\"\nname = \"k\"\nsecret = \"env:GOOD\"\n");
        let start = cut.min(text.len());
        let end = (start + len).min(text.len());
        text.replace_range(start..end, &put);
        for mistake in read(&text).err().into_iter().flatten() {
            proptest::prop_assert!(mistake.line >= 1 && mistake.line <= text.lines().count() + 1, "{}", mistake);
            proptest::prop_assert!(mistake.column >= 1 && !mistake.message.is_empty());
        }
    }
}
