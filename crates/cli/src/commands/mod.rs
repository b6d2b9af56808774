//! The commands: one module each, which takes the arguments and shows an outcome.

mod cluster;
mod command_line;
mod completions;
mod convert;
mod demo;
mod drift;
mod embed;
mod evaluate;
mod explain;
mod explore;
mod import;
mod incidents;
mod inspect;
mod man;
mod recipes;
pub mod record;
mod report;
mod reproduce;
mod sample;
mod score;
mod simulate;
mod sql;
mod train;
mod watch;

use honeyguide::Error;

use crate::args::Command;
use crate::context::Context;
use crate::failure::Failure;
use crate::sensing::Started;

/// Runs one command. `started` is what [`crate::sensing::start`] has started for it.
pub async fn dispatch(
    context: &Context,
    command: Command,
    started: Option<Started>,
) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => demo::run(context, args).await,
        Command::Record(args) => match started {
            Some(started) => record::run(context, args, started).await,
            None => Err(Error::internal("the sensor was not started").into()),
        },
        Command::Inspect(args) => inspect::run(context, args).await,
        Command::Train(args) => train::run(context, args).await,
        Command::Import(args) => import::run(context, args).await,
        Command::Score(args) => score::run(context, args).await,
        Command::Incidents(args) => incidents::run(context, args).await,
        Command::Watch(args) => watch::run(context, args, started).await,
        Command::Explain(args) => explain::run(context, args).await,
        Command::Evaluate(args) => evaluate::run(context, args).await,
        Command::Convert(args) => convert::run(context, args).await,
        Command::Sql(args) => sql::run(context, args).await,
        Command::Explore(args) => explore::run(context, args).await,
        Command::Report(args) => report::run(context, args).await,
        Command::Drift(args) => drift::run(context, args).await,
        Command::Sample(args) => sample::run(context, args).await,
        Command::Embed(args) => embed::run(context, args).await,
        Command::Reproduce(args) => reproduce::run(context, args).await,
        Command::Recipes(args) => recipes::run(context, args),
        Command::Simulate(args) => simulate::run(context, args).await,
        Command::Cluster(args) => cluster::run(context, args).await,
        Command::Completions(args) => completions::run(context, &args),
        Command::Man(args) => man::run(context, args),
    }
}
