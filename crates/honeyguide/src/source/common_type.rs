//! The type that holds the values of two types without changing them, as far as there is one.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};

/// The greatest number of digits of a decimal of 128 and of 256 bits.
const DIGITS: [u8; 2] = [38, 76];
/// The greatest number of digits of an integer of 64 bits.
const INTEGER_DIGITS: u8 = 20;

/// Returns the narrowest of the types that hold the values of both. It does not depend on the order of the two. Whole
/// numbers and floats meet in Float64, as in other engines.
pub(super) fn common_type(left: &DataType, right: &DataType) -> Option<DataType> {
    common(left, right).or_else(|| common(right, left))
}

fn common(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType::{
        Boolean, Date32, Date64, Dictionary, Duration, FixedSizeBinary, FixedSizeList, Float64,
        LargeList, LargeListView, List, ListView, Null, Time32, Time64, Timestamp, Utf8,
    };
    match (left, right) {
        _ if left == right => Some(left.clone()),
        (Null, other) | (other, Null) => Some(other.clone()),
        (Dictionary(_, values), other) => common_type(values, other),
        _ if left.is_string() && right.is_string() => Some(Utf8),
        _ if is_binary(left) && (is_binary(right) || matches!(right, FixedSizeBinary(_))) => {
            Some(DataType::Binary)
        }
        (FixedSizeBinary(_), FixedSizeBinary(_)) => Some(DataType::Binary),
        (Boolean, other) if other.is_integer() => common_type(&DataType::Int64, other),
        _ if left.is_integer() && right.is_integer() => Some(common_integer(left, right)),
        _ if [left, right]
            .iter()
            .all(|found| is_decimal(found) || found.is_integer()) =>
        {
            common_decimal(left, right)
        }
        _ if left.is_numeric() && right.is_numeric() => Some(Float64),
        (Timestamp(left, left_zone), Timestamp(right, right_zone)) => {
            let zone = match (left_zone, right_zone) {
                (left, right) if left == right => left.clone(),
                (Some(_), Some(_)) => Some("UTC".into()),
                _ => return None,
            };
            Some(Timestamp(finer(*left, *right), zone))
        }
        (Date32 | Date64, Timestamp(unit, None)) => Some(Timestamp(*unit, None)),
        (Date32, Date64) => Some(Date64),
        (Time32(_) | Time64(_), Time32(_) | Time64(_)) => Some(Time64(TimeUnit::Nanosecond)),
        (Duration(left), Duration(right)) => Some(Duration(finer(*left, *right))),
        (
            List(left)
            | LargeList(left)
            | ListView(left)
            | LargeListView(left)
            | FixedSizeList(left, _),
            List(right)
            | LargeList(right)
            | ListView(right)
            | LargeListView(right)
            | FixedSizeList(right, _),
        ) => {
            let item = common_type(left.data_type(), right.data_type())?;
            Some(List(Arc::new(Field::new_list_field(item, true))))
        }
        _ => None,
    }
}

fn is_binary(found: &DataType) -> bool {
    matches!(
        found,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView
    )
}

fn is_decimal(found: &DataType) -> bool {
    matches!(
        found,
        DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..)
    )
}

/// Returns a type of whole numbers. No integer of 64 bits holds both the signed and the unsigned ones; a decimal does.
fn common_integer(left: &DataType, right: &DataType) -> DataType {
    let unsigned = [left, right].map(DataType::is_unsigned_integer);
    let is_widest = [left, right].contains(&&DataType::UInt64);
    match (unsigned, is_widest) {
        ([true, true], true) => DataType::UInt64,
        (_, false) => DataType::Int64,
        (_, true) => DataType::Decimal128(INTEGER_DIGITS, 0),
    }
}

/// Returns a decimal with the digits of both before and after the point; Float64 where none has so many.
fn common_decimal(left: &DataType, right: &DataType) -> Option<DataType> {
    let [left, right] = [left, right].map(|found| match found {
        DataType::Decimal32(digits, scale)
        | DataType::Decimal64(digits, scale)
        | DataType::Decimal128(digits, scale)
        | DataType::Decimal256(digits, scale) => (*digits, *scale),
        _ => (INTEGER_DIGITS, 0),
    });
    let whole = |(digits, scale): (u8, i8)| i16::from(digits) - i16::from(scale);
    let scale = left.1.max(right.1);
    let digits = u8::try_from(whole(left).max(whole(right)) + i16::from(scale)).ok()?;
    Some(match digits {
        digits if digits <= DIGITS[0] => DataType::Decimal128(digits, scale),
        digits if digits <= DIGITS[1] => DataType::Decimal256(digits, scale),
        _ => DataType::Float64,
    })
}

fn finer(left: TimeUnit, right: TimeUnit) -> TimeUnit {
    left.max(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use DataType::*;

    /// The expected types are those of PyArrow's `unify_schemas(…, promote_options="permissive")`, but for signed and
    /// unsigned integers of 64 bits, which it does not unite, and for text and integers, which are widened to 64 bits here.
    #[test]
    fn types_meet_where_no_value_is_lost() {
        let dictionary = || Dictionary(Box::new(Int32), Box::new(Utf8));
        let stamp = |unit, zone: Option<&str>| Timestamp(unit, zone.map(Into::into));
        for (left, right, expected) in [
            (Null, Int16, Some(Int16)),
            (Null, dictionary(), Some(dictionary())),
            (dictionary(), Utf8, Some(Utf8)),
            (LargeUtf8, Utf8View, Some(Utf8)),
            (Int32, Int64, Some(Int64)),
            (UInt32, Int8, Some(Int64)),
            (UInt64, UInt8, Some(UInt64)),
            (UInt64, Int64, Some(Decimal128(20, 0))),
            (Float32, Float64, Some(Float64)),
            (Int64, Float32, Some(Float64)),
            (Decimal128(5, 2), Decimal128(6, 1), Some(Decimal128(7, 2))),
            (Decimal128(10, 3), Int64, Some(Decimal128(23, 3))),
            (Decimal128(38, 30), Int64, Some(Decimal256(50, 30))),
            (Decimal128(5, 2), Float64, Some(Float64)),
            (
                stamp(TimeUnit::Microsecond, None),
                stamp(TimeUnit::Nanosecond, None),
                Some(stamp(TimeUnit::Nanosecond, None)),
            ),
            (
                stamp(TimeUnit::Second, Some("UTC")),
                stamp(TimeUnit::Millisecond, Some("UTC")),
                Some(stamp(TimeUnit::Millisecond, Some("UTC"))),
            ),
            (
                stamp(TimeUnit::Second, None),
                stamp(TimeUnit::Second, Some("UTC")),
                None,
            ),
            (
                Date32,
                stamp(TimeUnit::Second, None),
                Some(stamp(TimeUnit::Second, None)),
            ),
            (Binary, LargeBinary, Some(Binary)),
            (Utf8, Int64, None),
            (Binary, Utf8, None),
            (Boolean, Utf8, None),
        ] {
            assert_eq!(common_type(&left, &right), expected, "{left} and {right}");
            assert_eq!(common_type(&right, &left), expected, "{right} and {left}");
        }
    }
}
