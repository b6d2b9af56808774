//! The same events give the same model, to the byte, for any number of threads, any order of rows and any layout of
//! files. The commands also agree with each other about the same events.

mod common;

use std::io::Write;

use common::{Folder, HEADER, event};

/// A number of events with more distinct rows than are kept for eleven features or fewer, so that a sample is drawn.
const MANY: usize = 270_000;

/// Returns a permutation of 0..count without a random generator. Its step has no factor in common with `count`.
fn shuffled(count: usize) -> impl Iterator<Item = usize> {
    let step = (count / 3..count)
        .find(|step| greatest_common_divisor(*step, count) == 1)
        .expect("a coprime below count");
    (0..count).map(move |index| index * step % count)
}

fn greatest_common_divisor(left: usize, right: usize) -> usize {
    if right == 0 {
        left
    } else {
        greatest_common_divisor(right, left % right)
    }
}

/// Returns the header and the events of these numbers.
fn table(rows: impl Iterator<Item = usize>) -> String {
    rows.fold(format!("{HEADER}\n"), |text, index| {
        text + &event(index) + "\n"
    })
}

/// Creates a folder with the same `count` events as one CSV file, as a shuffled CSV file, as three compressed files, and
/// as ten Parquet files.
fn layouts(count: usize) -> Folder {
    let folder = Folder::new();
    folder.write("plain.csv", table(0..count));
    folder.write("shuffled.csv", table(shuffled(count)));
    std::fs::create_dir(folder.path("parts")).expect("a new folder");
    for part in 0..3 {
        let text = table((0..count).filter(|index| index % 3 == part));
        let file = std::fs::File::create(folder.path(&format!("parts/{part}.csv.gz")));
        let mut encoder =
            flate2::write::GzEncoder::new(file.expect("a new file"), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).expect("space");
        encoder.finish().expect("space");
    }
    // `score` writes the Parquet files. The models leave out its two columns with --exclude.
    folder.done(&[
        "train",
        "plain.csv",
        "--trees",
        "2",
        "--recipe",
        "beth-paper",
        "--out",
        "any.json",
    ]);
    std::fs::create_dir(folder.path("lake")).expect("a new folder");
    for part in 0..10 {
        folder.write(
            "part.csv",
            table((0..count).filter(|index| index % 10 == 9 - part)),
        );
        let name = format!("lake/{part}.parquet");
        folder.done(&["score", "any.json", "part.csv", "--out", &name]);
    }
    std::fs::remove_file(folder.path("part.csv")).expect("the part");
    folder
}

/// Checks that all layouts of `count` events give the same model on any number of threads. `sampled` says whether
/// training must draw a sample of the distinct rows.
fn check_layouts(count: usize, recipe: &str, sampled: bool) {
    let folder = layouts(count);
    let train = |data: &[&str], threads: &str, more: &[&str]| {
        let fixed = [
            "--recipe",
            recipe,
            "--trees",
            "20",
            "--out",
            "m.json",
            "--threads",
            threads,
            "--json",
        ];
        let run = folder.done(&[&["train"], data, &fixed, more].concat());
        assert_eq!(
            run.stdout.contains("sampled_rows"),
            sampled,
            "{}",
            run.stdout
        );
        folder.read("m.json")
    };
    let expected = train(&["plain.csv"], "1", &[]);
    let from_lake: &[&str] = if recipe == "raw" {
        &["--exclude", "score,anomalous"]
    } else {
        &[]
    };
    for (data, more) in [
        (&["plain.csv"][..], &[][..]),
        (&["shuffled.csv"], &[]),
        (&["parts"], &[]),
        (&["parts/2.csv.gz", "parts/0.csv.gz", "parts/1.csv.gz"], &[]),
        (&["lake/*.parquet"], from_lake),
    ] {
        for threads in ["1", "2", "4"] {
            let same = train(data, threads, more) == expected;
            assert!(
                same,
                "{recipe}: {data:?} on {threads} threads gives another model"
            );
        }
    }
}

#[test]
fn the_published_recipe_gives_one_model() {
    check_layouts(4000, "beth-paper", false);
}

#[test]
fn rarities_give_one_model() {
    check_layouts(4000, "context", false);
}

#[test]
fn continuous_features_give_one_model() {
    check_layouts(4000, "beth-timestamp", false);
    check_layouts(4000, "raw", false);
}

#[test]
fn samples_of_distinct_rows_give_one_model() {
    let folder = Folder::with(&[
        ("plain.csv", table(0..MANY)),
        ("shuffled.csv", table(shuffled(MANY))),
    ]);
    for recipe in ["beth-timestamp", "raw"] {
        let model = |data: &str, threads: &str| {
            let run = folder.done(&[
                "train",
                data,
                "--recipe",
                recipe,
                "--trees",
                "3",
                "--contamination",
                "auto",
                "--out",
                "m.json",
                "--threads",
                threads,
                "--json",
            ]);
            assert!(run.stdout.contains("\"sampled_rows\""), "{}", run.stdout);
            folder.read("m.json")
        };
        let expected = model("plain.csv", "1");
        assert!(
            model("plain.csv", "2") == expected,
            "{recipe} on two threads"
        );
        assert!(model("shuffled.csv", "2") == expected, "{recipe} shuffled");
    }
}

/// Zero has two signs, but they are one value.
#[test]
fn minus_zero_is_zero() {
    let table = |zeros: [&str; 4]| {
        let rows = (0..400).map(|index| format!("{},{}.5\n", zeros[index % 4], index % 3));
        format!("a,b\n{}", rows.collect::<String>())
    };
    let folder = Folder::with(&[
        ("plus.csv", table(["0.0"; 4])),
        ("mixed.csv", table(["0.0", "-0.0", "-0.0", "0.0"])),
    ]);
    for (data, model) in [("plus.csv", "plus.json"), ("mixed.csv", "mixed.json")] {
        folder.done(&[
            "train", data, "--recipe", "raw", "--trees", "5", "--out", model,
        ]);
    }
    assert!(folder.read("plus.json") == folder.read("mixed.json"));
}

#[test]
fn score_and_evaluate_give_the_same_counts() {
    let folder = layouts(3000);
    folder.done(&[
        "train",
        "plain.csv",
        "--recipe",
        "beth-paper",
        "--contamination",
        "0.03",
        "--out",
        "m.json",
    ]);
    let number = |text: &str, name: &str| -> u64 {
        let (_, rest) = text.split_once(&format!("\"{name}\": ")).expect(name);
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    };
    let evaluated = folder
        .done(&["evaluate", "m.json", "plain.csv", "--json"])
        .stdout;
    for data in ["plain.csv", "parts", "lake/*.parquet"] {
        let scored = folder
            .done(&["score", "m.json", data, "--json", "--top", "1"])
            .stdout;
        for name in ["events", "anomalous"] {
            assert_eq!(
                number(&scored, name),
                number(&evaluated, name),
                "{name} of {data}"
            );
        }
    }
    let flagged = number(&evaluated, "anomalous");
    assert!(flagged > 0 && flagged < 3000, "{flagged}");
    for threads in ["1", "2"] {
        let name = format!("scored-{threads}.csv");
        folder.done(&[
            "score",
            "m.json",
            "plain.csv",
            "--out",
            &name,
            "--threads",
            threads,
        ]);
    }
    assert!(folder.read("scored-1.csv") == folder.read("scored-2.csv"));
    let scored = String::from_utf8(folder.read("scored-1.csv")).expect("text");
    assert_eq!(
        scored
            .lines()
            .filter(|line| line.ends_with(",true"))
            .count() as u64,
        flagged
    );
    // The output holds the events unchanged and in their order.
    let plain = String::from_utf8(folder.read("plain.csv")).expect("text");
    let fields = |line: &str| line.replace('"', "");
    for (event, scored) in plain.lines().zip(scored.lines()) {
        assert!(fields(scored).starts_with(&fields(event)), "{scored}");
    }
}

/// The figures of an evaluation do not depend on the layout of the data either.
#[test]
fn evaluations_do_not_depend_on_the_layout() {
    let folder = layouts(2000);
    folder.done(&[
        "train",
        "plain.csv",
        "--recipe",
        "beth-timestamp",
        "--out",
        "m.json",
    ]);
    let evaluate = |data: &str, threads| {
        folder
            .done(&["evaluate", "m.json", data, "--json", "--threads", threads])
            .stdout
    };
    let expected = evaluate("plain.csv", "1");
    for data in ["plain.csv", "shuffled.csv", "parts", "lake"] {
        assert_eq!(evaluate(data, "2"), expected, "{data}");
    }
}
