//! Measures the time of one operation on an isolation forest, for comparison with other
//! implementations.
//!
//! ```sh
//! cargo run --release -p honeyguide-learn --example bench_forest -- WORK [OPTION VALUE]…
//! ```
//! WORK is one of
//! - `fit`: fit a forest on the rows;
//! - `fit-distinct`: fit a forest on the distinct rows with their counts;
//! - `score`: score all rows in one call, with a forest fitted on them;
//! - `explain`: explain all rows in one call, with a forest fitted on them;
//! - `score-range`, `explain-range`: the same with a forest of novelty `range`;
//! - `score-plain-simply`, `score-range-simply`, `score-box-simply`: score all rows in a form of path lengths that is
//!   written without tricks, with trees that grow on the first 256 rows;
//! - `one-row`: score one row per call, with times per call.
//!
//! Options: `--file` with rows as raw little-endian f64 (without it, standard normal rows are
//! simulated), `--features 10`, `--rows 1000000` (the number of simulated rows, or the maximum read
//! from the file), `--fit-file` with other rows to fit on, `--trees 100`, `--samples 256`,
//! `--threads 1`, `--repeat 7`, `--seed 0`.
//!
//! The program prints one line per repetition: work, rows, features, threads, CPU nanoseconds per
//! row, elapsed nanoseconds per row. Creating and checking the matrix is not timed.

mod common;
#[path = "common/forms.rs"]
mod forms;

use std::hint::black_box;
use std::time::{Duration, Instant};

use common::{BoxedError, Options, cpu_time, read_rows};
use forms::{Forest, Form};
use learn::Matrix;
use learn::iforest::{IsolationForest, IsolationForestParams, MaxSamples, Novelty};

/// The number of rows that `one-row` scores in each repetition.
const CALLS: usize = 2000;

fn main() -> Result<(), BoxedError> {
    let mut args = std::env::args().skip(1);
    let work = args
        .next()
        .ok_or("say what to time: fit, fit-distinct, score, explain, one-row")?;
    let options = Options::read(args)?;
    let bench = Bench::new(&work, &options)?;
    let threads = options.number("--threads", 1)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    for _ in 0..options.number("--repeat", 7)? {
        let (cpu, wall) = pool.install(|| bench.once(&work))?;
        let n = if work == "one-row" {
            CALLS
        } else {
            bench.rows.n_rows()
        };
        let per_row = |time: Duration| time.as_nanos() as f64 / n as f64;
        let (cpu, wall, features) = (per_row(cpu), per_row(wall), bench.rows.n_features());
        println!("{work},{n},{features},{threads},{cpu:.1},{wall:.1}");
    }
    Ok(())
}

/// The inputs of the timed operation.
struct Bench {
    params: IsolationForestParams,
    rows: Matrix,
    forest: IsolationForest,
    /// The form and the forest of the works that end in `simply`.
    simple: Option<(Form, Forest)>,
}

impl Bench {
    fn new(work: &str, options: &Options) -> Result<Bench, BoxedError> {
        let features = options.number("--features", 10)?;
        let n_rows = options.number("--rows", 1_000_000)?;
        let seed = options.number("--seed", 0)? as u64;
        let mut rows = options.rows(features, n_rows, seed)?;
        if work == "fit-distinct" {
            rows.sort_rows();
        }
        let novelty = match work {
            "score-range" | "explain-range" => Novelty::Range,
            _ => Novelty::Plain,
        };
        let params = IsolationForestParams::new()
            .n_estimators(options.number("--trees", 100)?)
            .max_samples(MaxSamples::Count(options.number("--samples", 256)?))
            .novelty(novelty)
            .seed(seed);
        let forest = match options.get("--fit-file") {
            Some(file) => params.fit(&read_rows(file, features, usize::MAX)?)?,
            None => params.fit(&rows)?,
        };
        let form = match work {
            "score-plain-simply" => Some(Form::Plain),
            "score-range-simply" => Some(Form::Range),
            "score-box-simply" => Some(Form::Box),
            _ => None,
        };
        let simple = form.map(|form| Forest::grow(&rows, &params).map(|forest| (form, forest)));
        Ok(Bench {
            simple: simple.transpose()?,
            params,
            rows,
            forest,
        })
    }

    /// Performs the operation once and returns its CPU time and elapsed time.
    fn once(&self, work: &str) -> Result<(Duration, Duration), BoxedError> {
        let (values, features) = (self.rows.values(), self.rows.n_features());
        let (cpu, wall) = (cpu_time(), Instant::now());
        if let Some((form, forest)) = &self.simple {
            drop(black_box(forest.scores(values, *form)));
            return Ok((cpu_time() - cpu, wall.elapsed()));
        }
        match work {
            "fit" | "fit-distinct" => drop(black_box(self.params.fit(&self.rows)?)),
            "score" | "score-range" => drop(black_box(self.forest.scores(values)?)),
            "explain" | "explain-range" => drop(black_box(self.forest.explain_rows(values)?)),
            "one-row" => {
                for row in values.chunks_exact(features).cycle().take(CALLS) {
                    black_box(self.forest.score_one(row)?);
                }
            }
            other => return Err(format!("unknown work {other:?}").into()),
        }
        Ok((cpu_time() - cpu, wall.elapsed()))
    }
}
