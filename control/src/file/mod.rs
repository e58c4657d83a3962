//! The configuration file: TOML with every mistake reported at once, each with its line.
//!
//! A field that is documented and not served yet is a mistake that says so: a limit that is accepted and
//! ignored would be worse than none. Secrets are read here and leave as [`Secret`]; no message repeats one.

mod fields;
mod key;
mod mistake;
mod model;
mod project;
mod provider;
mod secret;
#[cfg(test)]
mod tests;

pub use mistake::Mistake;
pub(crate) use provider::address;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use proto::config::Config;
use proto::secret::Secret;
use proto::subject::{PROJECT_NAME_MAX, valid_project};
use toml::de::DeTable;

use self::fields::{Fields, Shape, Text};
use self::mistake::Mistakes;

const BUDGET: &str = ": a budget that is accepted and ignored would be worse than none. Remove it.";
const RATE_LIMIT: &str = ": a rate limit that is accepted and ignored would be worse than none. Remove it.";

const ROOT: Shape = Shape { known: &["streaming", "providers", "models", "projects", "keys"], unserved: &[] };

/// The largest file, in bytes: its compiled form must fit one message.
pub const FILE_BYTES_MAX: u64 = 512 * 1024;

/// How a file is judged.
#[derive(Debug, Clone)]
pub struct FileOptions {
    /// Whether secrets that are placeholders or too simple are mistakes.
    pub production: bool,
    /// Whether this process calls the providers itself, so that a missing secret of theirs is a mistake.
    pub local_providers: bool,
    /// The file's name in messages.
    pub name: String,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self { production: false, local_providers: true, name: "forebay.toml".to_owned() }
    }
}

/// A configuration that has no number yet.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The document, version 0.
    pub config: Config,
    /// Its virtual keys, which are no part of the document.
    pub keys: Vec<DraftKey>,
}

/// A virtual key to be made.
#[derive(Debug, Clone)]
pub struct DraftKey {
    /// Its project.
    pub project: String,
    /// Its name within the project.
    pub name: String,
    /// Its secret; generated where absent.
    pub secret: Option<Secret<String>>,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// As the operator gave it.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It has mistakes: one line each.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Mistakes(Vec<Mistake>),
}

/// Reads and compiles a file. Messages name it by its last path component.
pub fn load(
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    options: FileOptions,
) -> Result<Draft, FileError> {
    let unreadable = |source| FileError::Read { path: path.display().to_string(), source };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(unreadable(std::io::Error::other(format!("more than {FILE_BYTES_MAX} bytes"))));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let name = path.file_name().map_or(options.name, |name| name.to_string_lossy().into_owned());
    parse(&text, env, FileOptions { name, ..options }).map_err(FileError::Mistakes)
}

/// Compiles the text of a file, or reports all its mistakes in the order of the file.
pub fn parse(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    options: FileOptions,
) -> Result<Draft, Vec<Mistake>> {
    let mut mistakes = Mistakes::new(&options.name, text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What was read around a syntax error is a guess, so nothing more is said about it.
        for error in errors {
            mistakes.add(&error.span().unwrap_or_default(), "", error.message());
        }
        let mut mistakes = mistakes.into_sorted();
        mistakes.dedup_by_key(|mistake| mistake.line);
        return Err(mistakes);
    }
    let mut walk =
        Walk { mistakes, env, options: &options, providers: BTreeMap::new(), projects: BTreeMap::new() };
    let draft = walk.document(&document);
    let mistakes = walk.mistakes.into_sorted();
    if mistakes.is_empty() { Ok(draft) } else { Err(mistakes) }
}

/// The walk over a document: its mistakes so far and the names that later tables refer to.
struct Walk<'t> {
    mistakes: Mistakes<'t>,
    env: &'t dyn Fn(&str) -> Option<String>,
    options: &'t FileOptions,
    providers: BTreeMap<String, Range<usize>>,
    projects: BTreeMap<String, Range<usize>>,
}

impl Walk<'_> {
    fn document(&mut self, document: &toml::Spanned<DeTable<'_>>) -> Draft {
        let root = Fields::root(document, &ROOT, &mut self.mistakes);
        let streaming = root.switch("streaming", true, &mut self.mistakes);

        let mut names = BTreeMap::new();
        let listed = root.list("providers", &mut self.mistakes);
        let providers =
            listed.iter().filter_map(|(path, value)| provider::read(self, path.clone(), value, &mut names));
        let providers = providers.collect();
        self.providers = names;

        let mut aliases = BTreeMap::new();
        let listed = root.list("models", &mut self.mistakes);
        let models =
            listed.iter().filter_map(|(path, value)| model::read(self, path.clone(), value, &mut aliases));
        let models = models.collect();

        let mut names = BTreeMap::new();
        let listed = root.list("projects", &mut self.mistakes);
        let projects =
            listed.iter().filter_map(|(path, value)| project::read(self, path.clone(), value, &mut names));
        let projects = projects.collect();
        self.projects = names;

        let mut taken = key::Taken::default();
        let listed = root.list("keys", &mut self.mistakes);
        let keys = listed.iter().filter_map(|(path, value)| key::read(self, path.clone(), value, &mut taken));
        let keys = keys.collect();

        for name in ["providers", "models"] {
            let empty = root.value(name).is_none_or(|v| v.get_ref().as_array().is_some_and(|a| a.is_empty()));
            if empty {
                self.mistakes.add(root.at(), name, format!("expected at least one [[{name}]], found none"));
            }
        }
        let config = Config {
            version: 0,
            published_ms: 0,
            streaming,
            providers,
            models,
            projects,
            prices: Vec::new(),
        };
        Draft { config, keys }
    }

    /// Names of providers, projects and keys become subject tokens, header values and account names.
    fn check_name(&mut self, name: &Text<'_>) {
        if !valid_project(name.value) {
            let message = format!(
                "expected 1 to {PROJECT_NAME_MAX} letters, digits, `_` or `-`, found \"{}\"",
                name.value.escape_debug()
            );
            name.wrong(&mut self.mistakes, message);
        }
    }

    fn check_unique(&mut self, name: &Text<'_>, names: &mut BTreeMap<String, Range<usize>>) {
        if let Some(first) = names.get(name.value) {
            let line = self.mistakes.line(first);
            name.wrong(&mut self.mistakes, format!("\"{}\" stands on line {line} already", name.value));
        }
        names.entry(name.value.to_owned()).or_insert_with(|| name.at.clone());
    }

    fn check_provider(&mut self, name: &Text<'_>) {
        if !self.providers.contains_key(name.value) {
            let message = unknown_name("provider", name.value, &self.providers);
            name.wrong(&mut self.mistakes, message);
        }
    }

    fn check_project(&mut self, name: &Text<'_>) {
        if !self.projects.contains_key(name.value) {
            let message = unknown_name("project", name.value, &self.projects);
            name.wrong(&mut self.mistakes, message);
        }
    }
}

fn unknown_name(what: &str, name: &str, known: &BTreeMap<String, Range<usize>>) -> String {
    let known: Vec<&str> = known.keys().map(String::as_str).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    format!("no {what} is named \"{}\"; known: {known}", name.escape_debug())
}
