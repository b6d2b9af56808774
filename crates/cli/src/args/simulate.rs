//! `honeyguide simulate`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use simulate::{DEFAULT_EVENTS, LEAST_EVENTS, MOST_EVENTS};

use super::numbers::{seed, whole};
use super::paths::output;

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  honeyguide simulate --out simulated --events 1000000 --seed 7")]
pub struct Simulate {
    /// The folder to write the three files to
    #[arg(long, value_name = "DIR", value_parser = output())]
    pub out: PathBuf,
    /// Number of events in all three files together
    #[arg(long, value_name = "N", default_value_t = DEFAULT_EVENTS, value_parser = whole(LEAST_EVENTS, MOST_EVENTS), allow_negative_numbers = true)]
    pub events: u64,
    /// Seed of the simulation; the same seed gives the same bytes
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = seed, allow_negative_numbers = true)]
    pub seed: u64,
}
