//! Measures the time of one UMAP operation, for comparison with other implementations.
//!
//! ```sh
//! cargo run --release -p honeyguide-learn --example bench_umap -- WORK [OPTION VALUE]…
//! ```
//! WORK is one of
//! - `fit`: fit an embedding of the rows;
//! - `transform`: place the rows of `--new` in an embedding fitted on the rows.
//!
//! Options: `--file` with rows as raw little-endian f64 (without it, standard normal rows are
//! simulated), `--new` with new rows in the same format, `--features 10`, `--rows 25000` (the
//! number of simulated rows, or the maximum read from each file), `--threads 1`, `--repeat 1`,
//! `--seed 0`, `--neighbors 15`, `--components 2`, `--out` with the file for the coordinates as raw
//! little-endian f32.
//!
//! The program prints one line per repetition: work, rows, features, threads, CPU nanoseconds per
//! row, elapsed nanoseconds per row. Reading and checking rows is not timed.

mod common;

use std::time::{Duration, Instant};

use common::{BoxedError, Options, cpu_time, read_rows};
use learn::Matrix;
use learn::umap::{Umap, UmapParams};

fn main() -> Result<(), BoxedError> {
    let mut args = std::env::args().skip(1);
    let work = args.next().ok_or("say what to time: fit, transform")?;
    let options = Options::read(args)?;
    let threads = options.number("--threads", 1)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    let bench = pool.install(|| Bench::new(&work, &options))?;
    let features = bench.rows.n_features();
    for _ in 0..options.number("--repeat", 1)? {
        let (cpu, wall) = (cpu_time(), Instant::now());
        let coordinates = pool.install(|| bench.once())?;
        let (cpu, wall) = (cpu_time() - cpu, wall.elapsed());
        let n = coordinates.len() / bench.components;
        let per_row = |time: Duration| time.as_nanos() as f64 / n as f64;
        let (cpu, wall) = (per_row(cpu), per_row(wall));
        println!("{work},{n},{features},{threads},{cpu:.1},{wall:.1}");
        if let Some(file) = options.get("--out") {
            let bytes: Vec<u8> = coordinates.iter().flat_map(|x| x.to_le_bytes()).collect();
            std::fs::write(file, bytes).map_err(|error| format!("{file}: {error}"))?;
        }
    }
    Ok(())
}

/// The inputs of the timed operation.
struct Bench {
    params: UmapParams,
    components: usize,
    rows: Matrix,
    /// The fitted embedding and the new rows, for `transform`.
    fitted: Option<(Umap, Matrix)>,
}

impl Bench {
    fn new(work: &str, options: &Options) -> Result<Bench, BoxedError> {
        let features = options.number("--features", 10)?;
        let n_rows = options.number("--rows", 25_000)?;
        let seed = options.number("--seed", 0)? as u64;
        let components = options.number("--components", 2)?;
        let rows = options.rows(features, n_rows, seed)?;
        let params = UmapParams::new()
            .n_neighbors(options.number("--neighbors", 15)?)
            .n_components(components)
            .seed(seed);
        let fitted = match (work, options.get("--new")) {
            ("fit", _) => None,
            ("transform", Some(file)) => {
                Some((params.fit(&rows)?, read_rows(file, features, n_rows)?))
            }
            ("transform", None) => return Err("transform needs --new".into()),
            (other, _) => return Err(format!("unknown work {other:?}").into()),
        };
        Ok(Bench {
            params,
            components,
            rows,
            fitted,
        })
    }

    /// Performs the operation once and returns the coordinates, row-major.
    fn once(&self) -> Result<Vec<f32>, BoxedError> {
        Ok(match &self.fitted {
            None => self.params.fit(&self.rows)?.embedding().to_vec(),
            Some((umap, new)) => umap.transform(new.values())?,
        })
    }
}
