//! `honeyguide embed`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use honeyguide::embed::{Epochs, MAX_COMPONENTS, MAX_EPOCHS, MAX_NEIGHBORS, Metric};

use super::numbers::{number, seed, whole};
use super::paths::output;

/// UMAP's `spread`, which is 1 for every map; `min_dist` cannot exceed it.
const MAX_MIN_DIST: f64 = 1.0;

const EXAMPLES: &str = "Examples:
  honeyguide embed labelled_training_data.csv --out coords.parquet
  honeyguide embed labelled_testing_data.csv --fit-on labelled_training_data.csv --recipe beth-paper --out coords.csv
  honeyguide embed today.csv --fit-on labelled_training_data.csv --model model.json --out coords.csv";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Embed {
    /// Files, folders, globs or URLs, or - for standard input
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    /// Fit the map on this data and place DATA on it [default: fit the map on DATA]
    #[arg(long, value_name = "TRAIN", num_args = 1..)]
    pub fit_on: Vec<String>,
    /// Map the features of this recipe, with means and rarities of the data that the map is fitted on: a built-in
    /// recipe, or the path or URL of a TOML file [default: the log's, context]
    #[arg(long, value_name = "NAME|FILE")]
    pub recipe: Option<String>,
    /// Map the features of this model, with means and rarities of its training data: a path or a URL
    #[arg(long, value_name = "MODEL", conflicts_with = "recipe")]
    pub model: Option<PathBuf>,
    /// Number of neighbours of each row, which includes the row itself
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = whole(2, MAX_NEIGHBORS), allow_negative_numbers = true)]
    pub neighbors: usize,
    /// Least distance between neighbours on the map
    #[arg(long, value_name = "F", default_value_t = 0.1, value_parser = number(0.0, MAX_MIN_DIST), allow_negative_numbers = true)]
    pub min_dist: f64,
    /// Number of dimensions of the map
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = whole(1, MAX_COMPONENTS), allow_negative_numbers = true)]
    pub components: usize,
    /// Distance between two rows
    #[arg(long, value_enum, default_value_t = Distance::Euclidean)]
    pub metric: Distance,
    /// Number of optimisation epochs: auto (500 for up to 10,000 rows, 200 for more) or a count
    #[arg(long, value_name = "auto|N", default_value = "auto", value_parser = parse_epochs, allow_negative_numbers = true)]
    pub epochs: Epochs,
    /// Seed of the random number generator
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = seed, allow_negative_numbers = true)]
    pub seed: u64,
    /// The file to write, with the coordinates of each distinct feature row (.csv, .ndjson, .arrow or .parquet): a
    /// path, an object's URL, or - for standard output
    #[arg(long, value_name = "FILE", value_parser = output())]
    pub out: PathBuf,
}

/// A distance metric of UMAP, by its name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Distance {
    Euclidean,
    Manhattan,
    Chebyshev,
    Cosine,
    Correlation,
}

impl From<Distance> for Metric {
    fn from(distance: Distance) -> Self {
        match distance {
            Distance::Euclidean => Self::Euclidean,
            Distance::Manhattan => Self::Manhattan,
            Distance::Chebyshev => Self::Chebyshev,
            Distance::Cosine => Self::Cosine,
            Distance::Correlation => Self::Correlation,
        }
    }
}

fn parse_epochs(text: &str) -> Result<Epochs, String> {
    match text {
        "auto" => Ok(Epochs::Auto),
        _ => whole(0, MAX_EPOCHS)(text)
            .map(Epochs::Count)
            .map_err(|error| format!("{error}, or auto")),
    }
}
