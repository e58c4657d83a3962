//! Provider secrets: read where the configuration says they are, kept as long as that configuration is in force.

use std::path::Path;

use proto::config::SecretRef;
use proto::secret::Secret;

/// A secret that cannot be read. Names the place, never the contents.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// The variable is not set, or empty.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The file cannot be read.
    #[error("the secret file {path} cannot be read")]
    Unreadable {
        /// The file.
        path: String,
        #[source]
        source: std::io::Error,
    },
    /// A value that no header can carry.
    #[error("the secret at {0} is empty or holds characters that a header cannot carry")]
    Unusable(String),
}

/// The longest secret, in bytes: a file that is larger is not a key.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Reads the secret from its place, without surrounding white space.
pub(crate) async fn read(place: &SecretRef) -> Result<Secret<String>, SecretError> {
    match place {
        SecretRef::Env(name) => variable(name),
        SecretRef::File(path) => usable(&Secret::new(read_file(path).await?), || place.to_string()),
    }
}

/// Reads the secret that an environment variable holds.
pub(crate) fn variable(name: &str) -> Result<Secret<String>, SecretError> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    let raw = Secret::new(value.ok_or_else(|| SecretError::Unset(name.to_owned()))?);
    usable(&raw, || format!("env:{name}"))
}

fn usable(raw: &Secret<String>, place: impl FnOnce() -> String) -> Result<Secret<String>, SecretError> {
    let trimmed = raw.expose().trim();
    if trimmed.is_empty() || !trimmed.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
        return Err(SecretError::Unusable(place()));
    }
    Ok(Secret::new(trimmed.to_owned()))
}

async fn read_file(path: &str) -> Result<String, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
    let size = tokio::fs::metadata(Path::new(path)).await.map_err(unreadable)?.len();
    if size > SECRET_BYTES_MAX {
        return Err(SecretError::Unusable(format!("file:{path}")));
    }
    tokio::fs::read_to_string(path).await.map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_are_read_without_their_line_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        tokio::fs::write(&path, "sk-canary\r\n").await.unwrap();
        let place = SecretRef::File(path.display().to_string());
        assert_eq!(read(&place).await.unwrap().expose(), "sk-canary");
        tokio::fs::write(&path, "two\nlines").await.unwrap();
        let error = read(&place).await.unwrap_err().to_string();
        assert!(error.contains("key") && !error.contains("lines"), "{error}");
    }

    #[tokio::test]
    async fn a_missing_place_is_named() {
        let place = SecretRef::Env("FOREBAY_TEST_NO_SUCH_VARIABLE".to_owned());
        let error = read(&place).await.unwrap_err().to_string();
        assert_eq!(error, "the environment variable FOREBAY_TEST_NO_SUCH_VARIABLE is not set");
    }
}
