//! `honeyguide demo`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::numbers::seed;
use super::paths::output;

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  honeyguide demo --out /tmp/demo")]
pub struct Demo {
    /// Folder for the simulated data, the model and two HTML pages
    #[arg(long, value_name = "DIR", default_value = "honeyguide-demo", value_parser = output())]
    pub out: PathBuf,
    /// Seed of the simulation and of the forest
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = seed, allow_negative_numbers = true)]
    pub seed: u64,
}
