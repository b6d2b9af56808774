//! Compares the forest's AUROC with scikit-learn's on labelled sets, and writes `docs/accuracy.md`.
//!
//! The folder holds one Parquet file per set, with numeric columns and the column `label` (0 or 1). It also holds one or
//! more files `sklearn_auroc*.csv` with the AUROC of scikit-learn, as `bench/sklearn_auroc.py` prints them. Their columns
//! are `set`, `rows`, `features`, `anomaly_share`, `auroc_mean`, `auroc_sd` and `seeds`. The page has one table per file.
//! If there is a file `normal_only_auroc.csv`, as `bench/normal_only_auroc.py` prints it, the page also has the table of
//! [`normal_only`].

mod normal_only;

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::Value;

use crate::command::{build, command, output, root, shown, target_dir};
use crate::error::{Error, Result};
use crate::statistics::Summary;

/// Runs `cargo xtask adbench DIR`.
///
/// # Errors
/// A program fails, a file cannot be read or written, or an AUROC differs from scikit-learn's by more than two standard
/// errors. In the last case, the page is written first.
pub fn run(dir: &Path) -> Result<()> {
    let dir = dir.canonicalize().map_err(Error::file(dir))?;
    let example = ["--package", "honeyguide-learn", "--example", "adbench"];
    let bench = Bench {
        honeyguide: build(&["--package", "honeyguide-cli"])?,
        library: build(&example)?,
        work: target_dir("adbench")?,
        dir,
    };
    let mut page = PREAMBLE.to_owned();
    let mut off = Vec::new();
    let references = bench.references()?;
    for reference in &references {
        let sets = bench.compare(reference)?;
        page += &table(&sets);
        off.extend(sets.iter().flat_map(Set::beyond));
    }
    page += &beside_itself(&references);
    page += &bench.normal_only()?;
    let path = root().join("docs/accuracy.md");
    fs::write(&path, page).map_err(Error::file(&path))?;
    if off.is_empty() {
        return Ok(());
    }
    Err(Error::Accuracy(off.join(", ")))
}

/// The programs and folders of a comparison.
struct Bench {
    /// The folder with the labelled sets.
    dir: PathBuf,
    /// The command `honeyguide`.
    honeyguide: PathBuf,
    /// The example program that trains forests with the library alone.
    library: PathBuf,
    /// The folder for temporary files.
    work: PathBuf,
}

impl Bench {
    /// Reads the files of scikit-learn's results, and sorts them by their number of seeds.
    fn references(&self) -> Result<Vec<Vec<Reference>>> {
        let mut references = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(Error::file(&self.dir))? {
            let path = entry.map_err(Error::file(&self.dir))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("sklearn_auroc") && name.ends_with(".csv") {
                let text = fs::read_to_string(&path).map_err(Error::file(&path))?;
                references.push(parse_references(&text, &path)?);
            }
        }
        if references.is_empty() {
            return Err(Error::NoReference(self.dir.clone()));
        }
        references.sort_by_key(|sets| sets.iter().map(Reference::seeds).max());
        Ok(references)
    }

    /// Measures each set with as many seeds as scikit-learn had.
    fn compare(&self, references: &[Reference]) -> Result<Vec<Set>> {
        let sets = references.iter().map(|reference| {
            let auroc = (0..reference.seeds()).map(|seed| self.auroc(&reference.name, seed));
            let set = Set {
                library: self.library(&reference.name, reference.seeds())?,
                command: Summary::of(&auroc.collect::<Result<Vec<_>>>()?),
                reference: reference.clone(),
            };
            println!("{}", set.row());
            Ok(set)
        });
        sets.collect()
    }

    /// Measures a set with forests of the library, which draw their samples from the rows in the order of the file.
    fn library(&self, set: &str, seeds: u64) -> Result<Summary> {
        let rows = self.csv(set)?;
        self.rank(&rows, seeds, &[])
    }

    /// Writes a set as CSV, which the library's example reads.
    fn csv(&self, set: &str) -> Result<PathBuf> {
        let rows = self.work.join(format!("{set}.csv"));
        let mut whole = command(&self.honeyguide, ["sql", "SELECT * FROM events", "--quiet"]);
        whole.args(["--threads", "1", "--out"]).arg(&rows);
        output(whole.arg(self.dir.join(format!("{set}.parquet"))))?;
        Ok(rows)
    }

    /// Runs the library's example on a CSV file.
    fn rank(&self, rows: &Path, seeds: u64, options: &[&str]) -> Result<Summary> {
        let mut rank = command(&self.library, ["--seeds", &seeds.to_string()]);
        let text = output(rank.args(options).arg(rows))?;
        parse_summary(&text).map_err(|what| Error::Output {
            command: shown(&rank),
            what: "no `auroc_mean` and `auroc_sd`",
            line: what,
        })
    }

    /// Trains the command on a set without its label, and returns the AUROC of the scores of the same rows.
    fn auroc(&self, set: &str, seed: u64) -> Result<f64> {
        let data = self.dir.join(format!("{set}.parquet"));
        let model = self.work.join("model.json");
        let mut train = command(&self.honeyguide, ["train", "--recipe", "raw", "--quiet"]);
        train.args([
            "--novelty",
            "plain",
            "--exclude",
            "label",
            "--seed",
            &seed.to_string(),
        ]);
        output(train.arg("--out").arg(&model).arg(&data))?;
        let mut evaluate = command(&self.honeyguide, ["evaluate", "--quiet", "--json"]);
        evaluate.args(["--label", "label"]);
        let text = output(evaluate.arg(&model).arg(&data))?;
        let evaluation: Value = serde_json::from_str(&text).unwrap_or_default();
        evaluation["labels"][0]["roc_auc"]
            .as_f64()
            .ok_or_else(|| Error::Output {
                command: shown(&evaluate),
                what: "no `labels[0].roc_auc`",
                line: text,
            })
    }
}

/// The AUROC of scikit-learn on a set.
#[derive(Debug, Clone, PartialEq)]
struct Reference {
    name: String,
    rows: u64,
    features: u64,
    anomaly_share: f64,
    auroc: Summary,
}

impl Reference {
    fn seeds(&self) -> u64 {
        self.auroc.n as u64
    }
}

/// A set with its results.
struct Set {
    reference: Reference,
    /// The AUROC of the library.
    library: Summary,
    /// The AUROC of the command.
    command: Summary,
}

impl Set {
    fn library_z(&self) -> f64 {
        z(&self.library, &self.reference.auroc)
    }

    fn command_z(&self) -> f64 {
        z(&self.command, &self.reference.auroc)
    }

    /// Names the results that are more than two standard errors from scikit-learn's.
    fn beyond(&self) -> Vec<String> {
        let both = [("library", self.library_z()), ("command", self.command_z())];
        let beyond = both.iter().filter(|(_, z)| z.is_nan() || z.abs() > 2.0);
        beyond
            .map(|(which, _)| format!("{} ({which})", self.reference.name))
            .collect()
    }

    /// Returns the set's row of the table.
    fn row(&self) -> String {
        let Reference {
            name,
            rows,
            features,
            anomaly_share,
            auroc,
        } = &self.reference;
        format!(
            "| {name} | {rows} | {features} | {:.2} % | {} | {} | {:+.1} | {} | {:+.1} |",
            100.0 * anomaly_share,
            spread(auroc),
            spread(&self.library),
            self.library_z(),
            spread(&self.command),
            self.command_z()
        )
    }
}

fn spread(auroc: &Summary) -> String {
    format!("{:.4} ± {:.4}", auroc.mean, auroc.sd)
}

/// Returns the difference of two means, divided by its standard error.
fn z(one: &Summary, other: &Summary) -> f64 {
    (one.mean - other.mean) / one.standard_error_of_difference(other)
}

fn parse_references(text: &str, path: &Path) -> Result<Vec<Reference>> {
    let header: Vec<_> = text.lines().next().unwrap_or_default().split(',').collect();
    let records = text.lines().enumerate().skip(1);
    records
        .map(|(index, line)| {
            let record = Record {
                header: &header,
                fields: line.split(',').collect(),
            };
            record.reference().map_err(|what| Error::Line {
                path: path.to_owned(),
                line: index + 1,
                what,
            })
        })
        .collect()
}

/// Reads the AUROC from the table that the library's example prints, which has one set.
fn parse_summary(text: &str) -> std::result::Result<Summary, String> {
    let mut lines = text.lines().map(|line| line.split(',').collect());
    let header: Vec<_> = lines.next().unwrap_or_default();
    let fields = lines.next().unwrap_or_default();
    Record {
        header: &header,
        fields,
    }
    .auroc()
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
            auroc: self.auroc()?,
        })
    }

    fn auroc(&self) -> std::result::Result<Summary, String> {
        Ok(Summary {
            mean: self.field("auroc_mean")?,
            sd: self.field("auroc_sd")?,
            n: self.seeds()?,
        })
    }

    /// Reads the number of seeds. A standard deviation needs at least two.
    fn seeds(&self) -> std::result::Result<f64, String> {
        let seeds: u32 = self.field("seeds")?;
        if seeds < 2 {
            return Err(format!("column `seeds` is {seeds}, must be at least 2"));
        }
        Ok(seeds.into())
    }

    fn field<T: FromStr>(&self, name: &str) -> std::result::Result<T, String> {
        let column = self.header.iter().position(|&column| column == name);
        let text = column.and_then(|column| self.fields.get(column));
        let text = text.ok_or_else(|| format!("no value for column `{name}`"))?;
        text.parse()
            .map_err(|_| format!("column `{name}` is {text:?}"))
    }
}

const PREAMBLE: &str = "\
# Accuracy compared with scikit-learn

`cargo xtask adbench DIR` writes this page. The sets are those of ADBench (Han et al., *ADBench: Anomaly Detection
Benchmark*, NeurIPS 2022). Each forest learns from all rows of a set, without the label, and then scores the same rows.
It has 100 trees of 256 samples. There is one forest per seed.

- scikit-learn: `sklearn.ensemble.IsolationForest` with its defaults.
- library: `learn::iforest` with its defaults, on the same rows in the same order.
- command: `honeyguide train --recipe raw --exclude label --novelty plain` and `honeyguide evaluate --label label`. They learn from
  distinct rows in their own order. The same seed therefore draws other samples and grows another forest of the same
  kind.

AUROC is given as mean ± standard deviation over the seeds, which start at 0. The column after it is the difference from
scikit-learn's mean, in standard errors of that difference, √(s₁²/n₁ + s₂²/n₂). Two forests of the same kind differ by
more than 2 standard errors on about one set in twenty, and the root mean square over sets is 1 on average. If they
differ with few seeds, more seeds show whether the difference is chance.
";

fn table(sets: &[Set]) -> String {
    let seeds = sets.iter().map(|set| set.reference.seeds()).max();
    let mut table = format!(
        "\n## {} seeds\n
| set | rows | features | anomalies | scikit-learn | library | standard errors | command | standard errors |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
",
        seeds.unwrap_or(0)
    );
    for set in sets {
        table += &set.row();
        table.push('\n');
    }
    let (library, command) = (rms(sets, Set::library_z), rms(sets, Set::command_z));
    table + &format!("\nRoot mean square: library {library:.1}, command {command:.1}.\n")
}

fn rms(sets: &[Set], z: fn(&Set) -> f64) -> f64 {
    let squares = sets.iter().map(|set| z(set).powi(2)).sum::<f64>();
    (squares / sets.len() as f64).sqrt()
}

/// Compares scikit-learn's results of the fewest seeds with its own results of the most seeds, for sets that have both.
fn beside_itself(references: &[Vec<Reference>]) -> String {
    let Some((few, more)) = references.split_first() else {
        return String::new();
    };
    let rows = few.iter().filter_map(|few| {
        let same = more.iter().flatten().filter(|set| set.name == few.name);
        let many = same.max_by_key(|set| set.seeds())?;
        Some(itself_row(few, many))
    });
    let rows: String = rows.collect();
    if rows.is_empty() {
        return rows;
    }
    format!("{ITSELF}{rows}")
}

fn itself_row(few: &Reference, many: &Reference) -> String {
    let (one, other) = (&few.auroc, &many.auroc);
    format!(
        "| {} | {} ({}) | {} ({}) | {:+.4} | {:+.1} |\n",
        few.name,
        spread(one),
        one.n,
        spread(other),
        other.n,
        one.mean - other.mean,
        z(one, other)
    )
}

const ITSELF: &str = "
## scikit-learn compared with itself

This table compares the reference with the fewest seeds and the reference with the most seeds. The numbers of seeds are
in parentheses. The differences show the effect of chance alone on the reference.

| set | few seeds | many seeds | difference | in standard errors |
|---|--:|--:|--:|--:|
";

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "set,rows,features,anomaly_share,auroc_mean,auroc_sd,ap_mean,seeds\n\
                         a,1000,3,0.05,0.9,0.01,0.5,10\n";

    fn set(library: f64, command: f64) -> Set {
        let ours = |mean| Summary {
            mean,
            sd: 0.01,
            n: 10.0,
        };
        Set {
            reference: parse_references(TABLE, Path::new("t.csv"))
                .unwrap()
                .remove(0),
            library: ours(library),
            command: ours(command),
        }
    }

    #[test]
    fn two_standard_errors_are_the_limit() {
        let error = (2.0 * 0.01f64.powi(2) / 10.0).sqrt();
        let [inside, outside] = [1.99 * error, 2.01 * error];
        assert!(set(0.9 + inside, 0.9 - inside).beyond().is_empty());
        assert_eq!(set(0.9 + outside, 0.9).beyond(), ["a (library)"]);
        assert_eq!(set(0.9, 0.9 - outside).beyond(), ["a (command)"]);
        assert_eq!(set(f64::NAN, f64::NAN).beyond().len(), 2);
    }

    #[test]
    fn the_table_has_one_row_per_set() {
        let page = table(&[set(0.9, 0.91)]);
        assert!(page.starts_with("\n## 10 seeds\n\n| set |"));
        assert!(page.ends_with(
            "| a | 1000 | 3 | 5.00 % | 0.9000 ± 0.0100 | 0.9000 ± 0.0100 | +0.0 | 0.9100 ± 0.0100 | +2.2 |\n\n\
             Root mean square: library 0.0, command 2.2.\n"
        ));
    }

    #[test]
    fn few_seeds_are_held_against_the_most() {
        let of = |text: &str| parse_references(text, Path::new("t.csv")).unwrap();
        let more = TABLE.replace("0.9,0.01,0.5,10", "0.89,0.01,0.5,200");
        let page = beside_itself(&[of(TABLE), of(&more)]);
        let row = "| a | 0.9000 ± 0.0100 (10) | 0.8900 ± 0.0100 (200) | +0.0100 | +3.1 |\n";
        assert!(page.ends_with(row), "{page}");
        assert_eq!(beside_itself(&[of(TABLE)]), "");
    }

    #[test]
    fn the_figures_of_the_library_are_found() {
        let text = "set,rows,features,auroc_mean,auroc_sd,ap_mean,ap_sd,seeds\nx,10,2,0.9,0.1,0.5,0.2,40\n";
        let found = parse_summary(text).unwrap();
        assert_eq!((found.mean, found.sd, found.n), (0.9, 0.1, 40.0));
        assert!(parse_summary("").unwrap_err().contains("auroc_mean"));
    }

    #[test]
    fn a_bad_reference_names_line_and_column() {
        let text = TABLE.replace("0.9,", "high,");
        let error = parse_references(&text, Path::new("t.csv")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "t.csv, line 2: column `auroc_mean` is \"high\""
        );
        let error = parse_references("set\na\n", Path::new("t.csv")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "t.csv, line 2: no value for column `rows`"
        );
    }
}
