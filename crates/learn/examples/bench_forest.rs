//! Times one piece of forest work, to be run beside its peers.
//!
//! ```sh
//! cargo run --release -p honeyguide-learn --example bench_forest -- WORK [OPTION VALUE]…
//! ```
//! WORK is one of
//! - `fit`: fit on the rows;
//! - `fit-distinct`: fit on the distinct rows with their counts;
//! - `score`: score all rows in one call, with a forest fitted on them;
//! - `explain`: explain all rows in one call, with a forest fitted on them;
//! - `one-row`: score rows in one call each; the figures are per call.
//!
//! Options: `--file` raw little-endian f64 rows (else standard normal rows are simulated),
//! `--features 10`, `--rows 1000000` (simulated, or at most of the file), `--fit-file` rows to fit on
//! where they are others, `--trees 100`, `--samples 256`, `--threads 1`, `--repeat 7`, `--seed 0`.
//!
//! Prints one line per repetition: work, rows, features, threads, CPU ns per row, wall ns per row.
//! Making and checking the matrix is not timed.

use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use learn::Matrix;
use learn::iforest::{IsolationForest, IsolationForestParams, MaxSamples};
use learn::rng::Rng;

/// Rows that `one-row` scores in each repetition.
const CALLS: usize = 2000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let work = args
        .next()
        .ok_or("say what to time: fit, fit-distinct, score, explain, one-row")?;
    let mut options = HashMap::new();
    while let Some(name) = args.next() {
        let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
        options.insert(name, value);
    }
    let bench = Bench::new(&work, &options)?;
    let threads = number(&options, "--threads", 1)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    for _ in 0..number(&options, "--repeat", 7)? {
        let (cpu, wall) = pool
            .install(|| bench.once(&work))
            .map_err(|error| error as Box<dyn Error>)?;
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

fn number(options: &HashMap<String, String>, name: &str, default: usize) -> Result<usize, String> {
    let Some(text) = options.get(name) else {
        return Ok(default);
    };
    text.parse()
        .map_err(|error| format!("{name} {text}: {error}"))
}

struct Bench {
    params: IsolationForestParams,
    rows: Matrix,
    forest: IsolationForest,
}

impl Bench {
    fn new(work: &str, options: &HashMap<String, String>) -> Result<Bench, Box<dyn Error>> {
        let features = number(options, "--features", 10)?;
        let n_rows = number(options, "--rows", 1_000_000)?;
        let seed = number(options, "--seed", 0)? as u64;
        let mut rows = match options.get("--file") {
            Some(file) => read(file, features, n_rows)?,
            None => {
                let mut rng = Rng::new(seed, 0);
                let values = (0..n_rows * features).map(|_| rng.normal()).collect();
                Matrix::unweighted(features, values)?
            }
        };
        if work == "fit-distinct" {
            rows.sort_rows();
        }
        let params = IsolationForestParams::new()
            .n_estimators(number(options, "--trees", 100)?)
            .max_samples(MaxSamples::Count(number(options, "--samples", 256)?))
            .seed(seed);
        let forest = match options.get("--fit-file") {
            Some(file) => params.fit(&read(file, features, usize::MAX)?)?,
            None => params.fit(&rows)?,
        };
        Ok(Bench {
            params,
            rows,
            forest,
        })
    }

    /// CPU and wall time of doing the work once.
    fn once(&self, work: &str) -> Result<(Duration, Duration), Box<dyn Error + Send + Sync>> {
        let (values, features) = (self.rows.values(), self.rows.n_features());
        let (cpu, wall) = (cpu_time(), Instant::now());
        match work {
            "fit" | "fit-distinct" => drop(black_box(self.params.fit(&self.rows)?)),
            "score" => drop(black_box(self.forest.scores(values)?)),
            "explain" => drop(black_box(self.forest.explain_rows(values)?)),
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

fn read(file: &str, features: usize, most: usize) -> Result<Matrix, Box<dyn Error>> {
    let bytes = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
    let (numbers, _) = bytes.as_chunks::<8>();
    let values = numbers.iter().take(most.saturating_mul(features));
    Ok(Matrix::unweighted(
        features,
        values.map(|&bytes| f64::from_le_bytes(bytes)).collect(),
    )?)
}

/// CPU time of this process and all its threads.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
