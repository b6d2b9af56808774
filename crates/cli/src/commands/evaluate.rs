//! `honeyguide evaluate`.

use std::io::{self, Write};

use honeyguide::evaluate::{Evaluation, evaluate};

use crate::args::Evaluate;
use crate::context::{Context, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::print_evaluation;

pub async fn run(context: &Context, args: Evaluate) -> Result<(), Failure> {
    let model = context.model(&args.model)?;
    let mut source = context.open(&args.data)?;
    let evaluation = evaluate(&context.engine, &model, &mut source, args.label.as_deref()).await?;
    context.remark_counts(&source);
    context.show(&evaluation)
}

impl Outcome for Evaluation {
    const FORMAT: JsonFormat = json::EVALUATION;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        print_evaluation(self, out)
    }
}
