//! Tools in a namespace, flattened: other dialects know plain names alone. `{"type":"namespace","name":"crm",
//! "tools":[{"name":"find"}]}` becomes a tool `crm__find`; an answer that calls it is given back as
//! `"namespace":"crm","name":"find"`.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The longest name that every provider takes, in characters.
const NAME_CHARS_MAX: usize = 64;

/// The tools of a request that stand in a namespace, by both of their names.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    flat: HashMap<(String, String), String>,
    split: HashMap<String, (String, String)>,
}

impl Namespaces {
    /// Reads a request's `tools`.
    pub(super) fn of(tools: Option<&Value>) -> Self {
        let list = tools.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut taken: HashSet<String> =
            list.iter().filter(|tool| !is_namespace(tool)).filter_map(name_of).map(str::to_owned).collect();
        let mut names = Self::default();
        for space in list.iter().filter(|tool| is_namespace(tool)) {
            let inner = space["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
            for name in inner.iter().filter_map(name_of) {
                names.add(name_of(space).unwrap_or_default(), name, &mut taken);
            }
        }
        names
    }

    fn add(&mut self, space: &str, name: &str, taken: &mut HashSet<String>) {
        let key = (space.to_owned(), name.to_owned());
        if self.flat.contains_key(&key) {
            return;
        }
        let mut flat = joined(space, name);
        if !taken.insert(flat.clone()) {
            flat = hashed(&flat, space, name);
            taken.insert(flat.clone());
        }
        self.split.insert(flat.clone(), key.clone());
        self.flat.insert(key, flat);
    }

    /// The plain name of a tool; of one that is not on offer any more the name it had.
    pub(super) fn flat(&self, space: &str, name: &str) -> String {
        let key = (space.to_owned(), name.to_owned());
        self.flat.get(&key).cloned().unwrap_or_else(|| joined(space, name))
    }

    /// Namespace and name of a tool by its plain name.
    pub(super) fn split(&self, flat: &str) -> Option<(&str, &str)> {
        self.split.get(flat).map(|(space, name)| (space.as_str(), name.as_str()))
    }
}

/// Whether a tool is a namespace of tools.
pub(super) fn is_namespace(tool: &Value) -> bool {
    tool["type"] == "namespace"
}

fn name_of(tool: &Value) -> Option<&str> {
    tool["name"].as_str()
}

fn joined(space: &str, name: &str) -> String {
    let bar = if space.ends_with("__") || space.is_empty() { "" } else { "__" };
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let flat: String = format!("{space}{bar}{name}").chars().map(plain).collect();
    if flat.len() > NAME_CHARS_MAX { hashed(&flat, space, name) } else { flat }
}

/// The beginning of a name and a hash of the whole, for names that are too long or taken.
fn hashed(flat: &str, space: &str, name: &str) -> String {
    let digest = Sha256::digest(format!("{space}\0{name}"));
    let hash: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let start: String = flat.chars().take(NAME_CHARS_MAX - 9).collect();
    format!("{start}_{hash}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_flattened_and_found_again() {
        let tools = json!([
            {"type":"function","name":"crm__find"},
            {"type":"namespace","name":"crm","tools":[{"type":"function","name":"find"},{"type":"function","name":"get"}]},
            {"type":"namespace","name":"mcp__fs__","tools":[{"type":"function","name":"read.file"}]},
        ]);
        let names = Namespaces::of(Some(&tools));
        assert_eq!(names.flat("crm", "get"), "crm__get");
        assert_eq!(names.split("crm__get"), Some(("crm", "get")));
        assert_eq!(names.flat("mcp__fs__", "read.file"), "mcp__fs__read_file");
        let hashed = names.flat("crm", "find");
        assert!(hashed.starts_with("crm__find_") && names.split("crm__find").is_none(), "{hashed}");
        assert_eq!(names.split(&hashed), Some(("crm", "find")));
        assert_eq!(names.flat("gone", "x"), "gone__x");
        assert_eq!(names.flat("n", &"x".repeat(100)).len(), NAME_CHARS_MAX);
    }
}
