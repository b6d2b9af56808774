//! `honeyguide explore`.

use std::io::{self, Write};
use std::path::PathBuf;

use honeyguide::output::PendingFile;
use honeyguide::report::{Exploration, explore};
use pages::Page;
use serde::Serialize;

use super::command_line::CommandLine;
use crate::args;
use crate::context::{Context, Features, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::{of_them, printable};

#[derive(Serialize)]
struct Written {
    /// The page that was written.
    out: PathBuf,
    /// The number of events.
    rows: u64,
    /// The number of columns.
    columns: usize,
    /// The features, where a recipe or model was given.
    features: Option<WrittenFeatures>,
}

#[derive(Serialize)]
struct WrittenFeatures {
    /// The recipe's name.
    recipe: String,
    /// Whether the features are those of a model.
    of_model: bool,
    /// The number of distinct rows of the recipe's inputs.
    distinct_rows: u64,
}

pub async fn run(context: &Context, args: args::Explore) -> Result<(), Failure> {
    let exploration = write(context, &args).await?;
    let out = context.destination(&args.out)?.path().to_owned();
    context.show(&Written::new(out, exploration))
}

/// Explores the events and writes the page.
pub async fn write(context: &Context, args: &args::Explore) -> Result<Exploration, Failure> {
    let mut source = context.open(&args.data)?;
    let features = context.features(args.recipe.as_deref(), args.model.as_deref())?;
    if let Some(Features::Recipe(recipe)) = &features {
        context.remark_recipe(recipe, &source);
    }
    let out = context.destination(&args.out)?;
    source.refuse_as_output(&out)?;
    Page::check_name(&out)?;
    // This finds an output that cannot be written before the work begins.
    drop(PendingFile::create(&out)?);
    let feature_source = features.as_ref().map(Features::source);
    let command = CommandLine::new("explore")
        .data(&args.data)
        .option("--recipe", args.recipe.as_deref())
        .option(
            "--model",
            args.model.as_ref().and_then(|path| path.to_str()),
        )
        .options("--label", &args.label)
        .reading(context.global())
        .option("--out", args.out.to_str())
        .finish();
    let exploration = explore(&context.engine, &mut source, feature_source, &args.label).await?;
    pages::explore(&exploration, &source, &command)?.save(&out)?;
    context.remark_counts(&source);
    Ok(exploration)
}

impl Written {
    fn new(out: PathBuf, exploration: Exploration) -> Self {
        let features = exploration.features.map(|features| WrittenFeatures {
            recipe: features.inspection.recipe,
            of_model: features.inspection.of_model,
            distinct_rows: features.inspection.distinct_rows,
        });
        Self {
            out,
            rows: exploration.inspection.rows,
            columns: exploration.inspection.columns.len(),
            features,
        }
    }
}

impl Outcome for Written {
    const FORMAT: JsonFormat = json::EXPLORATION;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let events = of_them(self.rows, "event", "events");
        let columns = of_them(self.columns as u64, "column", "columns");
        writeln!(out, "{events}, {columns}")?;
        if let Some(features) = &self.features {
            writeln!(
                out,
                "recipe     {}: {}",
                printable(&features.recipe),
                of_them(
                    features.distinct_rows,
                    "distinct row of inputs",
                    "distinct rows of inputs"
                )
            )?;
        }
        writeln!(
            out,
            "written to {}",
            printable(&self.out.display().to_string())
        )
    }
}
