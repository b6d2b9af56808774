//! Code that the benchmarks share: options, input rows and CPU time.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use learn::Matrix;
use learn::rng::Rng;

/// An error that can be passed between threads.
pub type BoxedError = Box<dyn Error + Send + Sync>;

/// Options by name, each with its value.
pub struct Options(HashMap<String, String>);

impl Options {
    /// Reads pairs of a name and a value.
    pub fn read(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = HashMap::new();
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
            options.insert(name, value);
        }
        Ok(Options(options))
    }

    /// Returns the value of an option, if it is given.
    pub fn get(&self, name: &str) -> Option<&String> {
        self.0.get(name)
    }

    /// Returns the value of a numeric option.
    pub fn number(&self, name: &str, default: usize) -> Result<usize, String> {
        let Some(text) = self.get(name) else {
            return Ok(default);
        };
        text.parse()
            .map_err(|error| format!("{name} {text}: {error}"))
    }

    /// Returns at most `n_rows` rows of the file given by `--file`, or as many standard normal rows
    /// when there is no such option.
    pub fn rows(&self, features: usize, n_rows: usize, seed: u64) -> Result<Matrix, BoxedError> {
        if let Some(file) = self.get("--file") {
            return read_rows(file, features, n_rows);
        }
        let mut rng = Rng::new(seed, 0);
        let values = (0..n_rows * features).map(|_| rng.normal()).collect();
        Ok(Matrix::unweighted(features, values)?)
    }
}

/// Reads at most `most` rows of `features` values from a file of little-endian f64.
pub fn read_rows(file: &str, features: usize, most: usize) -> Result<Matrix, BoxedError> {
    let bytes = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
    let (numbers, _) = bytes.as_chunks::<8>();
    let values = numbers.iter().take(most.saturating_mul(features));
    Ok(Matrix::unweighted(
        features,
        values.map(|&bytes| f64::from_le_bytes(bytes)).collect(),
    )?)
}

/// Returns the CPU time of this process with all its threads.
pub fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
