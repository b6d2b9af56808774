//! `honeyguide report`.

use std::io::{self, Write};
use std::path::PathBuf;

use honeyguide::Model;
use honeyguide::evaluate::Evaluation;
use honeyguide::output::PendingFile;
use honeyguide::report::{Report, report};
use pages::{Origin, Page};
use serde::Serialize;

use super::command_line::CommandLine;
use crate::args;
use crate::context::{Context, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::{count, print_anomalous, printable};

#[derive(Serialize)]
struct Written {
    /// The page that was written.
    out: PathBuf,
    /// The model's results on the data.
    evaluation: Evaluation,
    /// The number of alerts; `None` where the data has no columns to group events by.
    alerts: Option<u64>,
    /// What one alert is.
    alert_definition: Option<String>,
}

pub async fn run(context: &Context, args: args::Report) -> Result<(), Failure> {
    let model = context.model(&args.model)?;
    let report = write(context, &model, &args).await?;
    let out = context.destination(&args.out)?.path().to_owned();
    context.show(&Written::new(out, report))
}

/// Judges the events and writes the page. `model` is the model that the arguments name.
pub async fn write(
    context: &Context,
    model: &Model,
    args: &args::Report,
) -> Result<Report, Failure> {
    let mut source = context.open(&args.data)?;
    let out = context.destination(&args.out)?;
    source.refuse_as_output(&out)?;
    Page::check_name(&out)?;
    // This finds an output that cannot be written before the work begins.
    drop(PendingFile::create(&out)?);
    let label = args.label.as_deref();
    let command = CommandLine::new("report")
        .path(&args.model)
        .data(&args.data)
        .option("--label", label)
        .option("--host-column", context.global().host_column.as_deref())
        .option("--time-column", context.global().time_column.as_deref())
        .option("--out", args.out.to_str())
        .finish();
    let report = report(&context.engine, model, &mut source, label).await?;
    let origin = Origin {
        command: &command,
        model,
        model_file: &args.model,
        source: &source,
    };
    pages::report(&report, origin)?.save(&out)?;
    context.remark_counts(&source);
    Ok(report)
}

impl Written {
    fn new(out: PathBuf, report: Report) -> Self {
        let (alerts, alert_definition) = report
            .alerts
            .map(|alerts| (alerts.count, alerts.definition))
            .unzip();
        Self {
            out,
            evaluation: report.evaluation,
            alerts,
            alert_definition,
        }
    }
}

impl Outcome for Written {
    const FORMAT: JsonFormat = json::REPORT;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let evaluation = &self.evaluation;
        print_anomalous(evaluation.anomalous, evaluation.events, out)?;
        if let Some(alerts) = self.alerts {
            writeln!(out, "alerts     {}", count(alerts))?;
        }
        writeln!(
            out,
            "written to {}",
            printable(&self.out.display().to_string())
        )
    }
}
