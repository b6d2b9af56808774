//! `honeyguide convert`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use honeyguide::convert::{ConvertOptions, Converted, convert};
use honeyguide::{
    Contamination, Error, ErrorKind, Recipe, Source, ThresholdPolicy, TrainOptions, builtin, train,
};
use serde::Serialize;

use crate::args::Convert;
use crate::context::{Context, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::{count, of_them, percent_of, printable};

/// The recipes to train with after the log's own; the first that fits the data is used.
const OTHER_RECIPES: [&str; 2] = ["beth-paper", "raw"];

/// The outcome of a conversion, with the time that it saves in training.
#[derive(Serialize)]
struct Report {
    /// The file or the folder that was written.
    out: PathBuf,
    #[serde(flatten)]
    converted: Converted,
    /// The times of training before and after the conversion; `None` if they were not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    training: Option<Training>,
}

/// The times to train a forest of one tree before and after the conversion. Nearly all of each is the scan.
#[derive(Serialize)]
struct Training {
    /// The name of the recipe.
    recipe: String,
    /// The time with the original data.
    seconds_before: f64,
    /// The time with the converted data.
    seconds_after: f64,
}

pub async fn run(context: &Context, args: Convert) -> Result<(), Failure> {
    let mut source = context.open(&args.data)?;
    let options = ConvertOptions {
        partition_by: args.partition_by,
        parse_lists: args.parse_lists,
    };
    let to = context.destination(&args.out)?;
    let converted = convert(&context.engine, &mut source, &to, &options).await?;
    context.remark_counts(&source);
    let training = if args.skip_timing || converted.events == 0 {
        None
    } else {
        time_training(context, &mut source, &args.out).await?
    };
    let out = to.path().to_owned();
    context.show(&Report {
        out,
        converted,
        training,
    })
}

/// Times training on the original and on the result, with the first recipe that fits; `None` if none does.
///
/// # Errors
/// Fails when the two models were not trained on the same events.
async fn time_training(
    context: &Context,
    before: &mut Source,
    out: &std::path::Path,
) -> Result<Option<Training>, Failure> {
    let mut after = context.open(&[out.display().to_string()])?;
    let names = [before.log().default_recipe()]
        .into_iter()
        .chain(OTHER_RECIPES);
    for recipe in names.filter_map(builtin) {
        let (fingerprint, seconds_before) = match train_once(context, before, &recipe).await {
            Err(error) if error.kind() == ErrorKind::Usage => continue,
            Err(error) if error.kind() == ErrorKind::Data => {
                context.remark(&format!("note: no training was timed: {error}"));
                return Ok(None);
            }
            result => result?,
        };
        let (same, seconds_after) = match train_once(context, &mut after, &recipe).await {
            Err(error) if error.kind() == ErrorKind::Usage => continue,
            result => result?,
        };
        if same != fingerprint {
            let what = format!("{}: not the events that were converted", out.display());
            return Err(Error::internal(what).into());
        }
        return Ok(Some(Training {
            recipe: recipe.name,
            seconds_before,
            seconds_after,
        }));
    }
    Ok(None)
}

/// Trains a model, and returns the fingerprint of the training events and the time in seconds.
async fn train_once(
    context: &Context,
    source: &mut Source,
    recipe: &Recipe,
) -> Result<(String, f64), Error> {
    let options = TrainOptions {
        n_estimators: 1,
        threshold: ThresholdPolicy::Contamination(Contamination::Auto),
        ..TrainOptions::default()
    };
    let begun = Instant::now();
    let model = train(&context.engine, source, recipe, &options).await?;
    let seconds = begun.elapsed().as_secs_f64();
    Ok((model.training().fingerprint.clone(), seconds))
}

impl Outcome for Report {
    const FORMAT: JsonFormat = json::CONVERSION;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Converted {
            events,
            ref sorted_by,
            bytes_before,
            bytes_after,
            files,
            malformed_lists,
        } = self.converted;
        let path = self.out.display().to_string();
        writeln!(
            out,
            "{} in {}, written to {}",
            of_them(events, "event", "events"),
            of_them(files, "file", "files"),
            printable(&path)
        )?;
        if !sorted_by.is_empty() {
            writeln!(out, "sorted by {}", printable(&sorted_by.join(", ")))?;
        }
        writeln!(
            out,
            "{} bytes instead of {} ({})",
            count(bytes_after),
            count(bytes_before),
            percent_of(bytes_after, bytes_before)
        )?;
        if malformed_lists > 0 {
            writeln!(
                out,
                "{} texts could not be read as lists, and are null.",
                count(malformed_lists)
            )?;
        }
        match &self.training {
            Some(training) => training.print(out),
            None => Ok(()),
        }
    }
}

impl Training {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self {
            recipe,
            seconds_before,
            seconds_after,
        } = self;
        writeln!(
            out,
            "training one tree with the recipe {} took {seconds_after:.2} s instead of {seconds_before:.2} s: \
             {:.1} times as fast (each measured once, just now)",
            printable(recipe),
            seconds_before / seconds_after
        )
    }
}
