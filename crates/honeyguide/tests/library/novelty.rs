//! What training never saw scores higher than what is ordinary.

use honeyguide::score::{Listing, most_anomalous};
use honeyguide::{
    Contamination, Model, Novelty, Recipe, Source, ThresholdPolicy, TrainOptions, train,
};

use crate::common::{Folder, engine};

const RECIPE: &str = "name = 'logins'\n\
    [[feature]]\nname = 'user'\nrarity = { of = 'user' }\n\
    [[feature]]\nname = 'network'\nrarity = { of = 'network' }\n";

/// Returns ordinary logins: three users, a tenth of them on the second network.
fn ordinary(n: usize) -> String {
    let users = [
        "ruth", "ruth", "omar", "build", "ruth", "build", "omar", "ruth", "build", "ruth",
    ];
    let network = |i: usize| if i % 11 == 7 { "172.20" } else { "172.16" };
    (0..n).fold("user,network\n".to_owned(), |text, i| {
        text + users[i % 10] + "," + network(i) + "\n"
    })
}

async fn model(folder: &Folder, novelty: impl Into<Option<Novelty>>) -> Model {
    model_of(folder, RECIPE, novelty).await
}

async fn model_of(folder: &Folder, recipe: &str, novelty: impl Into<Option<Novelty>>) -> Model {
    let options = TrainOptions {
        novelty: novelty.into(),
        threshold: ThresholdPolicy::Contamination(Contamination::Auto),
        ..TrainOptions::default()
    };
    let recipe = Recipe::from_toml(recipe).expect("a recipe");
    let mut source = folder.source(&["usual.csv"]);
    let model = train(&engine(2), &mut source, &recipe, &options).await;
    model.expect("a model")
}

/// Returns the scores of the rows of one file, each distinct row once, the highest first.
async fn scores(model: &Model, source: &mut Source) -> Vec<f64> {
    let found = most_anomalous(&engine(2), model, source, Listing::top(1000)).await;
    found
        .expect("scores")
        .anomalies
        .iter()
        .map(|row| row.score)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_by_unseen_names_from_an_unseen_network_score_above_all_ordinary_ones() {
    let attack = (0..40).fold("user,network\n".to_owned(), |text, i| {
        text + ["admin", "test", "postgres"][i % 3] + ",198.51\n"
    });
    let folder = Folder::with(&[
        ("usual.csv", ordinary(3000)),
        ("today.csv", ordinary(330)),
        ("attack.csv", attack),
    ]);
    // Without a word on it, the forest knows what lies outside.
    let model = model(&folder, None).await;
    let usual = scores(&model, &mut folder.source(&["today.csv"])).await;
    let unseen = scores(&model, &mut folder.source(&["attack.csv"])).await;
    let (highest, lowest) = (usual[0], unseen[unseen.len() - 1]);
    assert!(
        lowest > highest + 0.1,
        "{lowest} is not far above {highest}"
    );
    // A forest that stays plain cannot tell them from the rarest ordinary logins.
    let plain = self::model(&folder, Novelty::Plain).await;
    let usual = scores(&plain, &mut folder.source(&["today.csv"])).await;
    assert_eq!(
        scores(&plain, &mut folder.source(&["attack.csv"])).await[0],
        usual[0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipe_says_which_novelty_its_forests_have_unless_the_caller_does() {
    let folder = Folder::with(&[("usual.csv", ordinary(300))]);
    let plain = RECIPE.replace(
        "[[feature]]\nname = 'user'",
        "novelty = 'plain'\n[[feature]]\nname = 'user'",
    );
    for (recipe, asked, expected) in [
        (RECIPE, None, Novelty::Range),
        (RECIPE, Some(Novelty::Plain), Novelty::Plain),
        (&plain, None, Novelty::Plain),
        (&plain, Some(Novelty::Range), Novelty::Range),
    ] {
        let model = model_of(&folder, recipe, asked).await;
        assert_eq!(model.forest().novelty(), expected, "{recipe} {asked:?}");
    }
    let error = Recipe::from_toml(&plain.replace("'plain'", "'box'")).expect_err("no such form");
    assert!(error.to_string().contains("line 2"), "{error}");
}
