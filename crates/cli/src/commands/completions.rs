//! `honeyguide completions`.

use clap::CommandFactory;

use crate::args::{Args, Completions};
use crate::context::Context;
use crate::failure::Failure;

pub fn run(context: &Context, args: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    let mut command = Args::command();
    clap_complete::generate(args.shell, &mut command, "honeyguide", &mut script);
    context.write(|out| out.write_all(&script))
}
