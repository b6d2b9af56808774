//! `honeyguide recipes`.

use clap::Args as ClapArgs;

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  honeyguide recipes\n  honeyguide recipes beth-paper > mine.toml"
)]
pub struct Recipes {
    /// A built-in recipe to print
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}
