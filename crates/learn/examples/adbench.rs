//! Computes ROC AUC and average precision of isolation forests on labelled CSV files, for several
//! seeds.
//!
//! ```sh
//! cargo run --release -p honeyguide-learn --example adbench -- [OPTION VALUE]… FILE.csv…
//! ```
//! Each file has a header and numeric columns, the last of which is the label, 0 or 1. The forests
//! have the default parameters. They are fitted on all rows of the file that they score, as in
//! ADBench's unsupervised setting, on the rows of another file, or on normal rows only.
//!
//! Options: `--seeds 10`; `--extension-level 0` (a level above a file's maximum means the maximum);
//! `--train FILE.csv` to fit on another file; `--normal-only yes` to fit on every second normal row
//! and to score all others; `--novelty plain` or `range`; `--categorical COLUMN` (counted from 0) to treat the
//! distinct values of a column as categories.

use std::error::Error;
use std::fs;

use learn::iforest::{IsolationForestParams, Novelty};
use learn::metrics::ScoreCounts;
use learn::stats::Moments;
use learn::{ColumnKind, Matrix};

#[derive(Default)]
struct Options {
    seeds: u64,
    extension_level: usize,
    train: Option<String>,
    normal_only: bool,
    novelty: Novelty,
    categorical: Option<usize>,
    files: Vec<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    println!("set,rows,features,auroc_mean,auroc_sd,ap_mean,ap_sd,seeds");
    for file in &options.files {
        let mut scored = Table::read(file)?;
        let mut trained = match (&options.train, options.normal_only) {
            (Some(other), _) => Table::read(other)?,
            (None, true) => scored.take_every_second_normal_row(),
            (None, false) => Table::read(file)?,
        };
        let mut kinds = vec![ColumnKind::Numeric; trained.n_features];
        if let Some(column) = options.categorical {
            let categories = trained.categories(column);
            kinds[column] = ColumnKind::Categorical {
                cardinality: categories.len() as u32,
            };
            trained.encode(column, &categories);
            scored.encode(column, &categories);
        }
        let params = IsolationForestParams::new()
            .novelty(options.novelty)
            .extension_level(options.extension_level.min(trained.n_features - 1))
            .column_kinds(kinds);
        let (auroc, ap) = rank(&params, &trained, &scored, options.seeds)?;
        let name = file
            .rsplit('/')
            .next()
            .unwrap_or(file)
            .trim_end_matches(".csv");
        let (rows, features, seeds) = (scored.labels.len(), scored.n_features, options.seeds);
        println!(
            "{name},{rows},{features},{},{},{seeds}",
            summary(&auroc),
            summary(&ap)
        );
    }
    Ok(())
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        seeds: 10,
        ..Options::default()
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--seeds" => options.seeds = value()?.parse()?,
            "--extension-level" => options.extension_level = value()?.parse()?,
            "--train" => options.train = Some(value()?),
            "--normal-only" => options.normal_only = value()? == "yes",
            "--novelty" => {
                options.novelty = match value()?.as_str() {
                    "plain" => Novelty::Plain,
                    "range" => Novelty::Range,
                    other => return Err(format!("--novelty {other}: plain or range").into()),
                }
            }
            "--categorical" => options.categorical = Some(value()?.parse()?),
            _ => options.files.push(arg),
        }
    }
    Ok(options)
}

/// Returns the ROC AUC and the average precision of the scores for each seed.
fn rank(
    params: &IsolationForestParams,
    trained: &Table,
    scored: &Table,
    seeds: u64,
) -> Result<(Vec<f64>, Vec<f64>), Box<dyn Error>> {
    let matrix = Matrix::unweighted(trained.n_features, trained.values.clone())?;
    let (mut auroc, mut ap) = (Vec::new(), Vec::new());
    for seed in 0..seeds {
        let forest = params.clone().seed(seed).fit(&matrix)?;
        let mut counts = ScoreCounts::new();
        for (score, &label) in forest
            .scores(&scored.values)?
            .into_iter()
            .zip(&scored.labels)
        {
            counts.push(score, label.into(), (!label).into());
        }
        let ranking = counts.finish()?;
        auroc.extend(ranking.roc_auc);
        ap.extend(ranking.average_precision);
    }
    Ok((auroc, ap))
}

struct Table {
    n_features: usize,
    values: Vec<f64>,
    labels: Vec<bool>,
}

impl Table {
    fn read(file: &str) -> Result<Table, Box<dyn Error>> {
        let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        let header = text.lines().next().ok_or("an empty file")?;
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        for line in text.lines().skip(1) {
            let (features, label) = line.rsplit_once(',').ok_or("a line without a comma")?;
            for value in features.split(',') {
                values.push(value.parse::<f64>()?);
            }
            labels.push(label.parse::<f64>()? != 0.0);
        }
        Ok(Table {
            n_features: header.split(',').count() - 1,
            values,
            labels,
        })
    }

    /// Moves every second normal row, beginning with the first, into a table of its own.
    fn take_every_second_normal_row(&mut self) -> Table {
        let empty = || Table {
            n_features: self.n_features,
            values: Vec::new(),
            labels: Vec::new(),
        };
        let (mut taken, mut left, mut n_normal) = (empty(), empty(), 0);
        for (row, &label) in self.values.chunks(self.n_features).zip(&self.labels) {
            n_normal += usize::from(!label);
            let to = if !label && n_normal % 2 == 1 {
                &mut taken
            } else {
                &mut left
            };
            to.values.extend(row);
            to.labels.push(label);
        }
        *self = left;
        taken
    }

    fn column(&mut self, column: usize) -> impl Iterator<Item = &mut f64> {
        self.values.iter_mut().skip(column).step_by(self.n_features)
    }

    /// Returns the distinct values of a column, ascending.
    fn categories(&mut self, column: usize) -> Vec<f64> {
        let mut values: Vec<f64> = self.column(column).map(|value| *value).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.dedup();
        values
    }

    /// Replaces the values of a column by their codes. Values without a code get the number of
    /// categories.
    fn encode(&mut self, column: usize, categories: &[f64]) {
        for value in self.column(column) {
            let code = categories.binary_search_by(|known| known.total_cmp(value));
            *value = code.unwrap_or(categories.len()) as f64;
        }
    }
}

/// Returns the mean and the sample standard deviation, as `mean,sd`.
fn summary(values: &[f64]) -> String {
    let Some(moments) = Moments::of(values.iter().map(|&value| (value, 1.0))) else {
        return "undefined,undefined".to_owned();
    };
    let n = moments.weight;
    format!(
        "{:.4},{:.4}",
        moments.mean,
        moments.std * (n / (n - 1.0)).sqrt()
    )
}
