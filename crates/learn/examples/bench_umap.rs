//! Times one piece of UMAP work, to be run beside its peer.
//!
//! ```sh
//! cargo run --release -p honeyguide-learn --example bench_umap -- WORK [OPTION VALUE]…
//! ```
//! WORK is one of
//! - `fit`: fit on the rows, from the rows as they come;
//! - `transform`: place the rows of `--new` in an embedding fitted on the rows.
//!
//! Options: `--file` raw little-endian f64 rows (else standard normal rows are simulated), `--new` such
//! rows, `--features 10`, `--rows 25000` (simulated, or at most of the file), `--threads 1`,
//! `--repeat 1`, `--seed 0`, `--neighbors 15`, `--components 2`, `--out` where to write the coordinates
//! as raw f32.
//!
//! Prints one line per repetition: work, rows, features, threads, CPU ns per row, wall ns per row.
//! Reading and checking rows is not timed.

use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, Instant};

use learn::Matrix;
use learn::rng::Rng;
use learn::umap::{Umap, UmapParams};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let work = args.next().ok_or("say what to time: fit, transform")?;
    let mut options = HashMap::new();
    while let Some(name) = args.next() {
        let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
        options.insert(name, value);
    }
    let threads = number(&options, "--threads", 1)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    let bench = pool
        .install(|| Bench::new(&work, &options))
        .map_err(|error| error as Box<dyn Error>)?;
    let features = bench.rows.n_features();
    for _ in 0..number(&options, "--repeat", 1)? {
        let (cpu, wall) = (cpu_time(), Instant::now());
        let coordinates = pool
            .install(|| bench.once())
            .map_err(|error| error as Box<dyn Error>)?;
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

fn number(options: &HashMap<String, String>, name: &str, default: usize) -> Result<usize, String> {
    let Some(text) = options.get(name) else {
        return Ok(default);
    };
    text.parse()
        .map_err(|error| format!("{name} {text}: {error}"))
}

struct Bench {
    params: UmapParams,
    components: usize,
    rows: Matrix,
    /// What `transform` needs: the fitted embedding and the new rows.
    fitted: Option<(Umap, Matrix)>,
}

impl Bench {
    fn new(
        work: &str,
        options: &HashMap<String, String>,
    ) -> Result<Bench, Box<dyn Error + Send + Sync>> {
        let features = number(options, "--features", 10)?;
        let n_rows = number(options, "--rows", 25_000)?;
        let seed = number(options, "--seed", 0)? as u64;
        let components = number(options, "--components", 2)?;
        let rows = match options.get("--file") {
            Some(file) => read(file, features, n_rows)?,
            None => {
                let mut rng = Rng::new(seed, 0);
                let values = (0..n_rows * features).map(|_| rng.normal()).collect();
                Matrix::unweighted(features, values)?
            }
        };
        let params = UmapParams::new()
            .n_neighbors(number(options, "--neighbors", 15)?)
            .n_components(components)
            .seed(seed);
        let fitted = match (work, options.get("--new")) {
            ("fit", _) => None,
            ("transform", Some(file)) => Some((params.fit(&rows)?, read(file, features, n_rows)?)),
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

    /// The coordinates of doing the work once.
    fn once(&self) -> Result<Vec<f32>, Box<dyn Error + Send + Sync>> {
        Ok(match &self.fitted {
            None => self.params.fit(&self.rows)?.embedding().to_vec(),
            Some((umap, new)) => umap.transform(new.values())?,
        })
    }
}

fn read(file: &str, features: usize, most: usize) -> Result<Matrix, Box<dyn Error + Send + Sync>> {
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
