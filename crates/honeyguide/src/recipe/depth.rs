//! Limits on the depth of SQL and on the work of parsing it, checked before it is parsed.
//!
//! SQL parsers limit the depth of parentheses, but `a + 1 + 1 + …` nests without any. The engine walks expressions
//! recursively, so a few thousand operators would overflow the stack, which ends the process.
//!
//! The parser reads a word such as `cast` as a keyword first, and as a name if what follows has a mistake. So a mistake
//! inside n such words is read 2ⁿ times, and a hundred characters could keep it busy for minutes.

use std::any::TypeId;
use std::cell::Cell;

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// The maximum number of operators in an expression or a query.
const MAX_OPERATORS: usize = 256;
/// The number of operands that the parser may read in any text, and those that it may read for each token. A text
/// without mistakes needs at most one for each token.
const MOST_OPERANDS: (usize, usize) = (1_000, 4);

/// Checks that an expression is neither too deep nor too much work to parse.
///
/// # Errors
/// Fails with a message when `sql` has more than [`MAX_OPERATORS`] operators, and when parsing it reads more than
/// [`MOST_OPERANDS`].
pub(crate) fn check_expression(sql: &str) -> Result<(), String> {
    check(sql, |parser| parser.parse_expr().map(drop))
}

/// Checks that a query is neither too deep nor too much work to parse.
///
/// # Errors
/// Fails as [`check_expression`] does.
pub(crate) fn check_query(sql: &str) -> Result<(), String> {
    check(sql, |parser| parser.parse_statement().map(drop))
}

/// Checks a text that the parser reads with `parse`.
fn check(
    sql: &str,
    parse: impl FnOnce(&mut Parser) -> Result<(), ParserError>,
) -> Result<(), String> {
    // The parser refuses what cannot be split into tokens.
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else {
        return Ok(());
    };
    let operators = operators(&tokens);
    if operators > MAX_OPERATORS {
        return Err(format!(
            "an expression with {operators} operators; the limit is {MAX_OPERATORS}"
        ));
    }
    let (least, for_each) = MOST_OPERANDS;
    let limit = least + for_each * tokens.len();
    // Another mistake than too much work is for the engine to report.
    match exceeds(limit, tokens, parse) {
        true => Err("a mistake inside many nested keywords: look at the innermost one".into()),
        false => Ok(()),
    }
}

/// Returns whether `parse` reads more than `limit` operands.
fn exceeds(
    limit: usize,
    tokens: Vec<Token>,
    parse: impl FnOnce(&mut Parser) -> Result<(), ParserError>,
) -> bool {
    let counting = Counting {
        left: Cell::new(limit),
    };
    let _ = parse(&mut Parser::new(&counting).with_tokens(tokens));
    counting.left.get() == 0
}

/// Returns the number of operators, which is an upper bound of the depth outside parentheses.
fn operators(tokens: &[Token]) -> usize {
    tokens.iter().filter(|token| is_operator(token)).count()
}

/// The engine's dialect, which ends parsing after a number of operands.
#[derive(Debug)]
struct Counting {
    left: Cell<usize>,
}

impl Dialect for Counting {
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_identifier_start(&self, character: char) -> bool {
        GenericDialect.is_identifier_start(character)
    }

    fn is_identifier_part(&self, character: char) -> bool {
        GenericDialect.is_identifier_part(character)
    }

    fn parse_prefix(&self, _: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let left = self.left.get().saturating_sub(1);
        self.left.set(left);
        // The parser does not try again after this error.
        (left == 0).then_some(Err(ParserError::RecursionLimitExceeded))
    }
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
    use super::*;

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
            let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize();
            assert_eq!(operators(&tokens.expect(sql)), expected, "{sql}");
        }
    }

    #[test]
    fn a_mistake_in_nested_keywords_is_found_in_few_steps() {
        for nested in [
            "cast(",
            "substr(",
            "cast(substr(x = [a + ",
            "trim(",
            "ceil(",
            "interval ",
        ] {
            for end in ["", "1 x"] {
                let inner = format!("{}{end}", nested.repeat(24));
                // The engine's own limit on depth may come first.
                let _ = check_expression(&inner);
                let _ = check_query(&format!("SELECT {inner} FROM t"));
            }
        }
        let closed = format!("{}1 x{}", "cast(".repeat(20), ")".repeat(20));
        assert!(check_expression(&closed).is_err());
        assert!(check_query(&format!("SELECT 1, {closed} FROM t")).is_err());
    }

    #[test]
    fn what_is_right_is_never_too_much_work() {
        let deep = format!("{}a{}", "cast(".repeat(15), " AS INT)".repeat(15));
        let wide = ["substr(a, 1, 2) || trim(b)"; 60].join(" || ");
        let list = vec!["ceil(left(a, 2))"; 2000].join(", ");
        let query = format!("SELECT {list} FROM (SELECT a FROM t)");
        for sql in [deep, wide] {
            assert_eq!(check_expression(&sql), Ok(()), "{}", &sql[..40]);
        }
        assert_eq!(check_query(&query), Ok(()));
    }
}
