//! Reads answers of AWS.

#[path = "../../../../src/aws/known/mod.rs"]
mod known;
#[path = "../../../../src/aws/ordinary.rs"]
mod ordinary;
#[path = "../../../../src/aws/page.rs"]
mod page;

pub use self::known::Known;
use crate::model::item::{ItemRules, TableView};
use crate::model::settings::TableSettings;

/// Reads a page of items.
pub fn read_page(json: &str, settings: &TableSettings, rules: &ItemRules) -> TableView {
    let mut view = TableView::default();
    page::read(json.as_bytes(), settings, rules, &mut view, None).expect("a page");
    view
}

/// Reads a page of items as the first scan of a run that may scan again.
pub fn read_page_first(json: &str, settings: &TableSettings, rules: &ItemRules) -> (TableView, Known) {
    let (mut view, mut known) = (TableView::default(), Known::default());
    page::read(json.as_bytes(), settings, rules, &mut view, Some(&mut known)).expect("a page");
    (view, known)
}

/// Reads a page of items as such a further scan.
pub fn read_page_again(
    json: &str,
    settings: &TableSettings,
    rules: &ItemRules,
    (earlier, known): &mut (TableView, Known),
) -> TableView {
    known.begin();
    let mut view = TableView::after(earlier);
    page::read(json.as_bytes(), settings, rules, &mut view, Some(known)).expect("a page");
    view.complete(earlier);
    view
}
