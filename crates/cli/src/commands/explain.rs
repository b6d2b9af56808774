//! `honeyguide explain`.

use std::io::{self, Write};
use std::path::Path;

use honeyguide::Error;
use honeyguide::incident::{Incident, find_incident};
use honeyguide::score::{Explained, Selection, explain_event};
use serde::Serialize;

use super::command_line::CommandLine;
use crate::args::{Explain, IncidentBy};
use crate::context::{Context, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::{print_explained, print_whole_incident};

/// The greatest number of files that a suggested command names.
const MAX_NAMED: usize = 4;

/// An incident in full.
#[derive(Serialize)]
struct ExplainedIncident {
    /// Whether times count from 1970-01-01 UTC; `None` if the data has no times.
    times_are_dates: Option<bool>,
    incident: Incident,
}

pub async fn run(context: &Context, args: Explain) -> Result<(), Failure> {
    let model = context.model(&args.model)?;
    let mut source = context.open(&args.data)?;
    let engine = &context.engine;
    let by = &args.incident_by.incident_by;
    let args = args.selection;
    let selection = match (args.row, args.condition, args.incident) {
        (Some(row), None, None) => Selection::Row(row),
        (None, Some(condition), None) => Selection::Where(condition),
        (None, None, Some(id)) => {
            let mut found = find_incident(engine, &model, &mut source, &id, by).await?;
            context.remark_counts(&source);
            return match found.incidents.pop() {
                Some(incident) => context.show(&ExplainedIncident {
                    times_are_dates: found.times_are_dates,
                    incident,
                }),
                None => Err(Error::internal("an incident was found and is not there").into()),
            };
        }
        _ => return Err(Error::usage("one of --row, --incident and --where is needed").into()),
    };
    let explained = explain_event(engine, &model, &mut source, &selection).await?;
    context.remark_counts(&source);
    context.show(&explained)
}

/// The command that explains an event or an incident of some data, up to its selection.
pub struct Explaining(CommandLine, IncidentBy);

/// Returns the command that explains events and incidents of `data`.
pub fn explaining(context: &Context, model: &Path, data: &[String], by: &IncidentBy) -> Explaining {
    let line = CommandLine::new("explain").path(model);
    let line = match data.len() {
        0..=MAX_NAMED => line.data(data),
        _ => line.data(&data[..1]).ellipsis(),
    };
    Explaining(line.reading(context.global()), by.clone())
}

impl Explaining {
    /// Returns the command that explains the event in this row of the data.
    pub fn row(&self, row: u64) -> String {
        let row = row.to_string();
        self.0.clone().option("--row", Some(&row)).finish()
    }

    /// Returns the command that shows the incident with this id.
    pub fn incident(&self, id: &str) -> String {
        let line = self.0.clone().options("--incident-by", &self.1.incident_by);
        line.option("--incident", Some(id)).finish()
    }
}

impl Outcome for Explained {
    const FORMAT: JsonFormat = json::EXPLANATION;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        print_explained(self, out)
    }
}

impl Outcome for ExplainedIncident {
    const FORMAT: JsonFormat = json::INCIDENT;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let times_are_dates = self.times_are_dates.unwrap_or(false);
        print_whole_incident(&self.incident, times_are_dates, out)
    }
}
