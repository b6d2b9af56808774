//! `honeyguide embed`.

use std::io::{self, Write};
use std::path::PathBuf;

use honeyguide::embed::UmapParams;
use honeyguide::embed::{Embedding, embed};
use honeyguide::output::PendingFile;
use serde::Serialize;

use crate::args::Embed;
use crate::context::{Context, Features, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::{count, of_them, printable, recipe_of};

/// The outcome of an embedding; the coordinates are in the file.
#[derive(Serialize)]
struct Embedded {
    /// The recipe's name.
    recipe: String,
    /// Whether the features are those of a model.
    of_model: bool,
    /// The names of the features.
    features: Vec<String>,
    /// The number of events in the data.
    events: u64,
    /// The number of distinct feature rows in the data; an estimate if `is_sample` is set.
    distinct_rows: u64,
    /// The number of rows in the file.
    rows_placed: u64,
    /// Whether the rows in the file are a uniform sample of the distinct feature rows.
    is_sample: bool,
    /// The number of rows that the map was fitted on.
    rows_fitted: u64,
    /// Whether the map was fitted on a uniform sample of rows.
    fitted_on_sample: bool,
    /// The file that was written.
    out: PathBuf,
}

pub async fn run(context: &Context, args: Embed) -> Result<(), Failure> {
    let mut source = context.open(&args.data)?;
    let given = context.features(args.recipe.as_deref(), args.model.as_deref())?;
    let features = match given {
        Some(features) => features,
        None => Features::Recipe(context.recipe_or_default(None, &source)?),
    };
    let out = context.destination(&args.out)?;
    out.format()?;
    let mut fit_on = match args.fit_on.is_empty() {
        true => None,
        false => Some(context.open(&args.fit_on)?),
    };
    for input in std::iter::once(&source).chain(&fit_on) {
        input.refuse_as_output(&out)?;
    }
    // This finds an output that cannot be written before the work begins.
    drop(PendingFile::create(&out)?);
    let params = UmapParams::new()
        .n_neighbors(args.neighbors)
        .min_dist(args.min_dist)
        .n_components(args.components)
        .metric(args.metric.into())
        .n_epochs(args.epochs);
    let engine = &context.engine;
    let embedding = embed(
        engine,
        &mut source,
        fit_on.as_mut(),
        features.source(),
        &params,
        args.seed,
    )
    .await?;
    embedding.write(&out)?;
    context.remark_counts(&source);
    let of_model = features.source().model().is_some();
    let out = out.path().to_owned();
    context.show(&Embedded::new(embedding, of_model, out))
}

impl Embedded {
    fn new(embedding: Embedding, of_model: bool, out: PathBuf) -> Self {
        Self {
            of_model,
            rows_placed: embedding.counts.len() as u64,
            recipe: embedding.recipe,
            features: embedding.features,
            events: embedding.events,
            distinct_rows: embedding.distinct_rows,
            is_sample: embedding.placed_sample,
            rows_fitted: embedding.fitted_rows,
            fitted_on_sample: embedding.fitted_sample,
            out,
        }
    }
}

impl Outcome for Embedded {
    const FORMAT: JsonFormat = json::EMBEDDING;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let features = self.features.join(", ");
        writeln!(
            out,
            "{} {}: {}",
            recipe_of(self.of_model),
            printable(&self.recipe),
            printable(&features)
        )?;
        let about = if self.is_sample { "about " } else { "" };
        writeln!(
            out,
            "{}, {about}{}",
            of_them(self.events, "event", "events"),
            of_them(
                self.distinct_rows,
                "distinct feature row",
                "distinct feature rows"
            )
        )?;
        if self.is_sample {
            writeln!(
                out,
                "placed a uniform sample of {} of them",
                count(self.rows_placed)
            )?;
        }
        let of_more = if self.fitted_on_sample {
            ", a uniform sample of more"
        } else {
            ""
        };
        writeln!(
            out,
            "map fitted on {}{of_more}",
            of_them(self.rows_fitted, "row", "rows")
        )?;
        writeln!(
            out,
            "written to {}",
            printable(&self.out.display().to_string())
        )
    }
}
