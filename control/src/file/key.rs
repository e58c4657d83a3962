//! `[[keys]]`: virtual keys. Their secrets leave this module as `Secret` and are in no message.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::fields::{Fields, Shape};
use super::{BUDGET, DraftKey, RATE_LIMIT, Walk, secret};

const SHAPE: Shape = Shape {
    known: &["project", "name", "secret"],
    unserved: &[("rpm", RATE_LIMIT), ("tpm", RATE_LIMIT), ("budget_usd", BUDGET)],
};

/// What the keys before this one have taken.
#[derive(Default)]
pub(super) struct Taken {
    names: BTreeMap<(String, String), Range<usize>>,
    secrets: BTreeMap<String, Range<usize>>,
}

/// Reads one key; `None` if too little of it is right to go on with.
pub(super) fn read(
    walk: &mut Walk<'_>,
    path: String,
    value: &Spanned<DeValue<'_>>,
    taken: &mut Taken,
) -> Option<DraftKey> {
    let fields = Fields::of(value, path, &SHAPE, &mut walk.mistakes)?;
    let project = fields.required("project", "the name of the key's project", &mut walk.mistakes);
    let name = fields.required("name", "the key's name", &mut walk.mistakes);
    if let Some(project) = &project {
        walk.check_project(project);
    }
    if let Some(name) = &name {
        walk.check_name(name);
    }
    if let (Some(project), Some(name)) = (&project, &name) {
        let both = (project.value.to_owned(), name.value.to_owned());
        if let Some(first) = taken.names.get(&both) {
            let line = walk.mistakes.line(first);
            let message =
                format!("project \"{}\" has a key \"{}\" on line {line} already", project.value, name.value);
            name.wrong(&mut walk.mistakes, message);
        }
        taken.names.entry(both).or_insert_with(|| name.at.clone());
    }
    let text = fields.text("secret", &mut walk.mistakes);
    let secret = text.as_ref().and_then(|text| secret::virtual_key(walk, text));
    if let (Some(text), Some(secret)) = (&text, &secret) {
        if let Some(first) = taken.secrets.get(secret.expose()) {
            let line = walk.mistakes.line(first);
            let message = format!("the key on line {line} has the same secret: a secret belongs to one key");
            text.wrong(&mut walk.mistakes, message);
        }
        taken.secrets.entry(secret.expose().clone()).or_insert_with(|| text.at.clone());
    }
    Some(DraftKey { project: project?.value.to_owned(), name: name?.value.to_owned(), secret })
}
