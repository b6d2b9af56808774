//! ROC AUC and average precision of isolation forests on labelled CSV files, over seeds.
//!
//! ```sh
//! cargo run --release -p honeyguide-learn --example adbench -- [--seeds N] [--extension-level K] FILE.csv…
//! ```
//! Each file has a header, numeric columns, and the label, 0 or 1, as its last column. Every forest has
//! the default parameters and learns from all rows, as in ADBench's unsupervised setting. An extension
//! level above a file's greatest stands for the greatest.

use std::error::Error;
use std::fs;

use learn::iforest::IsolationForestParams;
use learn::metrics::ScoreCounts;
use learn::stats::Moments;
use learn::{Matrix, MatrixError};

fn main() -> Result<(), Box<dyn Error>> {
    let (mut seeds, mut extension_level, mut files) = (10, 0, Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || {
            args.next()
                .ok_or("a number is missing")?
                .parse::<usize>()
                .map_err(|e| e.to_string())
        };
        match arg.as_str() {
            "--seeds" => seeds = number()?,
            "--extension-level" => extension_level = number()?,
            _ => files.push(arg),
        }
    }
    println!("set,rows,features,auroc_mean,auroc_sd,ap_mean,ap_sd,seeds");
    for file in files {
        let (matrix, labels) = read_labelled(&fs::read_to_string(&file)?)?;
        let params = IsolationForestParams::new()
            .extension_level(extension_level.min(matrix.n_features() - 1));
        let (mut auroc, mut ap) = (Vec::new(), Vec::new());
        for seed in 0..seeds {
            let forest = params.clone().seed(seed as u64).fit(&matrix)?;
            let mut counts = ScoreCounts::new();
            for (score, &label) in forest.scores(matrix.values())?.into_iter().zip(&labels) {
                counts.push(score, label.into(), (!label).into());
            }
            let ranking = counts.finish()?;
            auroc.extend(ranking.roc_auc);
            ap.extend(ranking.average_precision);
        }
        let name = file
            .rsplit('/')
            .next()
            .unwrap_or(&file)
            .trim_end_matches(".csv");
        let (rows, features) = (matrix.n_rows(), matrix.n_features());
        let (auroc, ap) = (summary(&auroc), summary(&ap));
        println!("{name},{rows},{features},{auroc},{ap},{seeds}");
    }
    Ok(())
}

fn read_labelled(text: &str) -> Result<(Matrix, Vec<bool>), Box<dyn Error>> {
    let n_features = text
        .lines()
        .next()
        .ok_or("an empty file")?
        .split(',')
        .count()
        - 1;
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for line in text.lines().skip(1) {
        let (features, label) = line.rsplit_once(',').ok_or("a line without a comma")?;
        for value in features.split(',') {
            values.push(value.parse::<f64>()?);
        }
        labels.push(label.parse::<f64>()? != 0.0);
    }
    let matrix = Matrix::unweighted(n_features, values);
    Ok((
        matrix.map_err(|error: MatrixError| error.to_string())?,
        labels,
    ))
}

/// Mean and sample standard deviation, as `mean,sd`.
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
