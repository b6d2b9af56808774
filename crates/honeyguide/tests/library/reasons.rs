//! Reasons: values and what they are compared with are in the same unit, with few digits. The expected numbers were
//! computed with Python's `math`.

use honeyguide::score::{Selection, explain_event};
use honeyguide::{Model, Recipe, TrainOptions, train};

use crate::common::{Folder, engine, small_forest};

/// Trains a model with one feature on the numbers from 48 to 102,447, of which none is a multiple of 1,000 plus 182.
async fn model(folder: &Folder, feature: &str) -> Model {
    let text = format!("name = 'r'\n[[feature]]\n{feature}\n");
    let recipe = Recipe::from_toml(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut source = folder.source(&["t.csv"]);
    let options: TrainOptions = small_forest();
    let model = train(&engine(2), &mut source, &recipe, &options).await;
    model.expect("a model")
}

/// Returns the reason for the event in row 1 of `today.csv`.
async fn reason(feature: &str) -> String {
    let rows =
        (0..1025).map(|row| format!("{},{},true\n", 48 + 100 * row, f64::from(row % 100) / 7.0));
    let rows = format!(
        "bytes,ratio,flag\n{}5,0.5,false\n",
        rows.collect::<String>()
    );
    let today = "bytes,ratio,flag\n182,0.30000000000000004,false\n".to_owned();
    let folder = Folder::with(&[("t.csv", rows), ("today.csv", today)]);
    let model = model(&folder, feature).await;
    let mut source = folder.source(&["today.csv"]);
    let found = explain_event(&engine(2), &model, &mut source, &Selection::Row(1)).await;
    found.expect("an explanation").anomaly.reasons[0]
        .text
        .clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_compared_with_values_in_its_own_unit() {
    // ln 183 = 5.209486, ln 6 = 1.791759, ln 102449 = 11.537120.
    let log = reason("name = 'log_bytes'\nexpr = 'ln(1 + bytes)'").await;
    assert!(
        log.starts_with(
            "log_bytes 5.209486 (bytes 182): training events lie between 1.791759 and 11.53712, half of them between "
        ),
        "{log}"
    );
    let same_name = reason("name = 'bytes'\nexpr = 'ln(1 + bytes)'").await;
    let says =
        "feature bytes 5.209486 (column bytes 182): training events lie between 1.791759 and ";
    assert!(same_name.starts_with(says), "{same_name}");
    let plain = reason("name = 'size'\nexpr = 'bytes'").await;
    let says = "bytes 182: training events lie between 5 and 102448, half of them between ";
    assert!(plain.starts_with(says), "{plain}");
    let two = reason("name = 'mixed'\nexpr = 'bytes * ratio'").await;
    assert!(
        two.starts_with("mixed 54.6 (bytes 182, ratio 0.3): training"),
        "{two}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_few_are_compared_with_the_usual_one_in_its_own_unit() {
    // One of 1,026 training events is false: 0.0975 %.
    let flag = reason("name = 'f'\nexpr = 'flag'").await;
    assert_eq!(
        flag,
        "flag false: 0.0975 % of the training events; 99.9025 %: true"
    );
    let code = reason("name = 'is_small'\nexpr = 'bytes < 200'").await;
    assert_eq!(
        code,
        "is_small 1 (bytes 182): 0.29 % of the training events; 99.71 %: 0"
    );
    let meaning =
        reason("name = 'size'\nexpr = 'bytes < 200'\nvalues = { 0 = 'large', 1 = 'small' }").await;
    assert_eq!(
        meaning,
        "bytes 182 (small): 0.29 % of the training events; 99.71 %: large"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_number_in_a_reason_has_more_digits_than_people_read() {
    for feature in [
        "name = 'r'\nexpr = 'ratio'",
        "name = 'r'\nexpr = 'ratio / 3'",
        "name = 'r'\nexpr = 'bytes * 1e14 / 3'",
        "name = 'r'\nrarity = { of = 'ratio' }",
        "name = 'r'\nrarity = { of = 'flag', given = ['ratio'] }",
    ] {
        let text = reason(feature).await;
        let numbers =
            text.split(|character: char| !(character.is_ascii_digit() || character == '.'));
        let longest = numbers
            .map(|number| number.bytes().filter(u8::is_ascii_digit).count())
            .max();
        // Whole numbers below 10¹⁵ are written in full.
        assert!(longest <= Some(15), "{text}");
    }
}
