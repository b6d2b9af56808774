//! The SQL functions on names of DNS and on lists of texts.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::utils::take_function_args;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};

use super::{domain, lists, map_texts, text, whole};

/// Returns the functions of this module.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let of_name = [
        Property::RegisteredDomain,
        Property::LabelEntropy,
        Property::ReverseIp,
    ];
    let of_name = of_name.map(|property| {
        ScalarUDF::from(OfName {
            property,
            signature: Signature::coercible(vec![text()], Volatility::Immutable),
        })
    });
    let item = ScalarUDF::from(ListItem {
        signature: Signature::one_of(
            vec![
                TypeSignature::Coercible(vec![text(), whole()]),
                TypeSignature::Any(2),
            ],
            Volatility::Immutable,
        ),
    });
    of_name.into_iter().chain([item]).collect()
}

/// What a function says of a name of DNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Property {
    RegisteredDomain,
    LabelEntropy,
    ReverseIp,
}

/// The functions `registered_domain(name)`, `label_entropy(name)` and `reverse_ip(name)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OfName {
    property: Property,
    signature: Signature,
}

impl ScalarUDFImpl for OfName {
    fn name(&self) -> &str {
        match self.property {
            Property::RegisteredDomain => "registered_domain",
            Property::LabelEntropy => "label_entropy",
            Property::ReverseIp => "reverse_ip",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.property {
            Property::LabelEntropy => DataType::Float64,
            Property::RegisteredDomain | Property::ReverseIp => DataType::Utf8,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [names] = take_function_args(self.name(), args.args)?;
        let names = names.into_array(args.number_rows)?;
        match self.property {
            Property::RegisteredDomain => map_texts(self.name(), &names, |_, name| {
                Ok(domain::registered_domain(name))
            }),
            Property::ReverseIp => map_texts(self.name(), &names, |_, name| {
                let address = domain::reverse_ip(name);
                Ok(address.map(|address| Cow::Owned(address.to_string())))
            }),
            Property::LabelEntropy => {
                let names = cast(&names, &DataType::LargeUtf8)?;
                let names = names.as_string::<i64>().iter();
                let bits: Float64Array = names
                    .map(|name| name.and_then(domain::label_entropy))
                    .collect();
                Ok(ColumnarValue::Array(Arc::new(bits)))
            }
        }
    }
}

/// The function `list_item(list, index)`: an item of a list of texts, counted from 1.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ListItem {
    signature: Signature,
}

impl ScalarUDFImpl for ListItem {
    fn name(&self) -> &str {
        "list_item"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [list, index] = take_function_args(self.name(), types)?;
        let is_text = |found: &DataType| match found {
            DataType::Dictionary(_, value) => value.is_string(),
            other => other.is_string() || other.is_null(),
        };
        if (is_text(list) || lists::are_texts(list)) && (index.is_integer() || index.is_null()) {
            return Ok(DataType::Utf8);
        }
        plan_err!(
            "list_item: the arguments must be a list (text or a list of texts) and a whole number, got {list} and {index}"
        )
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [list, index] = take_function_args(self.name(), args.args)?;
        let list = list.into_array(args.number_rows)?;
        let index = cast(&index.into_array(args.number_rows)?, &DataType::Int64)?;
        let index = index.as_primitive::<Int64Type>();
        let index = |row: usize| match index.is_valid(row) {
            true => usize::try_from(index.value(row)).ok()?.checked_sub(1),
            false => None,
        };
        if lists::are_texts(list.data_type()) {
            return item_of_lists(&list, index);
        }
        let texts = match list.data_type() {
            found if found.is_string() => list,
            _ => cast(&list, &DataType::Utf8)?,
        };
        map_texts(self.name(), &texts, |row, text| {
            Ok(index(row).and_then(|index| lists::item_of_text(text, index)))
        })
    }
}

/// Returns the item that `index` counts from 0 of each row's list.
fn item_of_lists(list: &ArrayRef, index: impl Fn(usize) -> Option<usize>) -> Result<ColumnarValue> {
    let list = lists::as_texts(list)?;
    let list = list.as_list::<i32>();
    let items = (0..list.len()).map(|row| {
        let index = index(row).filter(|_| list.is_valid(row))?;
        let items = list.value(row);
        let items = items.as_string::<i32>();
        let is_there = index < items.len() && items.is_valid(index);
        is_there.then(|| items.value(index).to_owned())
    });
    Ok(ColumnarValue::Array(Arc::new(
        items.collect::<StringArray>(),
    )))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{DictionaryArray, StringViewArray};
    use datafusion::arrow::datatypes::Int32Type;
    use datafusion::arrow::record_batch::RecordBatch;
    use datafusion::prelude::SessionContext;

    use super::*;

    /// Returns the rows of `select {sql} from t` as text, where t has the column `name`.
    async fn select(name: ArrayRef, sql: &str) -> Result<Vec<Option<String>>> {
        let context = SessionContext::new();
        super::super::register(&context);
        context.register_batch("t", RecordBatch::try_from_iter([("name", name)])?)?;
        let rows = context.sql(&format!("select {sql} from t")).await?;
        let mut all = Vec::new();
        for batch in rows.collect().await? {
            let column = cast(batch.column(0), &DataType::Utf8)?;
            let column = column.as_string::<i32>().iter();
            all.extend(column.map(|text| text.map(String::from)));
        }
        Ok(all)
    }

    #[tokio::test]
    async fn names_of_every_text_type_are_read() -> Result<()> {
        let names = [
            Some("ABAB.example.com."),
            Some("4.3.2.1.in-addr.arpa"),
            Some("co.uk"),
            None,
        ];
        let columns: [ArrayRef; 3] = [
            Arc::new(StringArray::from_iter(names)),
            Arc::new(StringViewArray::from_iter(names)),
            Arc::new(DictionaryArray::<Int32Type>::from_iter(names)),
        ];
        for column in columns {
            for (sql, expected) in [
                (
                    "registered_domain(name)",
                    [Some("example.com"), Some("1.in-addr.arpa"), None, None],
                ),
                ("reverse_ip(name)", [None, Some("1.2.3.4"), None, None]),
                (
                    "round(label_entropy(name), 4)",
                    [Some("2.6635"), Some("2.0"), Some("2.0"), None],
                ),
            ] {
                let found = select(Arc::clone(&column), sql).await?;
                let found: Vec<_> = found.iter().map(Option::as_deref).collect();
                assert_eq!(found, expected, "{sql}");
            }
        }
        Ok(())
    }

    #[tokio::test]
    async fn items_are_those_of_lists_and_of_texts_of_lists() -> Result<()> {
        let texts = [
            Some("['A', 'AAAA']"),
            Some(r#"["TXT"]"#),
            Some("['17', 5, None]"),
            Some("A"),
            Some("[]"),
            Some("['A'"),
            Some(""),
            None,
        ];
        let column: ArrayRef = Arc::new(StringArray::from_iter(texts));
        let first = [Some("A"), Some("TXT"), Some("17"), Some("A")];
        for (sql, expected) in [
            ("list_item(name, 1)", first),
            ("list_item(name, 2)", [Some("AAAA"), None, Some("5"), None]),
            ("list_item(name, 3)", [None; 4]),
            ("list_item(name, 0)", [None; 4]),
            ("list_item(name, -1)", [None; 4]),
            ("list_item(name, NULL)", [None; 4]),
        ] {
            let found = select(Arc::clone(&column), sql).await?;
            let found: Vec<_> = found.iter().map(Option::as_deref).collect();
            let expected: Vec<_> = expected.into_iter().chain([None; 4]).collect();
            assert_eq!(found, expected, "{sql}");
        }
        let list = "make_array(name, 'B')";
        let found = select(Arc::clone(&column), &format!("list_item({list}, 2)")).await?;
        assert_eq!(found, vec![Some("B".to_owned()); 8]);
        let error = select(column, "list_item(1.5, 1)")
            .await
            .expect_err("no list");
        assert!(error.to_string().contains("list of texts"), "{error}");
        Ok(())
    }
}
