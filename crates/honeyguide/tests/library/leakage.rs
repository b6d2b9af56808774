//! Labels that are features: training names columns that look like labels, and no model is judged against a label from
//! which it is computed.

use honeyguide::evaluate::evaluate;
use honeyguide::report::report;
use honeyguide::{ErrorKind, Model, Recipe, TrainOptions, possible_labels, train};

use crate::common::{Folder, engine, recipe, small_forest};

const COLUMNS: &str = "bytes,is_attack,Class,target,attack,y,kind,is_ssl,sus";

/// Returns a table with columns of two values, of few values and of many.
fn table() -> String {
    let rows = (0..300).map(|row| {
        let (attack, many) = (u8::from(row % 30 == 0), row * 7 % 101);
        let kind = ["web", "mail", "dns"][row % 3];
        let class = attack + 1;
        format!(
            "{many},{attack},{class},{many}.5,{},{attack},{kind},{},0\n",
            row % 3,
            row % 2
        )
    });
    format!("{COLUMNS}\n{}", rows.collect::<String>())
}

async fn trained(folder: &Folder, recipe: &Recipe, exclude: &[&str]) -> Model {
    let options = TrainOptions {
        exclude: exclude.iter().map(|column| (*column).to_owned()).collect(),
        ..small_forest()
    };
    let mut source = folder.source(&["t.csv"]);
    let model = train(&engine(2), &mut source, recipe, &options).await;
    model.expect("a model")
}

/// Returns a recipe with one feature.
fn of_one(feature: &str) -> Recipe {
    let text = format!(
        "name = 'r'\n[[feature]]\nname = 'bytes'\nexpr = 'bytes'\n[[feature]]\nname = 'f'\n{feature}\n"
    );
    Recipe::from_toml(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn columns(model: &Model) -> Vec<String> {
    let found = possible_labels(model).into_iter();
    found.map(|label| label.column).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_look_like_labels_are_named() {
    let folder = Folder::with(&[("t.csv", table())]);
    let raw = recipe("raw");
    let all = trained(&folder, &raw, &[]).await;
    // `target` and `attack` have the names of labels and more than two values, `is_ssl` has two values and no such name,
    // and `raw` never takes `sus`.
    assert_eq!(columns(&all), ["is_attack", "Class", "y"]);
    assert_eq!(possible_labels(&all)[0].features, ["is_attack"]);
    let few = trained(&folder, &raw, &["is_attack", "Class", "y"]).await;
    assert_eq!(columns(&few), Vec::<String>::new());
    let open = Recipe::from_toml("name = 'open'\n[numeric_columns]\n").expect("a recipe");
    let labels = trained(&folder, &open, &[]).await;
    assert_eq!(columns(&labels), ["is_attack", "Class", "y", "sus"]);
    for (feature, found) in [
        ("expr = 'ln(1 + bytes) + is_attack'", vec!["is_attack"]),
        ("expr = '1 + y'", vec![]),
        ("rarity = { of = 'Class' }", vec!["Class"]),
        (
            "rarity = { of = 'kind', given = ['is_attack'] }",
            vec!["is_attack"],
        ),
        ("rarity = { of = 'attack' }", vec![]),
        (
            "expr = \"CASE kind WHEN 'is_attack' THEN 1 ELSE 0 END\"",
            vec![],
        ),
    ] {
        let model = trained(&folder, &of_one(feature), &[]).await;
        assert_eq!(columns(&model), found, "{feature}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_not_judged_against_a_label_that_it_reads() {
    let folder = Folder::with(&[("t.csv", table())]);
    let engine = engine(2);
    for feature in [
        "expr = 'is_attack'",
        "expr = '\"is_attack\"'",
        "expr = 'CASE WHEN is_attack = 1 THEN bytes ELSE 0 END'",
        "rarity = { of = 'kind', given = ['bytes', 'is_attack'] }",
    ] {
        let model = trained(&folder, &of_one(feature), &[]).await;
        let says = [
            "feature `f` is computed from this label",
            "`exclude` is_attack",
        ];
        let mut source = folder.source(&["t.csv"]);
        let call = evaluate(&engine, &model, &mut source, Some("is_attack"));
        folder
            .refused_with_hint(call, ErrorKind::Usage, &says)
            .await;
        let call = report(&engine, &model, &mut source, Some("is_attack"));
        folder
            .refused_with_hint(call, ErrorKind::Usage, &says)
            .await;
    }
    let feature = "expr = \"CASE kind WHEN 'is_attack' THEN 1 ELSE 0 END\"";
    let model = trained(&folder, &of_one(feature), &[]).await;
    let mut source = folder.source(&["t.csv"]);
    let found = evaluate(&engine, &model, &mut source, Some("is_attack")).await;
    assert_eq!(found.expect("an evaluation").labels[0].positives, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_is_not_named_is_refused_too() {
    let folder = Folder::with(&[("t.csv", table())]);
    let model = trained(&folder, &of_one("expr = 'sus'"), &[]).await;
    let engine = engine(2);
    let mut source = folder.source(&["t.csv"]);
    let call = evaluate(&engine, &model, &mut source, None);
    folder
        .refused(call, ErrorKind::Usage, "sus: the model's feature `f`")
        .await;
}
