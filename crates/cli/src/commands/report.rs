//! `honeyguide report`.

use std::io::{self, Write};
use std::path::PathBuf;

use honeyguide::Model;
use honeyguide::evaluate::Evaluation;
use honeyguide::incident::Incident;
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
    /// The incidents.
    incidents: WrittenIncidents,
    /// The number of alerts; `None` where the data has no columns to group events by.
    alerts: Option<u64>,
    /// What one alert is.
    alert_definition: Option<String>,
}

/// The number of incidents in the answer.
const LISTED: usize = 10;

#[derive(Serialize)]
struct WrittenIncidents {
    /// The number of incidents.
    found: u64,
    /// Whether times count from 1970-01-01 UTC; `None` if the data has no times.
    times_are_dates: Option<bool>,
    /// The incidents with the highest scores, highest first.
    listed: Vec<LabelledIncident>,
    /// The number of incidents at each threshold at which it was counted, the highest threshold first.
    at_thresholds: Vec<AtThreshold>,
}

#[derive(Serialize)]
struct LabelledIncident {
    incident: Incident,
    /// The labels that are 1 for at least one of its events.
    labels: Vec<String>,
}

#[derive(Serialize)]
struct AtThreshold {
    threshold: f64,
    incidents: u64,
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
        .reading(context.global())
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
        let incidents = WrittenIncidents::new(&report);
        let (alerts, alert_definition) = report
            .alerts
            .map(|alerts| (alerts.count, alerts.definition))
            .unzip();
        Self {
            out,
            evaluation: report.evaluation,
            incidents,
            alerts,
            alert_definition,
        }
    }
}

impl WrittenIncidents {
    fn new(report: &Report) -> Self {
        let incidents = &report.incidents;
        let labels = &report.evaluation.labels;
        let listed = incidents.found.incidents.iter().zip(&incidents.held);
        let listed = listed.take(LISTED).map(|(incident, held)| {
            let labels = labels.iter().zip(held).filter(|(_, held)| **held);
            LabelledIncident {
                incident: incident.clone(),
                labels: labels.map(|(label, _)| label.label.clone()).collect(),
            }
        });
        let counts = incidents.counts.iter();
        let at_thresholds = counts.map(|(position, counts)| AtThreshold {
            threshold: report.steps.threshold(*position),
            incidents: counts.values().sum(),
        });
        Self {
            found: incidents.found.found,
            times_are_dates: incidents.found.times_are_dates,
            listed: listed.collect(),
            at_thresholds: at_thresholds.collect(),
        }
    }
}

impl Outcome for Written {
    const FORMAT: JsonFormat = json::REPORT;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let evaluation = &self.evaluation;
        print_anomalous(evaluation.anomalous, evaluation.events, out)?;
        writeln!(out, "incidents  {}", count(self.incidents.found))?;
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
