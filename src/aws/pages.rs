//! Pages through a list of WAF, with a limit in case its marker never ends.

use std::collections::BTreeSet;

use super::error::AwsError;
use super::governor::Action;
use super::hints::BAD_ANSWER;

/// The most pages of one list: a hundred thousand IP sets, a thousand times AWS's quota.
const MAX_LIST_PAGES: usize = 1000;

/// Summaries per page; AWS's maximum.
pub(super) const LIST_LIMIT: i32 = 100;

/// The marker of the next page, absent for the first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Next(pub(super) Option<String>);

/// Pages through a list of WAF. It ends at an absent or repeated marker, since the last page can have a marker too. An
/// empty page with a new marker is not the end.
#[derive(Debug, Default)]
pub(super) struct Pages {
    read: usize,
    next: Option<String>,
    seen: BTreeSet<String>,
    ended: bool,
}

impl Pages {
    /// The next page; `None` at the end.
    pub(super) fn next(&mut self, action: Action) -> Result<Option<Next>, AwsError> {
        if self.ended {
            return Ok(None);
        }
        if self.read >= MAX_LIST_PAGES {
            return Err(AwsError::unusable(action.name(), "all", "the list does not end", None));
        }
        self.read += 1;
        Ok(Some(Next(self.next.clone())))
    }

    /// Accepts a page and returns its list. An answer without a list is an error, not an empty list.
    pub(super) fn seen<T>(
        &mut self,
        action: Action,
        marker: Option<String>,
        page: Option<Vec<T>>,
    ) -> Result<Vec<T>, AwsError> {
        let no_list = || AwsError::unusable(action.name(), "all", "the answer has no list", Some(BAD_ANSWER));
        let page = page.ok_or_else(no_list)?;
        let new = marker.as_ref().is_some_and(|marker| self.seen.insert(marker.clone()));
        self.ended = !new;
        self.next = marker;
        Ok(page)
    }
}

/// Drops all but the last of the items with the same ARN: what is created or deleted between two pages can shift an item to the
/// next one, and the later page is the newer one.
pub(super) fn distinct<T>(mut items: Vec<T>, arn: impl Fn(&T) -> Option<&String>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    items.reverse();
    items.retain(|item| arn(item).is_none_or(|arn| seen.insert(arn.clone())));
    items.reverse();
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(markers: &[(Option<&str>, bool)]) -> usize {
        let mut pages = Pages::default();
        let mut read = 0;
        while pages.next(Action::ListIpSets).unwrap().is_some() {
            let (marker, empty) = markers[read];
            let page = if empty { Vec::new() } else { vec![()] };
            pages.seen(Action::ListIpSets, marker.map(ToOwned::to_owned), Some(page)).unwrap();
            read += 1;
        }
        read
    }

    #[test]
    fn a_list_ends_at_an_absent_or_repeated_marker_and_not_at_an_empty_page() {
        assert_eq!(walk(&[(Some("a"), false), (Some("b"), false), (None, false)]), 3);
        assert_eq!(walk(&[(Some("a"), true), (Some("b"), true), (None, false)]), 3);
        assert_eq!(walk(&[(Some("a"), false), (Some("b"), true), (Some("b"), true)]), 3);
        assert_eq!(walk(&[(Some("a"), false), (Some("b"), false), (Some("a"), false)]), 3);
        assert_eq!(walk(&[(Some("a"), false), (Some("b"), false), (Some("b"), false)]), 3);
    }

    #[test]
    fn what_two_pages_show_counts_once_as_the_later_one_shows_it() {
        let item = |arn: &str, token| (Some(arn.to_owned()), token);
        let pages = vec![item("a", 1), item("b", 1), (None, 1), item("b", 2), item("c", 1), (None, 1)];
        let expected = vec![item("a", 1), (None, 1), item("b", 2), item("c", 1), (None, 1)];
        assert_eq!(distinct(pages, |(arn, _)| arn.as_ref()), expected);
    }

    #[test]
    fn an_answer_without_a_list_is_no_empty_list() {
        let error = Pages::default().seen::<()>(Action::ListIpSets, None, None).unwrap_err();
        assert_eq!(error.to_string(), "ListIPSets all: the answer has no list");
        assert_eq!(error.hint(), Some(BAD_ANSWER));
    }

    #[test]
    fn a_list_without_an_end_is_an_error() {
        let mut pages = Pages { read: MAX_LIST_PAGES, ..Pages::default() };
        let error = pages.next(Action::ListIpSets).unwrap_err();
        assert_eq!(error.to_string(), "ListIPSets all: the list does not end");
    }
}
