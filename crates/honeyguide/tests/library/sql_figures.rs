//! Figures of SQL queries: arithmetic and aggregates are exact, and they do not depend on the order of the rows.

use std::io::Read;

use crate::common::{Folder, engine};
use honeyguide::sql::{Database, TextFormat};
use honeyguide::{ErrorKind, StorageOptions};

/// Returns the answer to a query on files of a folder, which form one table, with some threads.
async fn answer(folder: &Folder, files: &[&str], threads: usize, query: &str) -> String {
    csv(&mut database(folder, files, threads), query).await
}

/// Returns a database whose table `events` is some files.
fn database(folder: &Folder, files: &[&str], threads: usize) -> Database {
    let storage = StorageOptions::default();
    let mut database = Database::new(&engine(threads), None, storage).expect("a database");
    database
        .add("events", folder.source(files))
        .expect("a table");
    database
}

/// Returns a database whose table `events` is `file`.
fn plain(folder: &Folder, file: &str) -> Database {
    database(folder, &[file], 2)
}

async fn csv(database: &mut Database, query: &str) -> String {
    let rows = database.text(query, TextFormat::Csv).await;
    let mut text = String::new();
    let mut rows = rows.unwrap_or_else(|error| panic!("{query}: {error}"));
    rows.read_to_string(&mut text).expect("text");
    text
}

/// The right figures are what Python's fractions give, rounded once.
#[tokio::test(flavor = "multi_thread")]
async fn aggregates_of_doubles_are_those_of_fractions() {
    let table = "x,y\n0.1,1\n1e16,2\n0.2,4\n-1e16,8\n0.3,16\n5.5,32\n-7.25,64\n";
    let folder = Folder::with(&[("t.csv", table)]);
    for (figure, expected) in [
        ("sum(x)", "-1.15"),
        ("avg(x)", "-0.16428571428571428"),
        ("var_samp(x)", "3.3333333333333334e31"),
        ("var_pop(x)", "2.8571428571428572e31"),
        ("stddev(x)", "5773502691896258.0"),
        ("covar_samp(x, y)", "-1.0000000000000044e16"),
        ("corr(x, y)", "-0.07551075070950171"),
        ("regr_slope(y, x)", "-3.0000000000000132e-16"),
        ("regr_intercept(y, x)", "18.142857142857142"),
        ("sum(DISTINCT x)", "-1.15"),
        ("sum(x) FILTER (WHERE y > 4)", "-1.0000000000000002e16"),
        ("var_samp(x) FILTER (WHERE y > 32)", "\"\""),
    ] {
        let query = format!("SELECT {figure} AS f FROM events");
        let found = answer(&folder, &["t.csv"], 2, &query).await;
        let found = found.trim_start_matches("f\n").trim_end();
        let number = |text: &str| text.parse::<f64>().ok();
        assert_eq!(number(found), number(expected), "{figure}: {found}");
    }
    let query = "SELECT sum(x) OVER (ORDER BY y ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS f FROM events ORDER BY y";
    let found = answer(&folder, &["t.csv"], 2, query).await;
    let sums: Vec<f64> = found
        .lines()
        .skip(1)
        .filter_map(|line| line.parse().ok())
        .collect();
    let expected = [0.1, 1e16, 1e16, -1e16, -1e16, 5.8, -1.75];
    assert_eq!(sums, expected, "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_files_and_the_order_of_rows_change_no_figure() {
    let mut state = 1_u64;
    let mut lines: Vec<String> = (0..6000_u32)
        .map(|row| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let x = f64::from((state >> 33) as u32) * 1e-9 - 1.0;
            let x = x * 10_f64.powi((state >> 20) as i32 % 12);
            match row % 1000 {
                7 => format!("{},NaN,{row}", row % 3),
                8 => format!("{},-0.0,{row}", row % 3),
                9 => format!("{},0.0,{row}", row % 3),
                _ => format!("{},{x:e},{}", row % 3, row % 11),
            }
        })
        .collect();
    let table = |lines: &[String]| format!("g,x,y\n{}\n", lines.join("\n"));
    let whole = table(&lines);
    let halves = [table(&lines[..1234]), table(&lines[1234..])];
    lines.reverse();
    let reversed = table(&lines);
    let folder = Folder::with(&[
        ("whole.csv", whole),
        ("reversed.csv", reversed),
        ("a.csv", halves[1].clone()),
        ("b.csv", halves[0].clone()),
    ]);
    let finite = "FROM events WHERE NOT isnan(x)";
    for query in [
        format!("SELECT sum(x) AS a, avg(x) AS b, stddev(x) AS c, var_pop(x) AS d {finite}"),
        format!(
            "SELECT corr(x, y) AS a, covar_pop(x, y) AS b, regr_slope(y, x) AS c, regr_intercept(y, x) AS d {finite}"
        ),
        format!(
            "SELECT g, sum(x) AS a, avg(x) AS b, corr(y, x) AS c, regr_r2(x, y) AS d {finite} GROUP BY g ORDER BY g"
        ),
        format!(
            "SELECT g, sum(DISTINCT x) AS a, avg(DISTINCT x) AS b {finite} GROUP BY g ORDER BY g"
        ),
        "SELECT g, min(x) AS a, max(x) AS b, sum(x) AS c FROM events GROUP BY g ORDER BY g".into(),
        "SELECT min(x) AS a, max(x) AS b FROM events".into(),
        "SELECT min(x) AS a, max(x) AS b FROM events WHERE abs(x) < 1e-12".into(),
        "SELECT g, min(x) AS a, max(x) AS b FROM events WHERE abs(x) < 1e-12 GROUP BY g ORDER BY g"
            .into(),
    ] {
        let expected = answer(&folder, &["whole.csv"], 1, &query).await;
        assert!(expected.lines().count() > 1, "{query}");
        for (files, threads) in [
            (&["whole.csv"][..], 4),
            (&["reversed.csv"], 1),
            (&["reversed.csv"], 3),
            (&["a.csv", "b.csv"], 2),
        ] {
            let found = answer(&folder, files, threads, &query).await;
            assert_eq!(found, expected, "{query}: {files:?}, {threads} threads");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nan_is_the_greatest_number_wherever_it_stands() {
    let tables = [
        "g,x\na,NaN\na,1.5\na,-5\n",
        "g,x\na,1.5\na,NaN\na,-5\n",
        "g,x\na,1.5\na,-5\na,NaN\n",
    ];
    for table in tables {
        let folder = Folder::with(&[("t.csv", table)]);
        for query in [
            "SELECT min(x) AS a, max(x) AS b, max(x) FILTER (WHERE NOT isnan(x)) AS c FROM events",
            "SELECT a, b, c FROM (SELECT g, min(x) AS a, max(x) AS b, max(x) FILTER (WHERE NOT isnan(x)) AS c FROM events GROUP BY g)",
        ] {
            let found = answer(&folder, &["t.csv"], 2, query).await;
            assert_eq!(found, "a,b,c\n-5.0,NaN,1.5\n", "{query}: {table}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sum_of_integers_is_exact_or_fails() {
    // Sums of Python's int.
    let table = "k,x\na,9223372036854775807\na,-5\nb,3\nb,9223372036854775000\nb,800\n";
    let folder = Folder::with(&[("t.csv", table)]);
    let mut database = plain(&folder, "t.csv");
    for (query, expected) in [
        (
            "SELECT k, sum(x) AS s FROM events GROUP BY k ORDER BY k",
            "k,s\na,9223372036854775802\nb,9223372036854775803\n",
        ),
        (
            "SELECT sum(x) + 1 AS s FROM events WHERE x < 1000",
            "s\n799\n",
        ),
        (
            "SELECT sum(x) OVER (ORDER BY x) AS s FROM events WHERE x < 1000 ORDER BY s",
            "s\n-5\n-2\n798\n",
        ),
        (
            "SELECT sum(CAST(x AS DECIMAL(38, 0))) AS s FROM events",
            "s\n18446744073709551605\n",
        ),
        (
            "SELECT sum(x) FROM events WHERE x < 0",
            "sum(events.x)\n-5\n",
        ),
        (
            "SELECT arrow_typeof(sum(x)) AS t FROM events WHERE x < 9",
            "t\nInt64\n",
        ),
        (
            "SELECT sum(DISTINCT x) AS s FROM events WHERE x < 9",
            "s\n-2\n",
        ),
        ("SELECT sum(x) AS s FROM events WHERE x = 1", "s\n\"\"\n"),
    ] {
        let found = csv(&mut database, query).await;
        assert_eq!(found.replace("s\n\n", "s\n\"\"\n"), expected, "{query}");
    }
    for query in [
        "SELECT sum(x) AS s FROM events",
        "SELECT sum(x) OVER (ORDER BY x) AS s FROM events",
    ] {
        let call = database.preview(query, 10);
        let error = call.await.map(|_| ()).expect_err(query);
        assert!(!error.message().is_empty(), "{query}");
    }
    let error = database.preview("SELECT sum(x) AS s FROM events", 10).await;
    let error = error.map(|_| ()).expect_err("beyond 64 bits");
    assert_eq!(error.kind(), ErrorKind::Data);
    for part in ["64 bits", "18446744073709551605"] {
        assert!(error.message().contains(part), "{error}");
    }
    assert!(
        error
            .hint_text()
            .is_some_and(|hint| hint.contains("DECIMAL(38, 0)")),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn arithmetic_of_integers_is_exact_or_fails() {
    let table = "k,x\na,9223372036854775807\na,5\nb,-9223372036854775807\n";
    let folder = Folder::with(&[("t.csv", table)]);
    let mut database = plain(&folder, "t.csv");
    for (query, expected) in [
        (
            "SELECT x - 1 AS y, -x AS z FROM events ORDER BY x",
            "y,z\n-9223372036854775808,9223372036854775807\n4,-5\n9223372036854775806,-9223372036854775807\n",
        ),
        (
            "SELECT x * 2 + 1 AS y, count(*) AS n FROM events WHERE x = 5 GROUP BY x * 2 + 1",
            "y,n\n11,1\n",
        ),
        (
            "SELECT k, (SELECT max(e.x - 1) FROM events e WHERE e.k = f.k) AS y FROM (SELECT DISTINCT k FROM events) f ORDER BY k",
            "k,y\na,9223372036854775806\nb,-9223372036854775808\n",
        ),
        (
            "SELECT CAST(x AS DECIMAL(38, 0)) + 1 AS y FROM events ORDER BY x DESC LIMIT 1",
            "y\n9223372036854775808\n",
        ),
    ] {
        assert_eq!(csv(&mut database, query).await, expected, "{query}");
    }
    for query in [
        "SELECT x + 1 AS y FROM events",
        "SELECT x * 2 AS y FROM events",
        "SELECT x - 2 AS y FROM events",
        "SELECT -(x - 1) AS y FROM events",
        "SELECT count(*) AS n FROM events WHERE x + 1 > 0",
        "SELECT 9223372036854775807 + 1 AS y",
    ] {
        let call = database.preview(query, 10);
        let error = call.await.map(|_| ()).expect_err(query);
        assert!(error.message().contains("Overflow"), "{query}: {error}");
        assert!(error.hint_text().is_some(), "{query}: {error}");
    }
}

/// Doubles hold neither of the numbers apart from its neighbours: Python's decimal says how many rows are equal.
#[tokio::test(flavor = "multi_thread")]
async fn comparisons_with_numbers_of_many_digits_are_exact() {
    let decimals = |from: u64, to: u64| (from..to).map(|n| format!("123456789012345678.{n:02}\n"));
    let whole = |from: i128| (0..20).map(move |n| format!("{}\n", from + n));
    let table =
        |rows: &mut dyn Iterator<Item = String>| format!("id\n{}", rows.collect::<String>());
    let doubles = "id\n0.30000000000000004\n0.3\n9007199254740992.0\n1e20\n0.5\n";
    let folder = Folder::with(&[
        ("decimals.csv", table(&mut decimals(10, 90))),
        ("signed.csv", table(&mut whole((1 << 62) + 1))),
        ("beyond.csv", table(&mut whole(1 << 64))),
        ("doubles.csv", doubles.to_owned()),
    ]);
    for (file, condition, expected) in [
        ("decimals.csv", "id = 123456789012345678.50", 1),
        ("decimals.csv", "id > 123456789012345678.50", 39),
        ("decimals.csv", "123456789012345678.50 >= id", 41),
        (
            "decimals.csv",
            "id IN (123456789012345678.5, 123456789012345678.89, 1)",
            2,
        ),
        (
            "decimals.csv",
            "id BETWEEN 123456789012345678.20 AND (123456789012345678.24)",
            5,
        ),
        (
            "decimals.csv",
            "id IS DISTINCT FROM 123456789012345678.5",
            79,
        ),
        ("decimals.csv", "-id = -123456789012345678.5", 1),
        ("decimals.csv", "id - 1 = 123456789012345677.5", 1),
        ("decimals.csv", "id * 2 > 246913578024691357.1", 34),
        ("signed.csv", "id = 4611686018427387910.0", 1),
        ("signed.csv", "id <= 4611686018427387910.5", 6),
        ("signed.csv", "id = 4611686018427387910.5", 0),
        ("beyond.csv", "id = 18446744073709551617", 1),
        ("beyond.csv", "id < 18446744073709551617", 1),
        ("doubles.csv", "id = 0.30000000000000004", 1),
        ("doubles.csv", "id = 0.3", 1),
        ("doubles.csv", "id >= 9007199254740992.0", 2),
        ("doubles.csv", "id = 100000000000000000000", 1),
    ] {
        let query = format!("SELECT count(*) FROM events WHERE {condition}");
        let found = answer(&folder, &[file], 2, &query).await;
        let found = found.lines().nth(1).map(str::to_owned);
        assert_eq!(found, Some(expected.to_string()), "{file}: {condition}");
    }
}

/// The figures of integers that no double holds are what Python's fractions give.
#[tokio::test(flavor = "multi_thread")]
async fn figures_of_great_integers_are_exact() {
    let rows = |first: u64| -> String {
        (0..10)
            .map(|n| format!("{},{}\n", first + n, n * n))
            .collect()
    };
    let folder = Folder::with(&[
        ("signed.csv", format!("id,k\n{}", rows(1 << 62))),
        ("unsigned.csv", format!("id,k\n{}", rows(u64::MAX - 9))),
    ]);
    for file in ["signed.csv", "unsigned.csv"] {
        for (figure, expected) in [
            ("var_samp(id)", "9.166666666666666"),
            ("stddev_pop(id)", "2.8722813232690143"),
            ("covar_samp(id, k)", "82.5"),
            ("corr(id, k)", "0.9626907371412557"),
            ("regr_slope(k, id)", "9.0"),
        ] {
            let query = format!("SELECT {figure} AS f FROM events");
            let found = answer(&folder, &[file], 2, &query).await;
            let found = found.trim_start_matches("f\n").trim_end();
            assert_eq!(found, expected, "{file}: {figure}");
        }
    }
}
