//! Reads answers of AWS.

#[path = "../../../../src/aws/ordinary.rs"]
mod ordinary;
#[path = "../../../../src/aws/page.rs"]
mod page;

use crate::model::item::{ItemRules, TableView};
use crate::model::settings::TableSettings;

/// Reads a page of items.
pub fn read_page(json: &str, settings: &TableSettings, rules: &ItemRules) -> TableView {
    let mut view = TableView::default();
    page::read(json.as_bytes(), settings, rules, &mut view).expect("a page");
    view
}
