//! Lists: pages in a stable order, with a cursor that says nothing to whoever holds it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problem;

/// How many a page holds where nobody asks for another number, and at most.
const LIMIT: u32 = 50;
const LIMIT_MAX: u32 = 200;

/// Which page of a list. A list with filters of its own repeats these two fields, because serde cannot refuse unknown
/// fields of what is flattened.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParams {
    /// How many, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub(crate) limit: Option<u32>,
    /// Where the page before ended, as its `next_cursor` said.
    pub(crate) cursor: Option<String>,
}

/// A page that has been asked for: so many, after this one.
#[derive(Debug, Clone)]
pub(crate) struct Paging {
    /// How many.
    pub(crate) limit: u32,
    /// After the item with this key; empty at the beginning.
    pub(crate) after: String,
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The items.
    pub(crate) data: Vec<T>,
    /// Where the next page begins; null on the last one.
    pub(crate) next_cursor: Option<String>,
}

impl Paging {
    /// Reads the two parameters.
    pub(crate) fn new(limit: Option<u32>, cursor: Option<&str>) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(LIMIT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::field("limit", format!("`limit` must be 1 to {LIMIT_MAX}.")));
        }
        let wrong = || Problem::field("cursor", "`cursor` is not one that a list has given out.");
        let after = match cursor {
            None | Some("") => String::new(),
            Some(cursor) => {
                let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong())?;
                let text = String::from_utf8(bytes).map_err(|_| wrong())?;
                // PostgreSQL takes no NUL in text.
                Some(text).filter(|text| !text.contains('\0')).ok_or_else(wrong)?
            }
        };
        Ok(Self { limit, after })
    }

    /// How many to read in order to know whether there is a next page.
    pub(crate) fn one_more(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The page of what was read with [`Self::one_more`], in the order of `key`.
    pub(crate) fn page<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> String) -> Page<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(key(last)));
        Page { data: items, next_cursor }
    }

    /// The page of a list that is all in memory, in the order of `key`.
    pub(crate) fn page_of<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> String) -> Page<T> {
        items.sort_by_cached_key(&key);
        let rest = items.into_iter().filter(|item| self.after.is_empty() || key(item) > self.after);
        self.page(rest.collect(), key)
    }
}

impl PageParams {
    /// Reads the two parameters.
    pub(crate) fn paging(&self) -> Result<Paging, Problem> {
        Paging::new(self.limit, self.cursor.as_deref())
    }
}

impl<T> Page<T> {
    /// The same page of something else.
    pub(crate) fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { data: self.data.into_iter().map(change).collect(), next_cursor: self.next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let all = || (10..17).map(|n| n.to_string()).collect::<Vec<_>>();
        let (mut cursor, mut seen) = (None::<String>, Vec::new());
        loop {
            let paging = Paging::new(Some(3), cursor.as_deref()).unwrap();
            let page = paging.page_of(all(), Clone::clone);
            seen.extend(page.data);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, all());
    }

    #[test]
    fn limits_and_cursors_are_checked() {
        for (limit, cursor) in [(Some(0), None), (Some(201), None), (None, Some("!")), (None, Some("AA"))] {
            assert!(Paging::new(limit, cursor).is_err(), "{limit:?} {cursor:?}");
        }
    }
}
