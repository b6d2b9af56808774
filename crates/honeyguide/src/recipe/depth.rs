//! A limit on the depth of SQL, checked before it is parsed.
//!
//! SQL parsers limit the depth of parentheses, but `a + 1 + 1 + …` nests without any. The engine walks expressions
//! recursively, so a few thousand operators would overflow the stack, which ends the process.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// The maximum number of operators in an expression or a query.
const MAX_OPERATORS: usize = 256;

/// Checks that `sql` is not too deep.
///
/// # Errors
/// Fails with a message when `sql` has more than [`MAX_OPERATORS`] operators.
pub(crate) fn check(sql: &str) -> Result<(), String> {
    let operators = operators(sql);
    if operators > MAX_OPERATORS {
        return Err(format!(
            "an expression with {operators} operators; the limit is {MAX_OPERATORS}"
        ));
    }
    Ok(())
}

/// Returns the number of operators in `sql`, which is an upper bound of its depth outside parentheses. Returns 0 if
/// `sql` cannot be split into tokens; the parser then refuses it.
fn operators(sql: &str) -> usize {
    let tokens = Tokenizer::new(&GenericDialect {}, sql)
        .tokenize()
        .unwrap_or_default();
    tokens.iter().filter(|token| is_operator(token)).count()
}

fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::XOR
                | Keyword::IS
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::SIMILAR
                | Keyword::BETWEEN
                | Keyword::IN
                | Keyword::COLLATE
                | Keyword::AT
                | Keyword::DIV
                | Keyword::ESCAPE
                | Keyword::INTERVAL
                | Keyword::OPERATOR
                | Keyword::OVERLAPS
                | Keyword::REGEXP
                | Keyword::RLIKE
                | Keyword::SELECT
                | Keyword::UNION
                | Keyword::INTERSECT
                | Keyword::EXCEPT
                | Keyword::JOIN
        ),
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::Whitespace(_)
        | Token::Comma
        | Token::LParen
        | Token::RParen
        | Token::Period
        | Token::EOF => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::operators;

    #[test]
    fn operators_are_counted_and_values_are_not() {
        for (sql, expected) in [
            ("userId", 0),
            ("a + 1 + 1", 2),
            ("- - a", 2),
            ("a IN (1, 2, 3)", 1),
            ("CASE WHEN userId < 1000 THEN 0 ELSE 1 END", 1),
            ("a = '+ - * AND' OR NOT b", 3),
            ("a::int::text[1]", 4),
            ("a AT TIME ZONE 'UTC' AT TIME ZONE 'UTC'", 2),
            ("SELECT a FROM t UNION ALL SELECT b FROM u", 3),
        ] {
            assert_eq!(operators(sql), expected, "{sql}");
        }
    }
}
