//! `honeyguide completions`.

use clap::Args as ClapArgs;
use clap_complete::Shell;

const EXAMPLES: &str = "Examples:
  honeyguide completions bash > ~/.local/share/bash-completion/completions/honeyguide
  honeyguide completions zsh > ~/.zfunc/_honeyguide
  honeyguide completions fish > ~/.config/fish/completions/honeyguide.fish";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}
