//! The categories of a forest that the Python package has saved.
//!
//! Python orders numbers by value, and a model orders the texts of categories by their bytes. The codes of the forest are
//! exchanged accordingly: the same categories follow the same branches, so that every score keeps its bits.

use learn::ColumnKind;
use learn::iforest::{ForestData, IsolationForest, TreeData};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::features::{Distilled, EncodingData, MAX_CATEGORIES};
use crate::functions::text_of_number;
use crate::recipe::Recipe;
use crate::recipe::layout::{FeatureInputs, Layout};

/// The categories of each column in the order of their codes, as a file lists them.
pub(super) type Listed = Vec<Option<Vec<Category>>>;

/// A category as a file holds it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "a category must be text, a number or a boolean")]
pub(super) enum Category {
    Flag(bool),
    Whole(i64),
    Great(u64),
    Number(f64),
    Text(String),
}

/// What the categories of one column are, which is one thing in each column of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Type {
    Flag,
    Number,
    Text,
}

impl Category {
    fn of_type(&self) -> Type {
        match self {
            Self::Flag(_) => Type::Flag,
            Self::Whole(_) | Self::Great(_) | Self::Number(_) => Type::Number,
            Self::Text(_) => Type::Text,
        }
    }

    /// Returns the text that the engine makes of the value in a column of any type.
    fn text(&self) -> String {
        match self {
            Self::Flag(flag) => flag.to_string(),
            Self::Whole(number) => number.to_string(),
            Self::Great(number) => number.to_string(),
            Self::Number(number) => text_of_number(*number),
            Self::Text(text) => text.clone(),
        }
    }
}

/// The texts of the categories of one column, in the order of the forest's codes.
#[derive(Debug, Clone)]
pub(super) struct Categories {
    pub texts: Vec<String>,
    /// Whether the categories are numbers.
    pub are_numbers: bool,
}

/// Checks the categories that a file lists against the columns of its forest, whose names are `names`. Returns the forest
/// with codes in the order of the categories' texts, and these texts of each column, or `None` for numbers.
///
/// # Errors
/// Fails when the file does not list the categories of every categorical column and of no other, when it lists another
/// number of categories than the forest has or more than a model may have, and when the categories of a column have
/// several types or the same text.
pub(super) fn ordered(
    forest: IsolationForest,
    listed: Option<Listed>,
    names: Option<&[String]>,
) -> Result<(IsolationForest, Vec<Option<Categories>>)> {
    let kinds = forest.column_kinds();
    let listed = listed.unwrap_or_else(|| vec![None; kinds.len()]);
    if listed.len() != kinds.len() {
        return Err(Error::data(format!(
            "the forest has {} features and {} lists of categories",
            kinds.len(),
            listed.len()
        )));
    }
    let (mut orders, mut found) = (Vec::new(), Vec::new());
    for (column, (kind, listed)) in kinds.iter().zip(listed).enumerate() {
        let (order, categories) = match (kind, listed) {
            (ColumnKind::Numeric, None) => (Vec::new(), None),
            (kind, listed) => {
                let (order, categories) = of_column(*kind, listed).map_err(|why| {
                    let column = match names.and_then(|names| names.get(column)) {
                        Some(name) => format!("`{name}`"),
                        None => format!("{} of {}", column + 1, kinds.len()),
                    };
                    Error::data(format!("column {column}: {why}"))
                })?;
                (order, Some(categories))
            }
        };
        orders.push(order);
        found.push(categories);
    }
    if found.iter().all(Option::is_none) {
        return Ok((forest, found));
    }
    let mut data = forest.to_data();
    exchange_codes(&mut data, &orders);
    let forest = IsolationForest::try_from(data)
        .map_err(|error| Error::internal(format!("a forest with other codes: {error}")))?;
    Ok((forest, found))
}

/// Returns the new code of each category of a column, and the texts in the order of the new codes.
///
/// # Errors
/// Fails with a sentence when the categories do not fit the column.
fn of_column(
    kind: ColumnKind,
    listed: Option<Vec<Category>>,
) -> std::result::Result<(Vec<u32>, Categories), String> {
    let (listed, cardinality) = match (kind, listed) {
        (ColumnKind::Categorical { cardinality }, Some(listed)) => (listed, cardinality as usize),
        (ColumnKind::Categorical { cardinality }, None) => {
            return Err(format!(
                "the forest has {cardinality} categories, which the file does not list"
            ));
        }
        (ColumnKind::Numeric, _) => {
            return Err("the forest has numbers, and the file lists categories".into());
        }
    };
    if listed.len() != cardinality {
        return Err(format!(
            "the forest has {cardinality} categories, and the file lists {}",
            listed.len()
        ));
    }
    if cardinality > MAX_CATEGORIES {
        return Err(format!(
            "the forest has {cardinality} categories; the limit is {MAX_CATEGORIES}"
        ));
    }
    if let Some(pair) = listed
        .windows(2)
        .find(|pair| pair[0].of_type() != pair[1].of_type())
    {
        return Err(format!(
            "the categories {:?} and {:?} are not of one type, as the values of a column of events are",
            pair[0].text(),
            pair[1].text()
        ));
    }
    let texts: Vec<String> = listed.iter().map(Category::text).collect();
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by(|left, right| texts[*left].cmp(&texts[*right]));
    if let Some(pair) = order
        .windows(2)
        .find(|pair| texts[pair[0]] == texts[pair[1]])
    {
        return Err(format!("the file lists `{}` twice", texts[pair[0]]));
    }
    let mut codes = vec![0; order.len()];
    for (new, old) in order.iter().enumerate() {
        codes[*old] = new as u32;
    }
    let categories = Categories {
        texts: order.iter().map(|old| texts[*old].clone()).collect(),
        are_numbers: listed
            .first()
            .is_some_and(|first| first.of_type() == Type::Number),
    };
    Ok((codes, categories))
}

/// Puts `codes[column][code]` in the place of each code of a valid forest.
fn exchange_codes(forest: &mut ForestData, codes: &[Vec<u32>]) {
    for TreeData {
        splits, categories, ..
    } in &mut forest.trees
    {
        let columns = splits
            .iter()
            .filter_map(|split| codes.get(usize::try_from(*split).ok()?));
        let categorical = columns.filter(|codes| !codes.is_empty());
        for (list, codes) in categories.iter_mut().zip(categorical) {
            for code in &mut *list {
                *code = codes[*code as usize];
            }
            list.sort_unstable();
        }
    }
}

/// Puts the forest's categories in the place of those that were found in the events that it was fitted with.
///
/// # Errors
/// Fails when the events have a category that the forest does not know: they are others.
pub(super) fn replace_found(
    encodings: &mut [EncodingData],
    categories: &[Option<Categories>],
    recipe: &Recipe,
    distilled: &Distilled,
) -> Result<()> {
    let layout = Layout::new(recipe);
    let features = encodings.iter_mut().zip(categories).zip(&layout.features);
    for (index, ((encoding, categories), inputs)) in features.enumerate() {
        let (EncodingData::Categories(found), Some(known), FeatureInputs::Own(input)) =
            (&mut *encoding, categories, inputs)
        else {
            continue;
        };
        let mut texts = distilled.texts[*input].iter();
        if let Some(unknown) = texts.find(|text| known.texts.binary_search(text).is_err()) {
            return Err(Error::data(format!(
                "recipe `{}`, feature `{}`: the events have the category `{}`, which the forest was not fitted with",
                recipe.name,
                recipe.features[index].name,
                crate::wording::shortened(unknown)
            ))
            .hint("give the events that the forest was fitted with, or none"));
        }
        found.clone_from(&known.texts);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use learn::Matrix;
    use learn::iforest::IsolationForestParams;

    use super::*;

    /// The categories of the second column in the order of Python, whose texts have another one.
    const NUMBERS: [f64; 6] = [-3.0, 0.5, 9.0, 22.0, 443.0, 1e15];

    /// Returns a forest on a column of numbers and one of categories, some of which are missing.
    fn forest(extension_level: usize) -> IsolationForest {
        let rows = (0..240_u32).flat_map(|row| match row % 17 {
            0 => [f64::NAN, f64::from(row % 6)],
            1 => [f64::from(row * row % 31), f64::NAN],
            _ => [f64::from(row * row % 31), f64::from(row * 7 % 13 % 6)],
        });
        let matrix = Matrix::new(2, rows.collect(), vec![1.0; 240]).expect("a matrix");
        let kinds = vec![
            ColumnKind::Numeric,
            ColumnKind::Categorical { cardinality: 6 },
        ];
        let params = IsolationForestParams::new().column_kinds(kinds);
        let params = params.n_estimators(30).extension_level(extension_level);
        params.fit(&matrix).expect("a forest")
    }

    #[test]
    fn a_category_has_the_same_score_under_its_new_code() {
        for extension_level in [0, 1] {
            let before = forest(extension_level);
            let listed = NUMBERS.map(Category::Number).to_vec();
            let listed = Some(vec![None, Some(listed)]);
            let (after, categories) = ordered(before.clone(), listed, None).expect("categories");
            let known = categories[1].as_ref().expect("the second column's");
            let texts = ["-3", "0.5", "1000000000000000", "22", "443", "9"];
            assert_eq!(
                (&known.texts[..], known.are_numbers),
                (&texts.map(String::from)[..], true)
            );
            assert!(categories[0].is_none());
            let codes = NUMBERS.map(|number| {
                let code = texts.iter().position(|text| text.parse() == Ok(number));
                code.expect("a text of the number") as f64
            });
            for number in [f64::NAN, -5.0, 0.0, 7.0, 30.0, 99.0] {
                let score = |forest: &IsolationForest, code: f64| {
                    let score = forest.score_one(&[number, code]).expect("a score");
                    score.to_bits()
                };
                for (old, new) in codes.iter().enumerate() {
                    assert_eq!(score(&before, old as f64), score(&after, *new));
                }
                for other in [f64::NAN, -1.0, 6.0] {
                    assert_eq!(score(&before, other), score(&after, other));
                }
            }
        }
    }
}
