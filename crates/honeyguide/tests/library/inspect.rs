//! Inspections: their figures compared with those of pandas, remarks, unusual tables and types, and hostile text.

use std::sync::Arc;

use crate::common::{Folder, HEADER, engine, event_with, events, failed, recipe, small_forest};
use datafusion::arrow::array::{
    ArrayRef, Decimal128Array, Decimal256Array, Float64Array, Int64Array, UInt64Array,
};
use datafusion::arrow::datatypes::i256;
use datafusion::arrow::record_batch::RecordBatch;
use honeyguide::event::Value as Cell;
use honeyguide::inspect::{ColumnSummary, Inspection, RemarkKind, features, inspect};
use honeyguide::sql::Database;
use honeyguide::{ErrorKind, ReadOptions, Recipe, Source, StorageOptions, train};
use serde_json::Value;

/// Inspects a file. The inspection must succeed.
async fn inspected(folder: &Folder, data: &str) -> Inspection {
    let inspection = inspect(&engine(2), &mut folder.source(&[data])).await;
    inspection.unwrap_or_else(|error| panic!("{data}: {error}"))
}

/// Returns the figures of the column `name`.
fn column<'a>(inspection: &'a Inspection, name: &str) -> &'a ColumnSummary {
    let found = inspection.columns.iter().find(|column| column.name == name);
    found.unwrap_or_else(|| panic!("no column {name}"))
}

/// Returns whether there is a remark of this kind on these columns.
fn has(inspection: &Inspection, kind: RemarkKind, columns: &[&str]) -> bool {
    let mut remarks = inspection.remarks.iter();
    remarks.any(|remark| remark.kind == kind && remark.columns == columns)
}

fn assert_close(found: &Value, expected: &Value, what: &str) {
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{what}: {value}"));
    let (found, expected) = (number(found), number(expected));
    let error = (found - expected).abs() / expected.abs().max(1e-3);
    assert!(error < 1e-9, "{what}: {found} instead of {expected}");
}

/// fixtures/make_inspect.py computes the expected figures with pandas and NumPy.
#[tokio::test(flavor = "multi_thread")]
async fn figures_agree_with_pandas() {
    let folder = Folder::with(&[("t.csv", include_bytes!("fixtures/inspect.csv"))]);
    let expected: Value =
        serde_json::from_str(include_str!("fixtures/inspect.json")).expect("JSON");
    let found = inspected(&folder, "t.csv").await;
    assert_eq!(found.rows, expected["rows"]);
    for (name, figures) in expected["columns"].as_object().expect("columns") {
        let column = column(&found, name);
        assert_eq!(column.nulls, figures["nulls"], "{name}");
        assert_eq!(column.distinct.count, figures["distinct"], "{name}");
        assert!(column.distinct.exact, "{name}");
        let numeric = serde_json::to_value(&column.numeric).expect("JSON");
        for figure in ["min", "q1", "median", "q3", "max", "mean", "std"] {
            // Above 2^53, floats are too coarse for a range of 300, in pandas too.
            let is_coarse = name == "big" && figure == "std";
            if !figures[figure].is_null() && !is_coarse {
                let what = format!("{figure} of {name}");
                assert_close(&numeric[figure], &figures[figure], &what);
            }
        }
        if let Some(histogram) = figures["histogram"].as_object() {
            for part in ["edges", "counts"] {
                let expected = histogram[part].as_array().expect("numbers");
                for (index, number) in expected.iter().enumerate() {
                    assert_close(&numeric["histogram"][part][index], number, name);
                }
            }
        }
        for (value, count) in figures["top"].as_object().into_iter().flatten() {
            let found = column.top.iter().find(|listed| listed.value == *value);
            assert_eq!(found.expect("listed").count, *count, "{name}");
        }
    }
    let correlations = &found.correlations;
    let place = |name: &Value| {
        let mut names = correlations.names.iter();
        names.position(|known| name == known).expect("a column")
    };
    for pair in expected["correlations"].as_array().expect("pairs") {
        let found = correlations.get(place(&pair[0]), place(&pair[1]));
        let apart = found.expect("defined") - pair[2].as_f64().expect("a number");
        assert!(apart.abs() < 1e-9, "r of {pair}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_cause_problems_for_a_model_are_reported() {
    let folder = Folder::with(&[("e.csv", events(300)), ("q.csv", events(90))]);
    let found = inspected(&folder, "e.csv").await;
    for (kind, columns) in [
        (RemarkKind::Correlated, &["processId", "threadId"][..]),
        (RemarkKind::Correlated, &["sus", "evil"]),
        (RemarkKind::Constant, &["mountNamespace"]),
        (RemarkKind::Unique, &["timestamp"]),
        (RemarkKind::Unique, &["args"]),
    ] {
        assert!(
            has(&found, kind, columns),
            "{columns:?}: {:?}",
            found.remarks
        );
    }
    // The correlation with a constant column is undefined and not 0.
    let correlations = &found.correlations;
    let mut names = correlations.names.iter();
    let constant = names.position(|name| name == "mountNamespace");
    let row = constant.expect("a number") * correlations.names.len();
    assert_eq!(correlations.r[row], None);
    let reason = correlations.undefined[row].as_deref().expect("a reason");
    assert!(reason.contains("mountNamespace is constant"), "{reason}");
    assert_eq!(found.labels.counts[1].values[1].count, 3);
    assert_eq!(found.hosts.expect("hosts").top[0].value, "host-1");
    assert_eq!(found.time.expect("times").last, 299.25);
    assert_eq!(found.head[4].get("timestamp"), Some("4.25"));
    let quiet = inspected(&folder, "q.csv").await;
    assert!(has(&quiet, RemarkKind::OneClass, &["evil"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_change_nothing() {
    let folder = Folder::with(&[("a.csv", events(9000)), ("b.csv", events(700))]);
    let mut found = Vec::new();
    for threads in [1, 2] {
        let mut source = folder.source(&["a.csv", "b.csv"]);
        let inspection = inspect(&engine(threads), &mut source).await;
        let inspection = inspection.expect("an inspection");
        found.push(serde_json::to_string(&inspection).expect("JSON"));
    }
    assert_eq!(found[0], found[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unusual_tables_can_be_inspected() {
    let wide_header: Vec<String> = (0..300).map(|column| format!("c{column}")).collect();
    let wide_row = |row: usize| {
        let field = |column: usize| (row * (column + 1) % 17).to_string();
        (0..300).map(field).collect::<Vec<_>>().join(",")
    };
    let wide: Vec<String> = (1..40).map(wide_row).collect();
    let wide = format!("{}\n{}\n", wide_header.join(","), wide.join("\n"));
    let folder = Folder::with(&[
        ("one.csv", "a,b\n1,x\n".to_owned()),
        ("text.csv", "a,b\nx,y\nz,\n".to_owned()),
        ("null.csv", "a,b\n1,\n2,\n".to_owned()),
        ("odd.csv", "a\n1\nNaN\ninf\n-inf\n3\n".to_owned()),
        ("wide.csv", wide),
        ("empty.csv", format!("{HEADER}\n")),
    ]);
    let one = inspected(&folder, "one.csv").await;
    assert_eq!((one.rows, &one.remarks[..]), (1, &[][..]));
    let numeric = column(&one, "a").numeric.as_ref();
    assert_eq!(numeric.expect("a number").std, None);
    let text = inspected(&folder, "text.csv").await;
    assert!(text.correlations.names.is_empty());
    assert_eq!(column(&text, "b").nulls, 1);
    let null = inspected(&folder, "null.csv").await;
    assert_eq!(column(&null, "b").nulls, 2);
    assert!(has(&null, RemarkKind::Empty, &["b"]));
    let odd = inspected(&folder, "odd.csv").await;
    let numeric = column(&odd, "a").numeric.as_ref().expect("a number");
    assert_eq!((numeric.infinite, numeric.mean), (2, 2.0));
    assert_eq!(column(&odd, "a").nulls, 1);
    assert!(has(&odd, RemarkKind::Infinite, &["a"]));
    let wide = inspected(&folder, "wide.csv").await;
    assert_eq!(wide.columns.len(), 300);
    let engine = engine(2);
    let mut empty = folder.source(&["empty.csv"]);
    let call = inspect(&engine, &mut empty);
    let says = "a header but no rows";
    folder.refused(call, ErrorKind::Data, says).await;
    let error = failed(folder.open(&["nowhere.csv"], &ReadOptions::default()));
    assert!(error.message().contains("nowhere.csv"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Usage);
    let mut one = folder.source(&["one.csv"]);
    let context = recipe("context");
    let call = features(&engine, &mut one, &context);
    folder.refused(call, ErrorKind::Usage, "processName").await;
}

/// Inspects a table in memory with one column.
async fn inspected_array(array: ArrayRef) -> Inspection {
    let batch = RecordBatch::try_from_iter([("a", array)]).expect("a batch");
    let source = Source::from_batches(&batch.schema(), [batch], &ReadOptions::default());
    let found = inspect(&engine(2), &mut source.expect("a source")).await;
    found.expect("an inspection")
}

async fn inspected_column(array: ArrayRef) -> ColumnSummary {
    column(&inspected_array(array).await, "a").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_are_one_float_are_told_apart() {
    // Python's decimal and int: 1,000 different values, of which float() makes one or a few.
    let start = 1_234_567_890_123_456_789_i128;
    let decimals = |scale| {
        let values = Decimal128Array::from_iter_values((0..1000).map(|i| start + i));
        values.with_precision_and_scale(38, scale).expect("a type")
    };
    let wide = Decimal256Array::from_iter_values((0..1000).map(|i| i256::from_i128(start + i)));
    let wide = wide.with_precision_and_scale(50, 4).expect("a type");
    let arrays: [(ArrayRef, &str); 5] = [
        (Arc::new(decimals(4)), "123456789012345.6789"),
        (Arc::new(decimals(0)), "1234567890123456789"),
        (Arc::new(wide), "123456789012345.6789"),
        (
            Arc::new(UInt64Array::from_iter_values(
                (0..1000).map(|i| u64::MAX - i),
            )),
            "18446744073709550616",
        ),
        (
            Arc::new(Int64Array::from_iter_values(
                (0..1000).map(|i| (1 << 53) + i),
            )),
            "9007199254740992",
        ),
    ];
    for (array, value) in arrays {
        let found = inspected_column(array).await;
        let what = format!("{}: {:?}", found.data_type, found.top);
        assert_eq!(
            (found.distinct.count, found.distinct.exact),
            (1000, true),
            "{what}"
        );
        assert!(found.top.iter().all(|top| top.count == 1), "{what}");
        assert!(
            found.top.iter().any(|top| top.value == value),
            "{value} in {what}"
        );
        let numeric = found.numeric.expect("numbers");
        assert!(!numeric.exact, "{what}");
        // statistics.stdev(range(1000)), in units of the last digit.
        let unit = match value.contains('.') {
            true => 1e-4,
            false => 1.0,
        };
        let expected = 288.819_436_095_749_6 * unit;
        let std = numeric.std.expect("a deviation");
        // Decimals of 256 bits are read as floats.
        let is_rounded = found.data_type.starts_with("Decimal256");
        assert!(
            is_rounded || (std / expected - 1.0).abs() < 1e-12,
            "{std} in {what}"
        );
        let start: f64 = value.parse().expect("a number");
        assert!((numeric.mean / start - 1.0).abs() < 1e-12, "{what}");
    }
    let great = UInt64Array::from_iter_values((0..1000).map(|i| u64::MAX - i));
    let found = inspected_array(Arc::new(great)).await;
    assert!(has(&found, RemarkKind::Rounded, &["a"]));
    let cents = Decimal128Array::from_iter_values((0..1000).map(|i| i % 10));
    let cents = cents.with_precision_and_scale(10, 2).expect("a type");
    let found = inspected_column(Arc::new(cents)).await;
    assert_eq!(
        (found.distinct.count, found.top[0].value.as_str()),
        (10, "0.00")
    );
    assert!(found.numeric.expect("numbers").exact);
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_of_large_numbers_do_not_overflow() {
    let values = [1.7e308, 1.6e308, 1.5e308, -1.2e308].repeat(5);
    let found = inspected_column(Arc::new(Float64Array::from(values))).await;
    let numeric = found.numeric.expect("numbers");
    // statistics.fmean and statistics.stdev of fractions.Fraction
    assert!((numeric.mean / 9e307 - 1.0).abs() < 1e-12, "{numeric:?}");
    let std = numeric.std.expect("a deviation");
    assert!(
        (std / 1.246_046_379_131_759_3e308 - 1.0).abs() < 1e-12,
        "{std:e}"
    );
    let top: Vec<&str> = found.top.iter().map(|top| top.value.as_str()).collect();
    assert_eq!(top, ["-1.2e308", "1.5e308", "1.6e308", "1.7e308"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correlation_in_few_rows_is_no_advice() {
    // a and b share two rows, c and d nine, e and f twelve of 200, and g and h all.
    let rows = (0..200).map(|row| {
        let here = |from: usize, to: usize| match (from..to).contains(&row) {
            true => (row * 7 % 31).to_string(),
            false => String::new(),
        };
        let noise = row * row % 17;
        let [a, b] = [here(0, 100), here(98, 200)];
        let [c, d] = [here(0, 100), here(91, 200)];
        let [e, f] = [here(0, 100), here(88, 200)];
        format!("{a},{b},{c},{d},{e},{f},{row},{}", 100 * row + noise)
    });
    let rows: Vec<String> = rows.collect();
    let table = format!("a,b,c,d,e,f,g,h\n{}\n", rows.join("\n"));
    let folder = Folder::with(&[("t.csv", table)]);
    let found = inspected(&folder, "t.csv").await;
    let correlations = &found.correlations;
    assert_eq!(
        (correlations.get(0, 1), correlations.rows(0, 1)),
        (None, 2.0)
    );
    assert!(correlations.get(2, 3).is_some_and(|r| r > 0.999));
    assert_eq!(
        (correlations.rows(2, 3), correlations.rows(6, 7)),
        (9.0, 200.0)
    );
    let advice: Vec<&[String]> = found
        .remarks
        .iter()
        .filter(|remark| remark.kind == RemarkKind::Correlated)
        .filter(|remark| remark.text.contains("leave one of them out"))
        .map(|remark| &remark.columns[..])
        .collect();
    assert!(
        advice.contains(&&["g".to_owned(), "h".to_owned()][..]),
        "{advice:?}"
    );
    for pair in [["a", "b"], ["c", "d"], ["e", "f"]] {
        assert!(!advice.iter().any(|columns| *columns == pair), "{advice:?}");
    }
    let says = found
        .remarks
        .iter()
        .find(|remark| remark.columns == ["e", "f"]);
    let says = &says.expect("a remark").text;
    assert!(says.contains("in the 12 rows that have both"), "{says}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_text_is_kept_as_it_is() {
    let names = [
        "\u{1b}[31mred\u{7}",
        "<script>alert(1)</script>",
        "a\u{202e}b",
    ];
    let rows = (0..30).map(|row| event_with(row, 6, names[row % 3]));
    let rows = rows.collect::<Vec<_>>().join("\n");
    let folder = Folder::with(&[("h.csv", format!("{HEADER}\n{rows}\n"))]);
    let found = inspected(&folder, "h.csv").await;
    let listed = &column(&found, "processName").top;
    for name in names {
        assert!(listed.iter().any(|top| top.value == name), "{name:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn features_of_a_recipe_can_be_inspected() {
    let folder = Folder::with(&[("e.csv", events(970))]);
    let mut source = folder.source(&["e.csv"]);
    let found = features(&engine(2), &mut source, &recipe("beth-paper")).await;
    let found = found.expect("an inspection");
    let mut features = found.features.iter();
    let user = features.find(|feature| feature.name == "userId");
    let user = user.expect("userId");
    let mean = user.numeric.as_ref().expect("a number").mean;
    assert_eq!((user.distinct, mean), (2, 10.0 / 970.0));
    assert_eq!(user.top[0].count, 960);
    assert_eq!(found.events, 970);
}

#[tokio::test(flavor = "multi_thread")]
async fn features_of_a_model_have_the_constants_of_its_training_data() {
    // In training the mean of x is 2 and its standard deviation is √2; "rare" was 1 of 5 events, with 2 values.
    let recipe = "name = 'r'\n[[feature]]\nname = 'x'\nexpr = 'x'\ntransform = 'standard'\n\
                  [[feature]]\nname = 'k'\nrarity = { of = 'k' }\n\
                  [[feature]]\nname = 'c'\nexpr = 'k'\nkind = 'categorical'\n";
    let recipe = Recipe::from_toml(recipe).expect("a recipe");
    let folder = Folder::with(&[
        ("t.csv", "x,k\n0,usual\n1,usual\n2,usual\n3,usual\n4,rare\n"),
        ("today.csv", "x,k\n10,rare\n12,rare\n14,new\n"),
    ]);
    let engine = engine(2);
    let mut training = folder.source(&["t.csv"]);
    let model = train(&engine, &mut training, &recipe, &small_forest()).await;
    let model = model.expect("a model");
    let mut today = folder.source(&["today.csv"]);
    let found = features(&engine, &mut today, &model)
        .await
        .expect("features");
    assert!(found.of_model);
    let numbers = |feature: usize| found.features[feature].numeric.as_ref().expect("a number");
    let [x, k] = [0, 1].map(numbers);
    let root = 2_f64.sqrt();
    for (value, expected) in [
        (x.min, 8.0 / root),
        (x.mean, 10.0 / root),
        (x.max, 12.0 / root),
        // −ln((1 + 1) / (5 + 3)) and −ln((0 + 1) / (5 + 3)).
        (k.min, 4_f64.ln()),
        (k.max, 8_f64.ln()),
    ] {
        assert!(
            (value - expected).abs() < 1e-12,
            "{value} instead of {expected}"
        );
    }
    let categories: Vec<(&str, u64)> = found.features[2]
        .top
        .iter()
        .map(|value| (value.value.as_str(), value.count))
        .collect();
    assert_eq!(categories, [("rare", 2), ("(never seen in training)", 1)]);
    let refitted = features(&engine, &mut today, &recipe)
        .await
        .expect("features");
    let x = refitted.features[0].numeric.as_ref().expect("a number");
    assert!(!refitted.of_model && x.mean.abs() < 1e-12, "{}", x.mean);
}

#[tokio::test(flavor = "multi_thread")]
async fn types_of_parquet_can_be_inspected() {
    let folder = Folder::new();
    let query = "SELECT CAST(column1 AS BIGINT UNSIGNED) AS u, NULL AS n, CASE WHEN column1 > 1 THEN X'FF00' ELSE X'61' END \
                 AS b, CAST(column1 AS TIMESTAMP) AS t, column1 > 1 AS f, CAST(column1 AS DECIMAL(10,2)) AS d \
                 FROM (VALUES (1), (2), (3))";
    let database = Database::new(&engine(2), None, StorageOptions::default());
    let mut database = database.expect("a database");
    let out = folder.path("t.parquet");
    let written = database.write(query, out.as_path()).await;
    assert_eq!(written.expect("a file"), 3);
    let found = inspected(&folder, "t.parquet").await;
    for (name, data_type, nulls, distinct) in [
        ("u", "UInt64", 0, 3),
        ("n", "Null", 3, 0),
        ("b", "Binary", 0, 2),
        ("t", "Timestamp(ns)", 0, 3),
        ("f", "Boolean", 0, 2),
        ("d", "Decimal128(10, 2)", 0, 3),
    ] {
        let column = column(&found, name);
        assert_eq!(column.data_type, data_type);
        assert_eq!(column.nulls, nulls, "{name}");
        assert_eq!(column.distinct.count, distinct, "{name}");
    }
    let numeric = column(&found, "d").numeric.as_ref();
    assert_eq!(numeric.expect("a number").median, 2.0);
    assert_eq!(column(&found, "b").top[0].value, "ff00");
    let head = &found.head[0];
    let u = head.value("u").expect("a column");
    assert_eq!((u, head.value("n")), (Cell::Unsigned(1), Some(Cell::Null)));
    assert_eq!(head.value("d"), Some(Cell::Decimal("1.00".into())));
}
