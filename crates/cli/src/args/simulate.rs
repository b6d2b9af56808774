//! `honeyguide simulate`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use simulate::{DEFAULT_EVENTS, LEAST_EVENTS, LEAST_HOSTS, MOST_EVENTS, MOST_HOSTS, MOST_HOURS};

use super::numbers::{seed, whole};
use super::paths::output;

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  honeyguide simulate --out simulated --events 1000000 --seed 7\n  \
                  honeyguide simulate --out fleet --hours 24 --hosts 8 --dns"
)]
pub struct Simulate {
    /// The folder to write the files to: one for training, one for validation, one for testing
    #[arg(long, value_name = "DIR", value_parser = output())]
    pub out: PathBuf,
    /// Number of events in all three files together
    #[arg(long, value_name = "N", default_value_t = DEFAULT_EVENTS, value_parser = whole(LEAST_EVENTS, MOST_EVENTS), allow_negative_numbers = true)]
    pub events: u64,
    /// Hours that each host of a quiet fleet records, instead of a number of events; there is no file for validation, and
    /// three test hosts are broken into
    #[arg(long, value_name = "H", conflicts_with = "events", value_parser = whole(1, MOST_HOURS), allow_negative_numbers = true)]
    pub hours: Option<u64>,
    /// Number of hosts in each file of a fleet
    #[arg(long, value_name = "N", requires = "hours", default_value_t = 8, value_parser = whole(LEAST_HOSTS, MOST_HOSTS), allow_negative_numbers = true)]
    pub hosts: u64,
    /// Also write the lookups of names of the same hosts, to a file beside each file of kernel calls
    #[arg(long)]
    pub dns: bool,
    /// Seed of the simulation; the same seed gives the same bytes
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = seed, allow_negative_numbers = true)]
    pub seed: u64,
}
