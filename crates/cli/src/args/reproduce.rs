//! `honeyguide reproduce`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use honeyguide::reproduce::MAX_SEEDS;

use super::OnCluster;
use super::numbers::whole;

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  honeyguide reproduce beth/\n  honeyguide simulate --out simulated && honeyguide reproduce simulated"
)]
pub struct Reproduce {
    /// The folder with labelled_training_data.csv, labelled_validation_data.csv and labelled_testing_data.csv: a path
    /// or a URL
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Number of forests over which the results are averaged, one per seed
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = whole(1, MAX_SEEDS), allow_negative_numbers = true)]
    pub seeds: u64,
    #[command(flatten)]
    pub on_cluster: OnCluster,
}
