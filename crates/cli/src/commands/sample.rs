//! `honeyguide sample`.

use std::io::{self, Write};
use std::path::PathBuf;

use honeyguide::sample::{Balance, ClassSample, SampleOptions, SampleSummary, sample};
use serde::Serialize;

use crate::args::Sample;
use crate::context::{Context, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::{count, of_them, printable};

#[derive(Serialize)]
struct Sampled {
    #[serde(flatten)]
    summary: SampleSummary,
    /// The file that was written.
    out: PathBuf,
}

pub async fn run(context: &Context, args: Sample) -> Result<(), Failure> {
    let mut source = context.open(&args.data)?;
    let fraction = args.fraction;
    let options = SampleOptions {
        rows: args.rows,
        balance: args.label.map(|label| Balance { label, fraction }),
        seed: args.seed,
    };
    let to = context.destination(&args.out)?;
    let summary = sample(&context.engine, &mut source, &options, &to).await?;
    context.remark_counts(&source);
    context.show(&Sampled {
        summary,
        out: to.path().to_owned(),
    })
}

impl Outcome for Sampled {
    const FORMAT: JsonFormat = json::SAMPLE;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let SampleSummary {
            rows_read,
            rows_wanted,
            rows_drawn,
            classes,
        } = &self.summary;
        writeln!(
            out,
            "{} of {}, written to {}",
            count(*rows_drawn),
            of_them(*rows_read, "row", "rows"),
            printable(&self.out.display().to_string())
        )?;
        let Some(classes) = classes else {
            return match rows_drawn < rows_wanted {
                true => writeln!(
                    out,
                    "{} were asked for: these are all there are",
                    count(*rows_wanted)
                ),
                false => Ok(()),
            };
        };
        let label = printable(&classes.label);
        for (value, class) in [(1, classes.ones), (0, classes.zeros)] {
            let ClassSample {
                there_are,
                wanted,
                drawn,
            } = class;
            let short = match drawn < wanted {
                true => format!(
                    "; {} were asked for: these are all there are",
                    count(wanted)
                ),
                false => String::new(),
            };
            let (drawn, rows) = (count(drawn), of_them(there_are, "row", "rows"));
            writeln!(out, "{label} = {value}: {drawn} of {rows}{short}")?;
        }
        Ok(())
    }
}
