//! The files: which cases there are, what is kept of them, and that nothing is kept without a case.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use proto::dialect::Dialect;

pub(crate) const REQUEST: &str = ".request.json";
/// Requests that are a case only where the dialect changes: what others lack.
pub(crate) const CROSS: &str = ".cross.json";
pub(crate) const ANSWER: &str = ".answer.json";
pub(crate) const STREAM: &str = ".stream";
/// Requests of one case, with a section for every target.
pub(crate) const TARGETS: &str = ".targets.snap";
/// An answer and its stream, with a section for every caller.
pub(crate) const CALLERS: &str = ".callers.snap";
pub(crate) const USAGE: &str = ".usage.json";

pub(crate) fn folder(dialect: Dialect) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(dialect.as_str())
}

/// The cases that have a file of this kind, in order.
pub(crate) fn cases(dialect: Dialect, ending: &str) -> BTreeSet<String> {
    let names = fs::read_dir(folder(dialect)).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter_map(|name| Some(name.to_str()?.strip_suffix(ending)?.to_owned())).collect()
}

/// The requests of a caller: case and body.
pub(crate) fn requests(caller: Dialect) -> BTreeMap<String, Vec<u8>> {
    let all = [REQUEST, CROSS].map(|ending| {
        let cases = cases(caller, ending).into_iter();
        cases.map(move |case| (case.clone(), read(caller, &case, ending).unwrap()))
    });
    all.into_iter().flatten().collect()
}

/// The cases that have an answer, a stream, or both.
pub(crate) fn answered(dialect: Dialect) -> BTreeSet<String> {
    let mut cases = cases(dialect, ANSWER);
    cases.extend(self::cases(dialect, STREAM));
    cases
}

pub(crate) fn read(dialect: Dialect, case: &str, ending: &str) -> Option<Vec<u8>> {
    fs::read(folder(dialect).join(format!("{case}{ending}"))).ok()
}

/// Whether snapshots are written rather than compared.
pub(crate) fn writing() -> bool {
    std::env::var_os("FOREBAY_WRITE_FIXTURES").is_some()
}

/// Compares with what is kept; `Some` says where they part.
pub(crate) fn compare(dialect: Dialect, case: &str, ending: &str, made: &str) -> Option<String> {
    let path = folder(dialect).join(format!("{case}{ending}"));
    if writing() {
        fs::write(&path, made).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    if kept == made {
        return None;
    }
    let parted = kept.lines().zip(made.lines()).enumerate().find(|(_, (kept, made))| kept != made);
    let (line, kept, made) = match parted {
        Some((line, (kept, made))) => (line + 1, kept.to_owned(), made.to_owned()),
        None => (0, format!("{} lines", kept.lines().count()), format!("{} lines", made.lines().count())),
    };
    Some(format!("{}:{line}\n  kept {kept}\n  made {made}", path.display()))
}

#[test]
fn no_snapshot_is_left_without_its_case() {
    let dialects = super::cast::PROVIDERS;
    let mut stray = Vec::new();
    for dialect in dialects {
        let mut wanted = BTreeSet::new();
        wanted.extend(requests(dialect).keys().map(|case| format!("{case}{TARGETS}")));
        for case in answered(dialect) {
            wanted.extend([format!("{case}{CALLERS}"), format!("{case}{USAGE}")]);
        }
        for ending in [".snap", USAGE] {
            let files = cases(dialect, ending);
            let files = files.iter().map(|name| format!("{name}{ending}"));
            stray.extend(files.filter(|file| !wanted.contains(file)).map(|file| (dialect, file)));
        }
    }
    assert!(stray.is_empty(), "{stray:#?}");
}
