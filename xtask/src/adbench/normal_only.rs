//! The second protocol: detectors that learn from normal rows only.

use std::fs;
use std::path::Path;

use super::{Bench, Record};
use crate::error::{Error, Result};

/// The detectors of `bench/normal_only_auroc.py`, in the order of the table. The first is the one that others are compared
/// with.
const PEERS: [&str; 5] = [
    "scikit-learn",
    "isotree",
    "isotree with penalize_range",
    "ECOD",
    "COPOD",
];
/// The values of the library's option, in the order of the table.
const FORMS: [&str; 2] = ["plain", "range"];

/// The least mean of the differences of `range` from scikit-learn that is a goal.
const LEAST_MEAN: f64 = 0.015;
/// The least difference of `range` from scikit-learn on any set that is a goal.
const LEAST_OF_SET: f64 = -0.01;

/// The mean AUROC of one detector on one set, as the Python script measured it.
#[derive(Debug, Clone, PartialEq)]
struct Measured {
    set: String,
    rows: u64,
    features: u64,
    detector: String,
    auroc: f64,
    seeds: u64,
}

/// A set with the mean AUROC of every detector: [`PEERS`], then [`FORMS`].
struct Line {
    set: String,
    rows: u64,
    features: u64,
    aurocs: Vec<f64>,
}

impl Bench {
    /// Returns the section of the page; empty if the folder has no results of the peers.
    pub(super) fn normal_only(&self) -> Result<String> {
        let path = self.dir.join("normal_only_auroc.csv");
        if !path.exists() {
            return Ok(String::new());
        }
        let text = fs::read_to_string(&path).map_err(Error::file(&path))?;
        let measured = parse(&text, &path)?;
        let mut lines = Vec::new();
        for of_set in measured.chunk_by(|one, other| one.set == other.set) {
            let Some(peers) = in_order(of_set) else {
                println!("{}: not every detector has a result", of_set[0].set);
                continue;
            };
            let first = &of_set[0];
            let rows = self.csv(&first.set)?;
            let seeds = of_set.iter().map(|result| result.seeds).max().unwrap_or(2);
            let ours = FORMS.map(|form| {
                let options = ["--normal-only", "yes", "--novelty", form];
                Ok(self.rank(&rows, seeds, &options)?.mean)
            });
            let mut aurocs = peers;
            for auroc in ours {
                aurocs.push(auroc?);
            }
            let line = Line {
                set: first.set.clone(),
                rows: first.rows,
                features: first.features,
                aurocs,
            };
            print!("{}", line.row());
            lines.push(line);
        }
        let seeds = measured.iter().map(|result| result.seeds).max();
        Ok(section(&lines, seeds.unwrap_or(0)))
    }
}

/// Returns the AUROC of each of [`PEERS`], if all have one.
fn in_order(of_set: &[Measured]) -> Option<Vec<f64>> {
    let of = |peer: &&str| {
        let found = of_set.iter().find(|result| result.detector == *peer);
        found.map(|result| result.auroc)
    };
    PEERS.iter().map(of).collect()
}

fn parse(text: &str, path: &Path) -> Result<Vec<Measured>> {
    let header: Vec<_> = text.lines().next().unwrap_or_default().split(',').collect();
    let lines = text.lines().enumerate().skip(1);
    lines
        .map(|(index, line)| {
            let record = Record {
                header: &header,
                fields: line.split(',').collect(),
            };
            let measured = || {
                Ok(Measured {
                    set: record.field("set")?,
                    rows: record.field("rows")?,
                    features: record.field("features")?,
                    detector: record.field("detector")?,
                    auroc: record.field("auroc_mean")?,
                    seeds: record.field("seeds")?,
                })
            };
            measured().map_err(|what| Error::Line {
                path: path.to_owned(),
                line: index + 1,
                what,
            })
        })
        .collect()
}

impl Line {
    fn row(&self) -> String {
        let aurocs: String = self
            .aurocs
            .iter()
            .map(|auroc| format!(" {auroc:.3} |"))
            .collect();
        format!(
            "| {} | {} | {} |{aurocs}\n",
            self.set, self.rows, self.features
        )
    }
}

fn section(lines: &[Line], seeds: u64) -> String {
    let names = PEERS.iter().map(|name| (*name).to_owned());
    let names: Vec<String> = names
        .chain(FORMS.map(|form| format!("honeyguide, {form}")))
        .collect();
    let mut text = format!(
        "{INTRODUCTION}\nForests are measured with {seeds} seeds.\n\n| set | rows | features |"
    );
    text += &names
        .iter()
        .map(|name| format!(" {name} |"))
        .collect::<String>();
    text += &format!("\n|---|--:|--:|{}\n", "--:|".repeat(names.len()));
    text.extend(lines.iter().map(Line::row));
    let means: Vec<f64> = (0..names.len()).map(|column| mean(lines, column)).collect();
    text += "| **mean** | | |";
    text.extend(means.iter().map(|mean| format!(" **{mean:.4}** |")));
    text += "\n\nDifferences from scikit-learn:\n\n| detector | mean | lowest | highest |\n|---|--:|--:|--:|\n";
    for (column, name) in names.iter().enumerate().skip(1) {
        let of = |line: &Line| (line.aurocs[column] - line.aurocs[0], line.set.clone());
        let mut differences: Vec<_> = lines.iter().map(of).collect();
        differences.sort_by(|one, other| one.0.total_cmp(&other.0));
        let shown = |entry: Option<&(f64, String)>| {
            entry.map_or_else(String::new, |(value, set)| format!("{value:+.4} ({set})"))
        };
        let (lowest, highest) = (shown(differences.first()), shown(differences.last()));
        let difference = means[column] - means[0];
        text += &format!("| {name} | {difference:+.4} | {lowest} | {highest} |\n");
    }
    text + &goals(lines, &means)
}

/// Says whether the last detector, which is the library's with `range`, reaches its goals.
fn goals(lines: &[Line], means: &[f64]) -> String {
    let mean = means[means.len() - 1] - means[0];
    let last = |line: &Line| line.aurocs[line.aurocs.len() - 1] - line.aurocs[0];
    let lowest = lines.iter().map(last).fold(f64::INFINITY, f64::min);
    let result = |value: f64, goal: f64| if value >= goal { "reached" } else { "missed" };
    format!(
        "\nThe goals for `range` are a mean of at least {LEAST_MEAN:+.3} and no set below {LEAST_OF_SET:+.3}. The mean is \
         {mean:+.4}: {}. The lowest of a set is {lowest:+.4}: {}.\n",
        result(mean, LEAST_MEAN),
        result(lowest, LEAST_OF_SET)
    )
}

fn mean(lines: &[Line], column: usize) -> f64 {
    lines.iter().map(|line| line.aurocs[column]).sum::<f64>() / lines.len() as f64
}

const INTRODUCTION: &str = "
## Training on normal rows only

Detectors that watch for what is new learn from data without anomalies. In this protocol every second normal row of a set,
in the order of the file and beginning with the first, is for training, and all other rows are for testing. All detectors
get the same rows. The table has the mean AUROC over the seeds.

- scikit-learn, isotree: forests of 100 trees of 256 samples that split single columns at random. `penalize_range` is
  isotree's option for rows outside the range of a node.
- ECOD and COPOD: PyOD's detectors, which have no parameters.
- honeyguide: `learn::iforest` with both values of `novelty`. `range` is the default of `honeyguide train`.
";

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "set,rows,features,detector,auroc_mean,auroc_sd,seeds\n\
                        a,10,2,isotree,0.6,0.1,5\na,10,2,scikit-learn,0.5,0.1,5\na,10,2,ECOD,0.7,0,1\n\
                        a,10,2,COPOD,0.8,0,1\na,10,2,isotree with penalize_range,0.9,0.1,5\n";

    #[test]
    fn peers_have_the_order_of_the_table() {
        let measured = parse(TEXT, Path::new("t.csv")).unwrap();
        assert_eq!(in_order(&measured), Some(vec![0.5, 0.6, 0.9, 0.7, 0.8]));
        assert_eq!(in_order(&measured[1..]), None);
    }

    #[test]
    fn differences_are_those_from_the_first_detector() {
        let line = |set: &str, last| Line {
            set: set.to_owned(),
            rows: 10,
            features: 2,
            aurocs: vec![0.5, 0.5, 0.5, 0.5, 0.5, 0.5, last],
        };
        let text = section(&[line("a", 0.6), line("b", 0.45)], 5);
        assert!(
            text.contains("| a | 10 | 2 | 0.500 | 0.500 | 0.500 | 0.500 | 0.500 | 0.500 | 0.600 |")
        );
        let last = "| honeyguide, range | +0.0250 | -0.0500 (b) | +0.1000 (a) |\n";
        assert!(text.contains(last), "{text}");
        let goals = "The mean is +0.0250: reached. The lowest of a set is -0.0500: missed.\n";
        assert!(text.ends_with(goals), "{text}");
        let text = section(&[line("a", 0.51), line("b", 0.499)], 5);
        let goals = "The mean is +0.0045: missed. The lowest of a set is -0.0010: reached.\n";
        assert!(text.ends_with(goals), "{text}");
    }

    #[test]
    fn a_bad_line_is_named() {
        let error = parse("set\na\n", Path::new("t.csv")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "t.csv, line 2: no value for column `rows`"
        );
    }
}
