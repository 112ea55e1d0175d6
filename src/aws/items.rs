//! Reads single items without a scan, where the key attribute is the table's partition key.

use aws_sdk_dynamodb::types::{AttributeValue, KeyType, ReturnConsumedCapacity, ScalarAttributeType, TableDescription};

use super::call::Call;
use super::connection::TableReader;
use super::error::AwsError;
use super::governor::Action;
use super::hints::BAD_ANSWER;
use super::interceptors::AwsClock;
use super::lift::Lift;
use super::scan::{KEY, MAX_PAGES, Page, Row, projection};
use crate::model::item::{ItemRules, TableView};
use crate::model::settings::TableSettings;
use crate::stop::Stop;

impl TableReader {
    /// Whether items can be read by their key: `--key-attribute` is the table's partition key, and a string.
    ///
    /// # Errors
    ///
    /// If the table cannot be described.
    pub async fn reads_by_key(&self, settings: &TableSettings, stop: &Stop) -> Result<bool, AwsError> {
        Ok(is_string_key(&self.describe_table(&settings.table, stop).await?, &settings.key_attribute))
    }

    /// Reads the items with these keys and no others. With a sort key, several items can share a key.
    ///
    /// # Errors
    ///
    /// Any page that cannot be read.
    pub async fn items(&self, settings: &TableSettings, keys: &[String], stop: &Stop) -> Result<TableView, AwsError> {
        let (mut view, mut rules) = (TableView::default(), None);
        for key in keys {
            let mut start = None;
            for pages in 1.. {
                let (page, next) = self.query(settings, key, start.clone(), stop).await?;
                let rules = rules.get_or_insert_with(|| ItemRules::new(settings, page.time));
                page.read(settings, rules, &mut view, None)?;
                if next.is_none() {
                    break;
                }
                if next == start || pages == MAX_PAGES {
                    let resource = format!("table {}", settings.table);
                    let cause = "the query does not end";
                    return Err(AwsError::unusable(Action::Query.name(), &resource, cause, Some(BAD_ANSWER)));
                }
                start = next;
            }
        }
        Ok(view)
    }

    async fn query(
        &self,
        settings: &TableSettings,
        key: &str,
        start: Option<Row>,
        stop: &Stop,
    ) -> Result<(Page, Option<Row>), AwsError> {
        let action = Action::Query;
        let resource = format!("table {}", settings.table);
        let call = Call::begin(&self.caller, action, &resource, &self.region, stop).await?;
        let (clock, lift) = (AwsClock::default(), Lift::new(&["Items"]));
        let (names, projection) = projection(settings);
        let sent = self
            .dynamodb
            .query()
            .table_name(&settings.table)
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .set_expression_attribute_names(Some(names))
            .key_condition_expression(format!("{KEY} = :key"))
            .expression_attribute_values(":key", AttributeValue::S(key.to_owned()))
            .projection_expression(projection)
            .set_exclusive_start_key(start)
            .customize()
            .config_override(call.dynamodb().interceptor(clock.clone()).interceptor(lift.clone()))
            .send()
            .await;
        let answer = call.end(sent)?;
        let unusable = || AwsError::unusable(action.name(), &resource, "the answer has no items", Some(BAD_ANSWER));
        let page = Page {
            action,
            items: lift.take().ok_or_else(unusable)?,
            count: usize::try_from(answer.count).unwrap_or_default(),
            consumed: answer.consumed_capacity.and_then(|capacity| capacity.capacity_units).unwrap_or_default(),
            time: clock.time(),
        };
        Ok((page, answer.last_evaluated_key.filter(|key| !key.is_empty())))
    }

    pub(super) async fn describe_table(&self, table: &str, stop: &Stop) -> Result<TableDescription, AwsError> {
        let action = Action::DescribeTable;
        let resource = format!("table {table}");
        let call = Call::begin(&self.caller, action, &resource, &self.region, stop).await?;
        let sent =
            self.dynamodb.describe_table().table_name(table).customize().config_override(call.dynamodb()).send().await;
        let answer = call.end(sent)?;
        let unusable = || AwsError::unusable(action.name(), &resource, "the answer lacks the table", None);
        answer.table.ok_or_else(unusable)
    }
}

fn is_string_key(table: &TableDescription, attribute: &str) -> bool {
    let is_partition_key = |schema: &aws_sdk_dynamodb::types::KeySchemaElement| {
        schema.attribute_name == attribute && schema.key_type == KeyType::Hash
    };
    let is_string = |definition: &aws_sdk_dynamodb::types::AttributeDefinition| {
        definition.attribute_name == attribute && definition.attribute_type == ScalarAttributeType::S
    };
    table.key_schema().iter().any(is_partition_key) && table.attribute_definitions().iter().any(is_string)
}
