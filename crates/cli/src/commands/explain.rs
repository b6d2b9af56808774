//! `honeyguide explain`.

use std::io::{self, Write};

use honeyguide::Error;
use honeyguide::score::{Explained, Selection, explain_event};

use crate::args::Explain;
use crate::context::{Context, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::print_explained;

pub async fn run(context: &Context, args: Explain) -> Result<(), Failure> {
    let model = context.model(&args.model)?;
    let mut source = context.open(&args.data)?;
    let selection = match (args.selection.row, args.selection.condition) {
        (Some(row), None) => Selection::Row(row),
        (None, Some(condition)) => Selection::Where(condition),
        _ => return Err(Error::usage("either --row or --where is needed, not both").into()),
    };
    let explained = explain_event(&context.engine, &model, &mut source, &selection).await?;
    context.remark_counts(&source);
    context.show(&explained)
}

impl Outcome for Explained {
    const FORMAT: JsonFormat = json::EXPLANATION;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        print_explained(self, out)
    }
}
