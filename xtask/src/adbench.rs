//! Compares the forest's AUROC with scikit-learn's on labelled sets, and writes the table.
//!
//! The folder holds one Parquet file per set, numeric columns and `label` (0 or 1), and `sklearn_auroc.csv` with what
//! scikit-learn reaches: columns `set`, `rows`, `features`, `anomaly_share`, `auroc_mean`, `auroc_sd` and `seeds`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::Value;

use crate::command::{build, command, output, root, shown, target_dir};
use crate::error::{Error, Result};
use crate::statistics::Summary;

/// Forests per set.
pub const SEEDS: u64 = 10;

/// `cargo xtask adbench DIR`.
///
/// # Errors
/// When a set differs by more than two standard errors, after the table is written.
pub fn run(dir: &Path, seeds: u64) -> Result<()> {
    let dir = dir.canonicalize().map_err(Error::file(dir))?;
    let references = read_references(&dir.join("sklearn_auroc.csv"))?;
    let honeyguide = build(&["--package", "honeyguide-cli"])?;
    let model = target_dir("adbench")?.join("model.json");
    let mut sets = Vec::new();
    for reference in references {
        let data = dir.join(format!("{}.parquet", reference.name));
        let auroc = (0..seeds).map(|seed| auroc(&honeyguide, &data, &model, seed));
        let ours = Summary::of(&auroc.collect::<Result<Vec<_>>>()?);
        let set = Set { reference, ours };
        println!("{}", set.row());
        sets.push(set);
    }
    let page = root().join("docs/accuracy.md");
    fs::write(&page, report(&sets, seeds)).map_err(Error::file(&page))?;
    let off: Vec<_> = sets.iter().filter(|set| !set.agrees()).collect();
    if off.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = off.iter().map(|set| set.reference.name.as_str()).collect();
    Err(Error::Accuracy(names.join(", ")))
}

/// What scikit-learn reaches on a set.
#[derive(Debug, PartialEq)]
struct Reference {
    name: String,
    rows: u64,
    features: u64,
    anomaly_share: f64,
    auroc: Summary,
}

/// A set with both results.
struct Set {
    reference: Reference,
    ours: Summary,
}

impl Set {
    /// The difference in standard errors of the difference.
    fn z(&self) -> f64 {
        let theirs = &self.reference.auroc;
        (self.ours.mean - theirs.mean) / self.ours.standard_error_of_difference(theirs)
    }

    fn agrees(&self) -> bool {
        self.z().abs() <= 2.0
    }

    /// The set's row of the table.
    fn row(&self) -> String {
        let Reference {
            name,
            rows,
            features,
            anomaly_share,
            auroc,
        } = &self.reference;
        format!(
            "| {name} | {rows} | {features} | {:.2} % | {:.4} ± {:.4} | {:.4} ± {:.4} | {:+.4} | {:+.1} |",
            100.0 * anomaly_share,
            auroc.mean,
            auroc.sd,
            self.ours.mean,
            self.ours.sd,
            self.ours.mean - auroc.mean,
            self.z()
        )
    }
}

/// Trains on all of `data` but its label, and returns the AUROC of the same events' scores.
fn auroc(honeyguide: &Path, data: &Path, model: &Path, seed: u64) -> Result<f64> {
    let mut train = command(
        honeyguide,
        ["train", "--recipe", "raw", "--exclude", "label"],
    );
    train.args(["--quiet", "--seed", &seed.to_string()]);
    output(train.arg("--out").arg(model).arg(data))?;
    let mut evaluate = command(honeyguide, ["evaluate", "--quiet", "--json"]);
    evaluate.args(["--label", "label"]).arg(model).arg(data);
    let text = output(&mut evaluate)?;
    let evaluation: Value = serde_json::from_str(&text).unwrap_or_default();
    evaluation["labels"][0]["roc_auc"]
        .as_f64()
        .ok_or_else(|| Error::Output {
            command: shown(&evaluate),
            what: "no `labels[0].roc_auc`",
            line: text,
        })
}

fn read_references(path: &Path) -> Result<Vec<Reference>> {
    parse_references(
        &fs::read_to_string(path).map_err(Error::file(path))?,
        path.to_owned(),
    )
}

fn parse_references(text: &str, path: PathBuf) -> Result<Vec<Reference>> {
    let header: Vec<_> = text.lines().next().unwrap_or_default().split(',').collect();
    let records = text.lines().enumerate().skip(1);
    records
        .map(|(index, line)| {
            let record = Record {
                header: &header,
                fields: line.split(',').collect(),
            };
            record.reference().map_err(|what| Error::Table {
                path: path.clone(),
                line: index + 1,
                what,
            })
        })
        .collect()
}

/// One line of a CSV table without quotes.
struct Record<'a> {
    header: &'a [&'a str],
    fields: Vec<&'a str>,
}

impl Record<'_> {
    fn reference(&self) -> std::result::Result<Reference, String> {
        Ok(Reference {
            name: self.field("set")?,
            rows: self.field("rows")?,
            features: self.field("features")?,
            anomaly_share: self.field("anomaly_share")?,
            auroc: Summary {
                mean: self.field("auroc_mean")?,
                sd: self.field("auroc_sd")?,
                n: self.field("seeds")?,
            },
        })
    }

    fn field<T: FromStr>(&self, name: &str) -> std::result::Result<T, String> {
        let column = self.header.iter().position(|&column| column == name);
        let text = column.and_then(|column| self.fields.get(column));
        let text = text.ok_or_else(|| format!("no value for column `{name}`"))?;
        text.parse()
            .map_err(|_| format!("column `{name}` is {text:?}"))
    }
}

fn report(sets: &[Set], seeds: u64) -> String {
    let mut page = format!(
        "# Accuracy beside scikit-learn

`cargo xtask adbench DIR` writes this page. The sets are those of ADBench (Han et al., *ADBench: Anomaly Detection
Benchmark*, NeurIPS 2022). Each forest learns from all rows of a set, without the label, and then scores the same rows:
100 trees of 256 samples, one forest per seed, seeds 0 to {}. Here that is `honeyguide train --recipe raw --exclude
label` and `honeyguide evaluate --label label`; there, `sklearn.ensemble.IsolationForest` with its defaults.

AUROC is given as mean ± standard deviation over the seeds. The last column is the difference of the means in standard
errors of that difference, √(s₁²/n₁ + s₂²/n₂). Two forests of the same kind differ by more than 2 on about one set in
twenty.

| set | rows | features | anomalies | scikit-learn | honeyguide | difference | in standard errors |
|---|--:|--:|--:|--:|--:|--:|--:|
",
        seeds - 1
    );
    for set in sets {
        writeln!(page, "{}", set.row()).expect("a string takes every write");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "set,rows,features,anomaly_share,auroc_mean,auroc_sd,ap_mean,seeds\n\
                         a,1000,3,0.05,0.9,0.01,0.5,10\n";

    fn set(mean: f64) -> Set {
        Set {
            reference: parse_references(TABLE, "t.csv".into()).unwrap().remove(0),
            ours: Summary {
                mean,
                sd: 0.01,
                n: 10.0,
            },
        }
    }

    #[test]
    fn two_standard_errors_are_the_limit() {
        let error = (2.0 * 0.01f64.powi(2) / 10.0).sqrt();
        assert!(set(0.9 + 1.99 * error).agrees() && set(0.9 - 1.99 * error).agrees());
        assert!(!set(0.9 + 2.01 * error).agrees() && !set(0.9 - 2.01 * error).agrees());
        assert!(!set(f64::NAN).agrees());
    }

    #[test]
    fn the_table_has_one_row_per_set() {
        let page = report(&[set(0.91)], 10);
        assert!(page.ends_with(
            "| a | 1000 | 3 | 5.00 % | 0.9000 ± 0.0100 | 0.9100 ± 0.0100 | +0.0100 | +2.2 |\n"
        ));
    }

    #[test]
    fn a_bad_reference_names_line_and_column() {
        let text = TABLE.replace("0.9,", "high,");
        let error = parse_references(&text, "t.csv".into()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "t.csv, line 2: column `auroc_mean` is \"high\""
        );
        let error = parse_references("set\na\n", "t.csv".into()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "t.csv, line 2: no value for column `rows`"
        );
    }
}
