//! `[[projects]]`.

use std::collections::BTreeMap;
use std::ops::Range;

use proto::config::Project;
use proto::envelope::OnDisconnect;
use toml::Spanned;
use toml::de::DeValue;

use super::Walk;
use super::fields::{Fields, Shape};
use super::{BUDGET, RATE_LIMIT};

const SHAPE: Shape = Shape {
    known: &["name", "streaming", "on_disconnect"],
    unserved: &[
        ("budget_usd", BUDGET),
        ("rpm", RATE_LIMIT),
        ("tpm", RATE_LIMIT),
        ("billing", ": every project is billed afterwards. Remove it."),
        ("audit", ": payloads are kept, sealed, for the audit window of the deployment. Remove it."),
    ],
};

/// Reads one project; `None` if too little of it is right to go on with.
pub(super) fn read(
    walk: &mut Walk<'_>,
    path: String,
    value: &Spanned<DeValue<'_>>,
    names: &mut BTreeMap<String, Range<usize>>,
) -> Option<Project> {
    let fields = Fields::of(value, path, &SHAPE, &mut walk.mistakes)?;
    let name = fields.required("name", "the project's name", &mut walk.mistakes);
    if let Some(name) = &name {
        walk.check_name(name);
        walk.check_unique(name, names);
    }
    let streaming = fields.switch("streaming", true, &mut walk.mistakes);
    let on_disconnect = match fields.text("on_disconnect", &mut walk.mistakes) {
        None => OnDisconnect::default(),
        Some(text) => match text.value {
            "cancel" => OnDisconnect::Cancel,
            "drain" => OnDisconnect::Drain,
            other => {
                text.wrong(&mut walk.mistakes, format!("expected cancel or drain, found \"{other}\""));
                OnDisconnect::default()
            }
        },
    };
    Some(Project { name: name?.value.to_owned(), streaming, on_disconnect })
}
