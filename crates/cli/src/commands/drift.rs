//! `honeyguide drift`.

use std::io::{self, Write};

use honeyguide::drift::{Drift, drift};

use crate::args::Drift as Args;
use crate::context::{Context, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::print_drift;

pub async fn run(context: &Context, args: Args) -> Result<(), Failure> {
    let model = context.model(&args.model)?;
    let mut source = context.open(&args.data)?;
    let drift = drift(&context.engine, &model, &mut source).await?;
    context.remark_counts(&source);
    context.show(&drift)
}

impl Outcome for Drift {
    const FORMAT: JsonFormat = json::DRIFT;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        print_drift(self, out)
    }
}
