//! Aggregates of numbers whose results do not depend on the order of the rows. The engine's own round after each row,
//! and let a NaN decide by its place, so that threads and files change them.

mod accumulator;
mod statistic;

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, Signature, Volatility,
};

use accumulator::{Groups, Single};
use statistic::{NAMES, Statistic};

/// Returns the aggregates that take the places of the engine's in plans.
pub(super) fn functions() -> Vec<AggregateUDF> {
    NAMES
        .iter()
        .map(|(name, statistic)| AggregateUDF::from(ExactAggregate::new(name, *statistic)))
        .collect()
}

/// Returns the aggregate that takes the place of the engine's `name` for columns of these types, if there is one.
pub(super) fn exact(name: &str, kinds: &[DataType]) -> Option<AggregateUDF> {
    let statistic = Statistic::of(name)?;
    let fits = statistic.columns() == kinds.len() && statistic.replaces(kinds);
    fits.then(|| AggregateUDF::from(ExactAggregate::new(name, statistic)))
}

/// Returns whether the engine's aggregate `name` is computed of sums of products, in which the rounding of great integers
/// shows.
pub(super) fn is_of_products(name: &str) -> bool {
    Statistic::of(name).is_some_and(Statistic::is_of_products)
}

/// An aggregate that does not depend on the order of the rows.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ExactAggregate {
    name: String,
    statistic: Statistic,
    signature: Signature,
}

impl ExactAggregate {
    fn new(engines: &str, statistic: Statistic) -> Self {
        Self {
            name: format!("exact_{engines}"),
            statistic,
            signature: Signature::any(statistic.columns(), Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for ExactAggregate {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, kinds: &[DataType]) -> Result<DataType> {
        Ok(match (self.statistic, kinds) {
            (Statistic::Minimum | Statistic::Maximum, [kind]) => kind.clone(),
            _ => DataType::Float64,
        })
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = format!("{}[words]", args.name);
        let item = Field::new_list_field(DataType::Int64, true);
        Ok(vec![Arc::new(Field::new_list(name, item, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let kind = args.return_type().clone();
        Ok(Box::new(Single::new(
            self.statistic,
            args.is_distinct,
            kind,
        )))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Groups::new(
            self.statistic,
            args.return_type().clone(),
        )))
    }
}
