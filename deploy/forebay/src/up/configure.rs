//! What is configured: the operator's file or the environment, and the secrets of keys that have none.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use control::file::{Draft, FileError};
use control::{GeneratedKey, Published};
use proto::nats::StreamOptions;
use proto::secret::Secret;
use tokio::sync::oneshot;

use crate::data_dir::DataDir;
use crate::{private_file, secrets};

/// Secret of the key that is made where there is no file.
const DEFAULT_KEY_FILE: &str = "default-key";
/// Secrets that were made for keys of the file, one file each.
const KEYS_DIR: &str = "keys";
const KEY_PREFIX: &str = "fb_sk_";

/// A configuration that has been read and has no mistakes.
#[derive(Debug)]
pub(crate) struct Configured {
    /// The file; the environment where absent.
    file: Option<PathBuf>,
    /// What it says.
    pub(crate) draft: Draft,
}

/// A configuration with mistakes: nothing was started.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Mistakes(String);

/// Reads the file, or the environment where there is none; all mistakes are reported at once.
pub(crate) fn read(file: Option<&Path>) -> anyhow::Result<Configured> {
    let file = file.map(Path::to_owned);
    let config = control::Config {
        file: file.clone(),
        publish_default: true,
        local_providers: true,
        ..control::Config::from_env()
    };
    Ok(Configured { file, draft: compile(&config)? })
}

fn compile(config: &control::Config) -> anyhow::Result<Draft> {
    match config.draft() {
        Ok(Some((draft, _))) => Ok(draft),
        Ok(None) => anyhow::bail!("there is nothing to configure"),
        Err(control::Error::File(FileError::Mistakes(mistakes))) => {
            let lines: String = mistakes.iter().map(|mistake| format!("\n  {mistake}")).collect();
            let what = if mistakes.len() == 1 { "a mistake" } else { "mistakes" };
            Err(Mistakes(format!("the configuration file has {what}:{lines}")).into())
        }
        Err(error) => Err(Mistakes(format!("{:#}", anyhow::Error::new(error))).into()),
    }
}

/// Looks for mistakes in a file whose providers are called from other processes.
pub(crate) fn check(file: Option<&Path>) -> anyhow::Result<()> {
    let config = control::Config { file: file.map(Path::to_owned), ..control::Config::from_env() };
    compile(&config).map(drop)
}

impl Configured {
    /// How control runs with it.
    pub(crate) fn control(
        &self,
        dir: &DataDir,
        streams: StreamOptions,
        on_published: oneshot::Sender<Published>,
    ) -> anyhow::Result<control::Config> {
        let default_key = match self.file {
            Some(_) => None,
            None => Some(secrets::kept_or_made(&dir.file(DEFAULT_KEY_FILE), KEY_PREFIX)?),
        };
        Ok(control::Config {
            file: self.file.clone(),
            publish_default: true,
            default_key,
            local_providers: true,
            streams,
            on_published: Some(on_published),
            ..control::Config::from_env()
        })
    }

    /// The secret of the first key, if there is one and its secret is known here.
    pub(crate) fn first_key(&self, dir: &DataDir) -> anyhow::Result<Option<Secret<String>>> {
        let Some(key) = self.draft.keys.first() else { return Ok(None) };
        if let Some(secret) = &key.secret {
            return Ok(Some(secret.clone()));
        }
        let file = match self.file {
            Some(_) => key_file(dir, &key.project, &key.name),
            None => dir.file(DEFAULT_KEY_FILE),
        };
        Ok(private_file::read(&file)?.map(Secret::new))
    }

    /// Whether the configuration came from the environment.
    pub(crate) fn is_environment(&self) -> bool {
        self.file.is_none()
    }
}

/// Keeps secrets that control made, so that a later start can show how to use them again.
pub(crate) fn keep(dir: &DataDir, generated: &[GeneratedKey]) -> anyhow::Result<()> {
    for key in generated {
        let file = key_file(dir, &key.project, &key.name);
        std::fs::create_dir_all(dir.file(KEYS_DIR)).context("the keys' directory cannot be made")?;
        private_file::write(&file, key.secret.expose().as_bytes())?;
    }
    Ok(())
}

/// Names of projects and keys hold no dots and no slashes.
fn key_file(dir: &DataDir, project: &str, name: &str) -> PathBuf {
    dir.file(KEYS_DIR).join(format!("{project}.{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mistakes_are_told_at_once_and_each_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f.toml");
        let text = "[[providers]]\nname = \"p\"\nkind = \"openai\"\n[[keys]]\nproject = \"q\"\nname = \"k\"\nrpm = 1\n";
        std::fs::write(&file, text).unwrap();
        let error = read(Some(&file)).unwrap_err();
        assert!(error.is::<Mistakes>());
        let text = error.to_string();
        for part in ["f.toml:5: keys[0].project", "f.toml:7: keys[0].rpm", "models"] {
            assert!(text.contains(part), "{part:?} is missing from {text}");
        }
    }

    #[test]
    fn the_documented_example_has_no_mistakes() {
        let example = include_str!("../../forebay.toml");
        let set = |name: &str| {
            ["OPENAI_API_KEY", "ACME_KEY"].contains(&name).then(|| "a1b2c3d4e5f6g7h8i9".to_owned())
        };
        let draft = control::file::parse(example, &set, control::file::FileOptions::default()).unwrap();
        assert_eq!((draft.config.providers.len(), draft.config.models.len(), draft.keys.len()), (2, 1, 1));
    }

    #[test]
    fn secrets_that_were_made_are_shown_again() {
        let parent = tempfile::tempdir().unwrap();
        let dir = DataDir::open(&parent.path().join("data")).unwrap();
        let file = parent.path().join("f.toml");
        let text = "[[providers]]\nname = \"p\"\nkind = \"openai_compatible\"\nbase_url = \"https://h.example/v1\"\n\
                    [[models]]\nalias = \"m\"\ntargets = [{ provider = \"p\", model = \"m\" }]\n\
                    [[projects]]\nname = \"q\"\n[[keys]]\nproject = \"q\"\nname = \"k\"\n";
        std::fs::write(&file, text).unwrap();
        let configured = read(Some(&file)).unwrap();
        assert!(configured.first_key(&dir).unwrap().is_none());
        let secret = Secret::new("made-here".to_owned());
        keep(&dir, &[GeneratedKey { project: "q".to_owned(), name: "k".to_owned(), secret }]).unwrap();
        assert_eq!(configured.first_key(&dir).unwrap().unwrap().expose(), "made-here");
    }
}
