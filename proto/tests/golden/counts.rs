//! How many cases each pair of a caller and a kind of provider has: requests, answers and streams together.

use std::collections::BTreeMap;
use std::io::Write;

use super::cast::{CALLERS, Place, TARGETS};
use super::shelf;

const CASES_MIN: usize = 40;

#[test]
fn every_pair_has_enough_cases() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for caller in CALLERS {
        let mut seen = Vec::new();
        for (kind, model) in TARGETS {
            let dialect = Place::new(kind, model).dialect(caller, b"{}");
            let pair = format!("{} to {}", caller.as_str(), kind.as_str());
            let requests = shelf::requests(caller).len();
            let count = counts.entry(pair).or_insert(requests);
            if !seen.contains(&(kind, dialect)) {
                seen.push((kind, dialect));
                *count += shelf::cases(dialect, shelf::ANSWER).len();
                *count += shelf::cases(dialect, shelf::STREAM).len();
            }
        }
    }
    for (pair, count) in &counts {
        writeln!(std::io::stderr(), "{count:4} {pair}").unwrap();
    }
    let few: Vec<_> = counts.iter().filter(|(_, count)| **count < CASES_MIN).collect();
    assert!(counts.len() == 18 && few.is_empty(), "{few:?}");
}
