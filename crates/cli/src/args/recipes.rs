//! `honeyguide recipes`.

use clap::Args as ClapArgs;

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  honeyguide recipes\n  honeyguide recipes beth-paper > mine.toml"
)]
pub struct Recipes {
    /// The built-in recipe to print [default: list all built-in recipes]
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}
