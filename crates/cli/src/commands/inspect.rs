//! `honeyguide inspect`.

use std::io::{self, Write};

use honeyguide::inspect::{FeatureInspection, Inspection, features, inspect};

use crate::args::Inspect;
use crate::context::{Context, Features, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::{print_features, print_inspection};

pub async fn run(context: &Context, args: Inspect) -> Result<(), Failure> {
    let mut source = context.open(&args.data)?;
    let given = context.features(args.recipe.as_deref(), args.model.as_deref())?;
    let Some(given) = given else {
        let inspection = inspect(&context.engine, &mut source).await?;
        context.remark_counts(&source);
        return context.show(&inspection);
    };
    if let Features::Recipe(recipe) = &given {
        context.remark_recipe(recipe, &source);
    }
    let features = features(&context.engine, &mut source, given.source()).await?;
    context.remark_counts(&source);
    context.show(&features)
}

impl Outcome for Inspection {
    const FORMAT: JsonFormat = json::INSPECTION;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        print_inspection(self, out)
    }
}

impl Outcome for FeatureInspection {
    const FORMAT: JsonFormat = json::FEATURES;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        print_features(self, out)
    }
}
