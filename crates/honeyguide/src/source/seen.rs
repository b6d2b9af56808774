//! The values of a column of text that were seen first, and what they say of its type.

use chrono::Utc;
use datafusion::arrow::compute::kernels::cast_utils::string_to_datetime;
use datafusion::arrow::datatypes::{DataType, TimeUnit};

use super::number::Numbers;
use super::readable::Readable;
use crate::whole::whole_number;

/// A column is one of numbers if at most one in this many of its values is not a number.
const STRAY_VALUES: usize = 10;
/// The most texts that are kept of those that have no narrower type.
const MAX_STRAYS: usize = 4;
/// The most bytes of such a text.
const MAX_STRAY_BYTES: usize = 40;
/// Texts by which programs write that a value is missing, in lower case.
const MISSING: [&str; 17] = [
    "-",
    "--",
    "---",
    ".",
    "?",
    "\\n",
    "na",
    "n/a",
    "#n/a",
    "<na>",
    "(null)",
    "null",
    "nil",
    "none",
    "missing",
    "undefined",
    "unknown",
];

/// The texts that stand for a missing value, besides an empty one.
#[derive(Debug, Clone, Default)]
pub(super) struct Missing(Vec<String>);

impl Missing {
    pub const NONE: Self = Self(Vec::new());

    pub fn new(texts: &[String]) -> Self {
        Self(texts.iter().map(|text| text.trim().to_owned()).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether `text`, without the spaces around it, stands for a missing value.
    pub fn has(&self, text: &str) -> bool {
        !self.0.is_empty() && self.0.iter().any(|missing| missing == text.trim())
    }
}

/// The first values of a column. Missing values are not counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    values: usize,
    numbers: Numbers,
    booleans: usize,
    /// The number of values that are dates or times in ISO 8601.
    dates: usize,
    /// The number of those that have a time of day.
    times: usize,
    /// The values that are none of these, with their numbers.
    strays: Vec<(String, usize)>,
    /// Whether there are more such values than are kept.
    has_more_strays: bool,
    /// Whether some numbers have spaces around them.
    pub is_padded: bool,
    /// The first number that begins with a zero before another digit.
    leading_zero: Option<String>,
    /// Whether a column with a few values that are not numbers is still one of numbers.
    tolerates_strays: bool,
    /// The types besides text as which at least one value can be read.
    readable: Readable,
}

impl Seen {
    /// Returns the values of a column of CSV, which has nothing but text.
    pub fn of_csv() -> Self {
        Self {
            tolerates_strays: true,
            ..Self::default()
        }
    }

    /// Adds a field of CSV.
    pub fn add_field(&mut self, field: &str, missing: &Missing) {
        if field.is_empty() || missing.has(field) {
            return;
        }
        let text = field.trim();
        let has_spaces = text.len() < field.len();
        if text.is_empty() {
            self.is_padded = true;
            return;
        }
        self.is_padded |= self.add_text(text) && has_spaces;
    }

    /// Adds a text of JSON, which is not a number even if it looks like one.
    pub fn add_json_text(&mut self, text: &str, missing: &Missing) {
        if missing.has(text) {
            return;
        }
        if !text.is_empty() {
            self.readable = self.readable.or(Readable::of(text));
        }
        match text {
            "NaN" | "Infinity" | "-Infinity" => self.add_number(text),
            _ if is_date(text) => {
                self.values += 1;
                self.add_date(text);
            }
            _ => {
                self.values += 1;
                self.add_stray(text);
            }
        }
    }

    /// Adds a number of JSON.
    pub fn add_number(&mut self, literal: &str) {
        let Some(numbers) = Numbers::of(literal) else {
            return self.add_other();
        };
        self.values += 1;
        self.readable.integers |= numbers.signed > 0;
        self.readable.whole |= whole_number(literal).is_some();
        self.readable.numbers = true;
        self.numbers = self.numbers.and(numbers);
    }

    /// Adds a value of JSON that is true or false.
    pub fn add_boolean(&mut self) {
        self.values += 1;
        self.booleans += 1;
        self.readable.booleans = true;
    }

    /// Adds a list or an object.
    pub fn add_other(&mut self) {
        self.values += 1;
        self.has_more_strays = true;
    }

    /// Adds a text as the narrowest type that holds it. Returns whether it is a number.
    fn add_text(&mut self, text: &str) -> bool {
        self.values += 1;
        self.readable = self.readable.or(Readable::of(text));
        if let Some(numbers) = Numbers::of(text) {
            if numbers.has_leading_zero && self.leading_zero.is_none() {
                self.leading_zero = Some(text.chars().take(MAX_STRAY_BYTES).collect());
            }
            self.numbers = self.numbers.and(numbers);
            return true;
        }
        if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
            self.booleans += 1;
        } else if is_date(text) {
            self.add_date(text);
        } else {
            self.add_stray(text);
        }
        false
    }

    fn add_date(&mut self, text: &str) {
        self.dates += 1;
        self.times += usize::from(text.len() > "2000-01-01".len());
    }

    fn add_stray(&mut self, text: &str) {
        if let Some((_, count)) = self.strays.iter_mut().find(|(known, _)| known == text) {
            *count += 1;
        } else if self.strays.len() < MAX_STRAYS && text.len() <= MAX_STRAY_BYTES {
            self.strays.push((text.to_owned(), 1));
        } else {
            self.has_more_strays = true;
        }
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.values
    }

    /// Returns whether there was no value.
    pub fn is_empty(&self) -> bool {
        self.values == 0
    }

    /// Returns the types besides text as which at least one value can be read; `None` if there is no value.
    pub fn readable(&self) -> Option<Readable> {
        (self.values > 0).then_some(self.readable)
    }

    /// Returns the narrowest type that holds the values, [`DataType::Null`] if there are none. A column in which at most
    /// one value in [`STRAY_VALUES`] is not a number is read as numbers where strays are tolerated: a scan that needs it
    /// reports where the other value is, so that no feature is lost to it.
    pub fn data_type(&self) -> DataType {
        if self.values == 0 {
            return DataType::Null;
        }
        let strays = self.values - self.numbers.count;
        if strays == 0 || (self.tolerates_strays && strays * STRAY_VALUES <= self.values) {
            return self.numbers.data_type();
        }
        if self.booleans == self.values {
            return DataType::Boolean;
        }
        if self.dates == self.values && self.times > 0 {
            return TIME;
        }
        DataType::Utf8
    }

    /// Returns the texts because of which the column is text, if they are few and likely to stand for missing values.
    pub fn suspects(&self) -> Vec<&str> {
        let strays: usize = self.strays.iter().map(|(_, count)| count).sum();
        let typed = self.values - strays;
        let is_typed = [self.numbers.count, self.booleans, self.dates].contains(&typed);
        if self.has_more_strays || strays == 0 || typed == 0 || !is_typed {
            return Vec::new();
        }
        let is_known = |text: &str| MISSING.contains(&text.to_ascii_lowercase().as_str());
        let texts = self.strays.iter().map(|(text, _)| text.as_str());
        if texts.clone().all(is_known) || (self.strays.len() == 1 && strays <= typed) {
            texts.collect()
        } else {
            Vec::new()
        }
    }

    /// Returns whether all values are numbers in digits, with a point at most: not infinite, and without an exponent.
    pub fn is_number_in_digits(&self) -> bool {
        self.values > 0 && self.numbers.count == self.values && self.numbers.are_in_digits()
    }

    /// Returns what the numbers ask of their type.
    pub fn numbers(&self) -> Numbers {
        self.numbers
    }

    /// Returns the first number with a leading zero.
    pub fn leading_zero(&self) -> Option<&str> {
        self.leading_zero.as_deref()
    }

    /// Returns whether digits of some of the numbers are lost when they are read as `data_type`.
    pub fn lose_digits_as(&self, data_type: &DataType) -> bool {
        self.numbers.lose_digits_as(data_type)
    }

    /// Returns whether the values are numbers that are text because no type has so many digits.
    pub fn are_too_long(&self) -> bool {
        self.values > 0
            && self.values == self.numbers.count
            && self.numbers.data_type() == DataType::Utf8
    }
}

/// The type of times. Nanoseconds keep all digits that times have; a time that they cannot express stays text.
pub(super) const TIME: DataType = DataType::Timestamp(TimeUnit::Nanosecond, None);

/// Returns the time that `text` writes as in ISO 8601, in nanoseconds since 1970; `None` if it is none, or out of range. A
/// time without a zone is in UTC.
pub(super) fn time(text: &str) -> Option<i64> {
    if !is_date_like(text) {
        return None;
    }
    string_to_datetime(&Utc, text).ok()?.timestamp_nanos_opt()
}

fn is_date(text: &str) -> bool {
    is_date_like(text) && time(text).is_some()
}

/// Returns whether `text` begins like a date: a test that is cheap for all other texts.
fn is_date_like(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 10
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && bytes[..4].iter().all(u8::is_ascii_digit)
}
