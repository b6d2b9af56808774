//! `honeyguide import`.

use honeyguide::output::PendingFile;
use honeyguide::{ForestExport, import};

use super::train::Trained;
use crate::args::Import;
use crate::context::Context;
use crate::failure::Failure;

pub async fn run(context: &Context, args: Import) -> Result<(), Failure> {
    let export = ForestExport::load_with(&args.forest, &context.storage()?)?;
    context.note_read(&args.forest, "forest");
    let recipe = context.recipe(&args.recipe)?;
    let mut source = match args.data.is_empty() {
        true => None,
        false => Some(context.open(&args.data)?),
    };
    let out = context.destination(&args.out)?;
    if let Some(input) = &source {
        input.refuse_as_output(&out)?;
    }
    // This finds an output that cannot be written before the work begins.
    drop(PendingFile::create(&out)?);
    let engine = &context.engine;
    let model = import(engine, &export, &recipe, source.as_mut(), args.threshold).await?;
    if let Some(source) = &source {
        context.remark_counts(source);
    }
    model.save(&out)?;
    context.show(&Trained::new(&model, out.path().to_owned()))
}
