//! `honeyguide score`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use honeyguide::incident::{Incident, IncidentOptions, incidents};
use honeyguide::log::Log;
use honeyguide::score::{
    Anomaly, Listing, ScoreOptions, ScoreSummary, most_anomalous, score_to_file,
};
use honeyguide::{Model, Source, Threshold};
use serde::Serialize;

use super::explain::explaining;
use crate::args::Score;
use crate::context::{Context, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::{
    count, heading, of_them, print_anomalies, print_anomalous, print_incident_lines, printable,
};

#[derive(Serialize)]
struct Scored {
    #[serde(flatten)]
    summary: ScoreSummary,
    /// The threshold above which an event is anomalous.
    threshold: Threshold,
    /// The file that was written, with every event or the anomalous ones; present with `--out`.
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<PathBuf>,
    /// The most anomalous events, highest score first; present without `--out`.
    #[serde(skip_serializing_if = "Option::is_none")]
    most_anomalous: Option<Vec<Anomaly>>,
    /// The incidents with the highest scores, highest first; present without `--out` and `--skip-incidents`.
    #[serde(skip_serializing_if = "Option::is_none")]
    strongest_incidents: Option<Vec<Incident>>,
    /// Whether times count from 1970-01-01 UTC; `None` if the data has no times, or no incidents are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    times_are_dates: Option<bool>,
    #[serde(skip)]
    log: Log,
    /// The commands that show an incident and an event in full.
    #[serde(skip)]
    next: Vec<String>,
}

pub async fn run(context: &Context, args: Score) -> Result<(), Failure> {
    let model = context.model(&args.model)?;
    let mut source = context.open(&args.data)?;
    let scored = match &args.out {
        Some(out) => to_file(context, &args, &model, &mut source, out).await?,
        None => listed(context, &args, &model, &mut source).await?,
    };
    context.remark_counts(&source);
    context.show(&scored)
}

/// Writes the scored events to a file.
async fn to_file(
    context: &Context,
    args: &Score,
    model: &Model,
    source: &mut Source,
    out: &Path,
) -> Result<Scored, Failure> {
    let to = context.destination(out)?;
    let options = ScoreOptions {
        only_anomalous: args.anomalous,
        explain: args.explain,
        incidents: !args.skip_incidents,
        incident_by: args.incident_by.incident_by.clone(),
    };
    let summary = score_to_file(&context.engine, model, source, &to, options).await?;
    Ok(Scored {
        out: Some(to.path().to_owned()),
        ..Scored::new(summary, model, source)
    })
}

/// Finds the strongest incidents and the most anomalous events.
async fn listed(
    context: &Context,
    args: &Score,
    model: &Model,
    source: &mut Source,
) -> Result<Scored, Failure> {
    let engine = &context.engine;
    let options = IncidentOptions {
        limit: args.top,
        by: args.incident_by.incident_by.clone(),
    };
    let found = match args.skip_incidents {
        true => None,
        false => Some(incidents(engine, model, source, &options).await?),
    };
    let listing = Listing {
        rows: args.events.unwrap_or(args.top),
        only_anomalous: args.anomalous,
    };
    let events = most_anomalous(engine, model, source, listing).await?;
    let summary = ScoreSummary {
        incidents: found.as_ref().map(|found| found.found),
        ..events.summary
    };
    let times_are_dates = found.as_ref().and_then(|found| found.times_are_dates);
    let incidents = found.map(|found| found.incidents);
    let next = explaining(context, &args.model, &args.data, &args.incident_by);
    let first_incident = incidents.iter().flatten().next();
    let first_incident = first_incident.map(|incident| next.incident(&incident.id));
    let first_event = events.anomalies.first();
    let first_event = first_event.map(|event| next.row(event.row_in_data));
    Ok(Scored {
        strongest_incidents: incidents,
        most_anomalous: Some(events.anomalies),
        times_are_dates,
        next: first_incident.into_iter().chain(first_event).collect(),
        ..Scored::new(summary, model, source)
    })
}

impl Scored {
    fn new(summary: ScoreSummary, model: &Model, source: &Source) -> Self {
        Self {
            summary,
            threshold: model.threshold().clone(),
            out: None,
            most_anomalous: None,
            strongest_incidents: None,
            times_are_dates: None,
            log: source.log().clone(),
            next: Vec::new(),
        }
    }

    /// Prints the incidents, the events, and the commands that show one of either in full.
    fn print_lists(&self, out: &mut dyn Write) -> io::Result<()> {
        let events = self.most_anomalous.as_deref().unwrap_or_default();
        let incidents = self.strongest_incidents.as_deref().unwrap_or_default();
        if !incidents.is_empty() {
            writeln!(out, "{}", heading("Incidents"))?;
            print_incident_lines(incidents, self.times_are_dates.unwrap_or(false), out)?;
            writeln!(out)?;
        }
        if !events.is_empty() {
            if !incidents.is_empty() {
                writeln!(out, "{}", heading("Events"))?;
            }
            print_anomalies(events, &self.log, out)?;
        }
        if incidents.is_empty() && events.is_empty() {
            writeln!(out, "No event is above the threshold.\n")?;
        }
        if !self.next.is_empty() {
            writeln!(out, "\n{}", heading("To see one in full"))?;
        }
        for command in &self.next {
            writeln!(out, "  {}", printable(command))?;
        }
        Ok(())
    }
}

impl Outcome for Scored {
    const FORMAT: JsonFormat = json::SCORES;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.out.is_none() {
            self.print_lists(out)?;
            writeln!(out)?;
        }
        let ScoreSummary {
            events,
            anomalous,
            unseen_categories,
            incidents,
        } = self.summary;
        print_anomalous(anomalous, events, out)?;
        if let Some(found) = incidents {
            let shown = self.strongest_incidents.as_ref().map(Vec::len);
            let hidden = shown.map_or(0, |shown| found - shown as u64);
            let more = match hidden {
                0 => String::new(),
                hidden => format!("; {} with lower scores are not shown", count(hidden)),
            };
            writeln!(
                out,
                "{} found{more}",
                of_them(found, "incident", "incidents")
            )?;
        }
        writeln!(out, "threshold {}", self.threshold)?;
        if unseen_categories > 0 {
            writeln!(
                out,
                "{} categories in them were never seen in training.",
                count(unseen_categories)
            )?;
        }
        match &self.out {
            Some(path) => writeln!(out, "written to {}", printable(&path.display().to_string())),
            None => Ok(()),
        }
    }
}
