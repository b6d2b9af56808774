//! Calls that cannot work, and expressions that fail on some event: the errors say what to do instead.

use std::future::ready;

use crate::common::{
    Folder, HEADER, LOOKUP_HEADER, answer, engine, events, failed, recipe, small_forest,
    small_model, written,
};
use honeyguide::evaluate::evaluate;
use honeyguide::log::Log;
use honeyguide::score::{Listing, Selection, explain_event, most_anomalous};
use honeyguide::sql::{Database, TextFormat};
use honeyguide::{
    ErrorKind, Model, ReadOptions, Recipe, Result, StorageOptions, TrainOptions, train,
};

/// Creates a folder with events.
fn folder() -> Folder {
    Folder::with(&[("good.csv", events(200))])
}

/// Trains a model of `good.csv` with the recipe in `r.toml`.
async fn trained(folder: &Folder) -> Result<Model> {
    let recipe = Recipe::load(&folder.path("r.toml").display().to_string())?;
    let mut source = folder.source(&["good.csv"]);
    let options = TrainOptions::default();
    train(&engine(2), &mut source, &recipe, &options).await
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_and_pipes_are_not_data_files_or_models() {
    let folder = folder();
    std::os::unix::fs::symlink("/dev/null", folder.path("null.csv")).expect("a link");
    std::os::unix::fs::symlink("/dev/zero", folder.path("zero.csv")).expect("a link");
    let made = std::process::Command::new("mkfifo")
        .arg(folder.path("pipe.csv"))
        .status();
    assert!(made.is_ok_and(|status| status.success()));
    for name in ["null.csv", "zero.csv", "pipe.csv"] {
        let says = [name, "not a regular file"];
        let call = ready(folder.open(&[name], &ReadOptions::default()));
        let usage = ErrorKind::Usage;
        folder.refused_with_hint(call, usage, &says).await;
        let call = ready(Model::load(&folder.path(name)));
        folder.refused_with_hint(call, usage, &says).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_recipes_are_refused() {
    let folder = folder();
    let feature = |expr: &str, more: &str| {
        format!("name = 'mine'\n[[feature]]\nname = 'f'\nexpr = '''{expr}'''\n{more}")
    };
    let cases = [
        ("not TOML".to_owned(), "r.toml"),
        (String::new(), "name"),
        ("name = 'x'".to_owned(), "no features"),
        (feature("userId +", ""), "feature `f`"),
        (feature("nothing + 1", ""), "`nothing` (for feature `f`)"),
        (feature("userid", ""), "`userid` (for feature `f`)"),
        (feature("sum(userId)", ""), "not a function of one event"),
        (feature("row_number() OVER ()", ""), "feature `f`"),
        (feature("(SELECT 1)", ""), "feature `f`"),
        (feature("no_such_function(userId)", ""), "no_such_function"),
        (feature("random()", ""), "feature `f`"),
        (feature("now()", ""), "feature `f`"),
        (feature("processName", ""), "categorical"),
        (feature("userId; DROP TABLE x", ""), "feature `f`"),
        (
            feature(
                "processName",
                "kind = 'categorical'\ntransform = 'standard'",
            ),
            "transform",
        ),
        (feature("userId", "kind = 'odd'"), "odd"),
        (
            feature(
                &format!("{}userId{}", "(".repeat(6000), ")".repeat(6000)),
                "",
            ),
            "feature `f`",
        ),
        (feature(&"-".repeat(9000), ""), "feature `f`"),
        (
            feature(&format!("userId{}", " + 1".repeat(3000)), ""),
            "3000 operators; the limit is 256",
        ),
    ];
    for (text, says) in cases {
        folder.write("r.toml", text);
        let (call, usage) = (trained(&folder), ErrorKind::Usage);
        folder.refused_with_hint(call, usage, &[says]).await;
    }
}

/// Values that only the scan can find are reported with their line, and with a way to change the expression.
#[tokio::test(flavor = "multi_thread")]
async fn expressions_that_fail_on_some_event_are_reported() {
    let folder = folder();
    let cases: [(&str, &[&str]); 7] = [
        (
            "100 / parentProcessId",
            &[
                "good.csv: line 2: recipe `mine`, feature `f`: `100 / parentProcessId`: a division by zero",
                "NULLIF(x, 0)",
            ],
        ),
        ("100 / (userId - 1001)", &["good.csv: line 98: recipe"]),
        (
            "CAST(processName AS BIGINT)",
            &["good.csv: line 2: recipe `mine`", "'cron'", "TRY_CAST"],
        ),
        (
            "(-9223372036854775807 - 1) / (userId - 1)",
            &["good.csv: line 2: recipe `mine`", "Overflow"],
        ),
        (
            "arrow_cast(userId, 'Int8')",
            &["good.csv: line 98: recipe `mine`", "1001"],
        ),
        (
            "1e308 * 10 * (userId + 1)",
            &["good.csv: line 2: feature `f` is infinite"],
        ),
        (
            "CASE WHEN parentProcessId = 3 THEN NULL ELSE 1 END",
            &["good.csv: line 5: feature `f` is null", "nulls = \"allow\""],
        ),
    ];
    for (expr, says) in cases {
        folder.write(
            "r.toml",
            format!("name = 'mine'\n[[feature]]\nname = 'f'\nexpr = \"{expr}\"\n"),
        );
        let (call, data) = (trained(&folder), ErrorKind::Data);
        folder.refused_with_hint(call, data, says).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_that_fail_on_some_event_are_reported() {
    let (folder, engine) = (folder(), engine(2));
    for (query, says) in [
        (
            "SELECT CAST(processName AS INT) FROM events",
            ["a value cannot be computed", "'cron'", "TRY_CAST"],
        ),
        (
            "SELECT 1 / sus FROM events",
            ["a value cannot be computed", "a division by zero", "NULLIF"],
        ),
    ] {
        let storage = StorageOptions::default();
        let mut database = Database::new(&engine, None, storage).expect("a database");
        let added = database.add("events", folder.source(&["good.csv"]));
        added.expect("a table");
        let call = database.text(query, TextFormat::Csv);
        let data = ErrorKind::Data;
        folder.refused_with_hint(call, data, &says).await;
    }
    for query in [
        "SELECT TRY_CAST(processName AS INT) FROM events",
        "SELECT 1 / NULLIF(sus, 0) FROM events",
    ] {
        let source = folder.source(&["good.csv"]);
        let rows = answer(&engine, source, query, TextFormat::Csv).await;
        assert_eq!(rows.lines().count(), 201, "{query}");
    }
}

/// The per-host files of BETH lack threadId, mountNamespace and stackAddresses.
#[tokio::test(flavor = "multi_thread")]
async fn files_with_thirteen_columns_need_another_recipe() {
    let header = "timestamp,processId,parentProcessId,userId,processName,hostName,eventId,eventName,argsNum,returnValue,args,sus,evil";
    let rows = (0..200).map(|index| {
        format!(
            "{index}.5,{},{},0,cron,h,{},openat,2,0,[],0,0\n",
            index % 9,
            index % 4,
            index % 6
        )
    });
    let table = format!("{header}\n{}", rows.collect::<String>());
    let folder = Folder::with(&[("host.csv", table)]);
    let (engine, options) = (engine(2), small_forest());
    let mut source = folder.source(&["host.csv"]);
    let beth_paper = recipe("beth-paper");
    let call = train(&engine, &mut source, &beth_paper, &options);
    let says = ["recipe `beth-paper`", "`mountNamespace`", "raw"];
    let usage = ErrorKind::Usage;
    folder.refused_with_hint(call, usage, &says).await;
    small_model(&mut source, "raw").await;
    let mine = "name = 'mine'\n[[feature]]\nname = 'root'\nexpr = 'userId = 0'\n[[feature]]\nname = 'call'\nexpr = 'eventName'\nkind = 'categorical'\n";
    let mine = Recipe::from_toml(mine).expect("a recipe");
    let model = train(&engine, &mut source, &mine, &options).await;
    let model = model.expect("a model");
    folder.write("mine.json", written(&model));
    let model = Model::load(&folder.path("mine.json")).expect("a model");
    let found = most_anomalous(&engine, &model, &mut source, Listing::top(5)).await;
    assert_eq!(found.expect("scores").summary.events, 200);
    let evaluation = evaluate(&engine, &model, &mut source, None).await;
    assert_eq!(evaluation.expect("an evaluation").events, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_conditions_are_refused() {
    let (folder, engine) = (folder(), engine(2));
    let mut source = folder.source(&["good.csv"]);
    let model = small_model(&mut source, "beth-paper").await;
    let deep = format!("userId{} = 0", " + 1".repeat(3000));
    for (condition, says) in [
        ("userId", "not true or false"),
        ("userId >", "`where`"),
        ("nothing = 1", "there is no column `nothing` here"),
        ("nothing = 1", "the columns are timestamp, processId"),
        ("userid > 3", "did you mean userId?"),
        ("processName = \"cron\"", "single quotes, 'cron'"),
        ("sum(userId) > 1", "`where`"),
        (deep.as_str(), "3001 operators; the limit is 256"),
    ] {
        let selection = Selection::Where(condition.to_owned());
        let error = failed(explain_event(&engine, &model, &mut source, &selection).await);
        assert_eq!(error.kind(), ErrorKind::Usage, "{condition}: {error}");
        assert!(error.to_string().contains(says), "no `{says}` in: {error}");
    }
}

/// Texts of the engine ask for reports of defects where a query is wrong. None of them reaches a user.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_query_never_asks_for_a_bug_report() {
    let folder = Folder::with(&[("events.csv", events(20))]);
    for (query, says) in [
        (
            "SELECT sum(processName) FROM events",
            &["`sum`", "text", "CAST(x AS DOUBLE)"][..],
        ),
        (
            "SELECT avg(DISTINCT processName) FROM events",
            &["`avg`", "text"],
        ),
        (
            "SELECT median(processName) FROM events",
            &["`median`", "text"],
        ),
        (
            "SELECT sqrt(userId, userId) FROM events",
            &["`sqrt` takes 1 argument, and the call has 2"],
        ),
        (
            "SELECT arg(args) FROM events",
            &["`arg` takes 2 arguments, and the call has 1"],
        ),
        (
            "SELECT path_prefix(args) FROM events",
            &["`path_prefix` takes 2 arguments, and the call has 1"],
        ),
        (
            "SELECT date_part('year', sus = 1) FROM events",
            &["`date_part`"],
        ),
        ("SELECT log(processName) FROM events", &["`log`", "text"]),
        ("SELECT chr(-1) FROM events", &["invalid"]),
        (
            "SELECT CAST(processName AS INTERVAL) FROM events",
            &["interval"],
        ),
        (
            "SELECT regexp_replace(processName, '(', 'x') FROM events",
            &["regex parse error", "("],
        ),
    ] {
        let mut database = Database::new(&engine(2), None, StorageOptions::default()).unwrap();
        database
            .add("events", folder.source(&["events.csv"]))
            .unwrap();
        let error = failed(database.text(query, TextFormat::Csv).await).to_string();
        for part in [
            "Internal error",
            "bug",
            "issue tracker",
            "github.com",
            "Execution error",
            "Arrow error",
            "External error",
        ] {
            assert!(!error.contains(part), "`{part}` in: {error}");
        }
        for part in says {
            assert!(error.contains(part), "no `{part}` in: {error}");
        }
    }
}

/// A null is no category: it is neither a person's user nor a positive return.
#[tokio::test(flavor = "multi_thread")]
async fn no_built_in_recipe_makes_a_category_of_a_null() {
    let empty = |header: &str| format!("{header}\n{}\n", ",".repeat(header.matches(',').count()));
    let tables = [("events.csv", HEADER), ("lookups.csv", LOOKUP_HEADER)];
    let folder = Folder::with(&tables.map(|(name, header)| (name, empty(header))));
    for recipe in honeyguide::builtins() {
        let is_of_lookups = recipe.name == Log::dns().default_recipe();
        let name = if is_of_lookups {
            "lookups.csv"
        } else {
            "events.csv"
        };
        for feature in &recipe.features {
            let rarity = feature.rarity.iter();
            let rarity = rarity.flat_map(|rarity| [&rarity.of].into_iter().chain(&rarity.given));
            for sql in feature.expr.iter().chain(rarity) {
                let query = format!("SELECT ({sql}) IS NULL FROM events");
                let source = folder.source(&[name]);
                let found = answer(&engine(1), source, &query, TextFormat::Csv).await;
                assert_eq!(found.lines().nth(1), Some("true"), "{}: {sql}", recipe.name);
            }
        }
    }
}
