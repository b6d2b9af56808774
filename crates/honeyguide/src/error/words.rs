//! Errors of the query engine in the words of this library.
//!
//! Texts of the engine begin with the names of its parts, and some ask the reader to report a defect of the engine where a
//! query is wrong. All of them pass through [`explained`], the only place where such texts are cut.

/// The names that texts of the engine begin with.
const PREFIXES: [&str; 12] = [
    "sql parser error: ",
    "Internal error: ",
    "Error during planning: ",
    "This feature is not implemented: ",
    "Execution error: ",
    "External error: ",
    "Arrow error: ",
    "Parquet error: ",
    "Compute error: ",
    "Parser error: ",
    "Invalid argument error: ",
    "Schema error: ",
];
/// The mark of an error that the engine takes for a defect of its own.
const DEFECT: &str = "Internal error: ";
/// The beginning of the request to report a defect.
const PLEA: &str = "This issue was likely caused by a bug";
/// The beginning and the end of a call whose arguments a function does not take.
const CALL: [&str; 2] = ["the given name and argument types '", "'. "];
/// The beginning of the list of calls that a function takes.
const FORMS: &str = "Candidate functions:";
/// The names of types of text in the engine.
const TEXT_TYPES: [&str; 4] = ["Utf8View", "LargeUtf8", "Utf8", "String"];
/// What makes numbers of texts.
const CAST: &str =
    "CAST(x AS DOUBLE) makes a number of a text, and TRY_CAST a null where it is none";
/// The most forms of a function that are shown.
const SHOWN_FORMS: usize = 8;

/// An error of the engine in words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Explained {
    /// What is wrong, in one line.
    pub message: String,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
}

/// Returns what the text of an error of the engine says.
pub(crate) fn explained(text: &str) -> Explained {
    if let Some(explained) = wrong_call(text).or_else(|| wrong_operation(text)) {
        return explained;
    }
    let is_defect = text.starts_with(DEFECT);
    let text = text.split(PLEA).next().unwrap_or_default();
    let text = cut_names(text.trim());
    let text = text.trim_end_matches([' ', '\n', '.']);
    let message = match text.starts_with("regex parse error") {
        // The lines show the place of the error below the expression.
        true => text.to_owned(),
        false => text.lines().next().unwrap_or_default().to_owned(),
    };
    if !is_defect {
        return Explained {
            message,
            hint: None,
        };
    }
    Explained {
        message: format!("the query engine cannot run this: {message}"),
        hint: Some(
            "write it in another way, such as with CAST, or in two steps with a subquery".into(),
        ),
    }
}

/// Returns a text without the names of the engine's parts within it.
///
/// A name stands between two colons and not between double quotes. The same words elsewhere are a part of what the text
/// quotes, such as a column's name.
fn cut_names(text: &str) -> String {
    const END: &str = ": ";
    let mut parts: Vec<&str> = text.split(END).collect();
    let last = parts.pop();
    let is_name = |part: &str| {
        PREFIXES
            .iter()
            .any(|name| name.strip_suffix(END) == Some(part))
    };
    let mut is_quoted = false;
    parts.retain(|part| {
        let is_kept = is_quoted || !is_name(part);
        is_quoted ^= part.matches('"').count() % 2 == 1;
        is_kept
    });
    parts.extend(last);
    parts.join(END)
}

/// Returns the error of an operation on values that are no numbers.
fn wrong_operation(text: &str) -> Option<Explained> {
    let (_, rest) = text.split_once("Cannot coerce arithmetic expression ")?;
    let (operation, _) = rest.split_once(" to valid types")?;
    Some(Explained {
        message: format!(
            "no value can be computed of these types: {}",
            in_words(operation)
        ),
        hint: Some(format!("{CAST}; || joins texts")),
    })
}

/// Returns the error of a call whose arguments a function does not take: the wrong number of them, or other types.
fn wrong_call(text: &str) -> Option<Explained> {
    let (_, rest) = text.split_once(CALL[0])?;
    let (call, rest) = rest.split_once(CALL[1])?;
    let (_, forms) = rest.split_once(FORMS)?;
    let (name, given) = parts(call)?;
    let forms: Vec<&str> = forms
        .lines()
        .map(str::trim)
        .filter(|form| parts(form).is_some())
        .collect();
    let taken: Vec<Vec<&str>> = forms
        .iter()
        .filter_map(|form| Some(parts(form)?.1))
        .collect();
    let is_open = |form: &Vec<&str>| form.iter().any(|argument| argument.contains(".."));
    let mut counts: Vec<usize> = taken.iter().map(Vec::len).collect();
    counts.sort_unstable();
    counts.dedup();
    let is_count = counts.contains(&given.len()) || taken.iter().any(is_open);
    let message = if is_count || counts.is_empty() {
        let given: Vec<String> = given.iter().map(|given| in_words(given)).collect();
        format!(
            "`{name}` does not take arguments of these types: {}",
            given.join(", ")
        )
    } else {
        let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
        let arguments = if counts == ["1"] {
            "argument"
        } else {
            "arguments"
        };
        let counts = counts.join(" or ");
        format!(
            "`{name}` takes {counts} {arguments}, and the call has {}",
            given.len()
        )
    };
    let more = if forms.len() > SHOWN_FORMS {
        ", …"
    } else {
        ""
    };
    let shown = forms.iter().take(SHOWN_FORMS).map(|form| in_words(form));
    let shown = shown.collect::<Vec<_>>().join(", ");
    let is_text = is_count && given.iter().any(|given| in_words(given) == "text");
    let cast = match is_text {
        true => format!("; {CAST}"),
        false => String::new(),
    };
    Some(Explained {
        message,
        hint: (!shown.is_empty()).then(|| format!("it takes {shown}{more}{cast}")),
    })
}

/// Returns the name and the arguments of a call.
fn parts(call: &str) -> Option<(&str, Vec<&str>)> {
    let (name, arguments) = call.trim().split_once('(')?;
    let arguments = arguments.strip_suffix(')')?;
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    if name.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    let (mut depth, mut start) = (0, 0);
    let mut all = Vec::new();
    for (at, character) in arguments.char_indices() {
        match character {
            '(' | '[' | '<' => depth += 1,
            ')' | ']' | '>' => depth -= 1,
            ',' if depth == 0 => {
                all.push(arguments[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = arguments[start..].trim();
    if !last.is_empty() {
        all.push(last);
    }
    Some((name, all))
}

/// Returns a type, or a call with types, in which text is called so.
fn in_words(types: &str) -> String {
    TEXT_TYPES
        .iter()
        .fold(types.to_owned(), |types, name| types.replace(name, "text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_TYPES: &str = "Internal error: Function 'sum' failed to match any signature, errors: Error during planning: \
        Function 'sum' requires Decimal, but received String (DataType: Utf8)..\nThis issue was likely caused by a bug in \
        DataFusion's code. Please help us to resolve this by filing a bug report in our issue tracker: https://x. No \
        function matches the given name and argument types 'sum(Utf8)'. You might need to add explicit type casts.\n\t\
        Candidate functions:\n\tsum(Decimal)\n\tsum(Float64)";

    fn explanation(message: &str, hint: Option<&str>) -> Explained {
        Explained {
            message: message.into(),
            hint: hint.map(Into::into),
        }
    }

    #[test]
    fn calls_that_functions_do_not_take_are_explained() {
        let expected = explanation(
            "`sum` does not take arguments of these types: text",
            Some(
                "it takes sum(Decimal), sum(Float64); CAST(x AS DOUBLE) makes a number of a text, and TRY_CAST a null where \
                 it is none",
            ),
        );
        assert_eq!(explained(OF_TYPES), expected);
        let of_number = "Error during planning: coercion failed. No function matches the given name and argument types \
            'f(Timestamp(ns, \"UTC\"), Decimal128(1, 0))'. You might.\n\tCandidate functions:\n\tf(String)";
        let expected = explanation(
            "`f` takes 1 argument, and the call has 2",
            Some("it takes f(text)"),
        );
        assert_eq!(explained(of_number), expected);
    }

    #[test]
    fn operations_on_texts_are_explained() {
        let text = "Error during planning: Cannot coerce arithmetic expression Utf8 + Int64 to valid types";
        let found = explained(text);
        let message = "no value can be computed of these types: text + Int64";
        assert_eq!(found.message, message);
        assert!(found.hint.expect("a hint").starts_with("CAST(x AS DOUBLE)"));
    }

    #[test]
    fn names_of_the_engines_parts_and_its_plea_are_cut() {
        for (text, expected) in [
            (
                "Execution error: Overflow on x",
                explanation("Overflow on x", None),
            ),
            (
                "Arrow error: Parser error: no interval: \"x\"\nfor developers",
                explanation("no interval: \"x\"", None),
            ),
            (
                "Execution error: f failed: Arrow error: Arrow error: Schema error: no x",
                explanation("f failed: no x", None),
            ),
            (
                "Schema error: No field named \"a Schema error: b\"",
                explanation("No field named \"a Schema error: b\"", None),
            ),
            (
                "Schema error: No field named \"a: Arrow error: b\": Arrow error: c",
                explanation("No field named \"a: Arrow error: b\": c", None),
            ),
            (
                "Internal error: no such node.\nThis issue was likely caused by a bug in DataFusion's code. Please help us",
                explanation(
                    "the query engine cannot run this: no such node",
                    Some(
                        "write it in another way, such as with CAST, or in two steps with a subquery",
                    ),
                ),
            ),
        ] {
            assert_eq!(explained(text), expected);
        }
    }
}
