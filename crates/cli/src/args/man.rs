//! `honeyguide man`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::paths::output;

const EXAMPLES: &str = "Examples:
  honeyguide man train | man -l -
  honeyguide man --out ~/.local/share/man/man1";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Man {
    /// The command to print the page of [default: print the page of honeyguide itself]
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    pub command: Option<String>,
    /// Write the pages of honeyguide and of all commands to this folder
    #[arg(long, value_name = "DIR", value_parser = output())]
    pub out: Option<PathBuf>,
}
