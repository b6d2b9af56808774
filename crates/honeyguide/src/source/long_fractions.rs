//! Fractions with more digits than a double keeps, in text of which the engine makes doubles.
//!
//! The engine says nothing of digits that it loses. A cheap search of the text on its way to the engine tells whether there
//! are such fractions; then the columns of doubles are read again, and become decimals where that keeps the digits.

use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::datatypes::DataType;

use super::number::Numbers;

/// The least bytes of a fraction of which a double may lose digits: 16 digits and the point.
const LEAST_BYTES: usize = 17;
/// A number of more bytes than this is taken for one that loses digits.
const MOST_BYTES: usize = 400;

/// Whether a text on its way to the engine had a long fraction. The scans of a source share it.
#[derive(Debug, Default)]
pub(super) struct LongFractions(AtomicBool);

impl LongFractions {
    /// Notes that there is one.
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns whether there was one.
    pub fn are_there(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A search for long fractions in a text that comes in chunks.
#[derive(Debug, Default)]
pub(super) struct FractionSearch {
    /// The end of the text so far, as far as it may be a part of a number.
    end: Vec<u8>,
    is_found: bool,
}

impl FractionSearch {
    /// Searches the next chunk. Returns whether this is the chunk with which the first long fraction was found.
    pub fn finds_first_in(&mut self, chunk: &[u8]) -> bool {
        if self.is_found {
            return false;
        }
        let rest = chunk.iter().take(MOST_BYTES);
        let rest = rest.copied().take_while(|byte| is_of_number(*byte));
        self.end.extend(rest);
        self.is_found = has_long_fraction(&self.end) || has_long_fraction(chunk);
        let bytes = chunk.iter().rev().take(MOST_BYTES);
        let bytes = bytes.take_while(|byte| is_of_number(**byte)).count();
        if bytes < chunk.len() {
            self.end.clear();
            self.end.extend(&chunk[chunk.len() - bytes..]);
        }
        self.is_found
    }
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}

/// Returns whether there is a fraction in `text` of which a double loses digits. Of each stretch as long as the shortest such
/// fraction it looks at one byte, and goes on from there only where that is a part of a number.
pub(super) fn has_long_fraction(text: &[u8]) -> bool {
    let mut at = LEAST_BYTES - 1;
    while let Some(byte) = text.get(at) {
        if is_of_number(*byte) {
            let before = text[..at].iter().rev();
            let start = at - before.take_while(|byte| is_of_number(**byte)).count();
            let after = text[at..].iter();
            let end = at + after.take_while(|byte| is_of_number(**byte)).count();
            if loses_digits(&text[start..end]) {
                return true;
            }
            at = end;
        }
        at += LEAST_BYTES;
    }
    false
}

/// Returns whether a double loses digits of a fraction, which is written in digits and points.
fn loses_digits(literal: &[u8]) -> bool {
    if literal.len() < LEAST_BYTES || !literal.contains(&b'.') {
        return false;
    }
    let number = std::str::from_utf8(literal).ok().and_then(Numbers::of);
    literal.len() > MOST_BYTES
        || number.is_some_and(|number| number.lose_digits_as(&DataType::Float64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of them a double keeps was worked out with Python: `f"{float(x):.{digits}f}" == x`.
    #[test]
    fn only_fractions_that_lose_digits_are_found() {
        for (text, is_found) in [
            ("0.12345678901234567891", true),
            ("a,-1.00000000000000000001,b", true),
            ("123456789012345678.5", true),
            ("{\"a\": 0.3000000000000000001}", true),
            ("0.30000000000000004", false),
            ("1758000000.123456", false),
            ("0.1000000000000000", false),
            ("0.50000000000000000000", false),
            ("18446744073709551615,1", false),
            ("192.168.100.100.192.168.100.100", false),
            ("0.123456789012345", false),
            ("................................", false),
        ] {
            for padding in 0..2 * LEAST_BYTES {
                let padded = format!("{}{text},", ",".repeat(padding));
                let found = has_long_fraction(padded.as_bytes());
                assert_eq!(found, is_found, "{padded}");
            }
        }
        assert!(has_long_fraction(
            format!("1.{}", "0".repeat(100_000)).as_bytes()
        ));
    }

    #[test]
    fn a_fraction_is_found_however_the_text_is_cut() {
        let before = "1,2.5\n".repeat(30);
        let text = format!("{before}5,-123.12345678901234567,");
        for size in 1..text.len() {
            let mut search = FractionSearch::default();
            let chunks = text.as_bytes().chunks(size);
            let found = chunks.filter(|chunk| search.finds_first_in(chunk)).count();
            assert_eq!(found, 1, "chunks of {size}");
        }
    }
}
