//! `honeyguide incidents`.

use std::io::{self, Write};
use std::path::PathBuf;

use honeyguide::incident::{self, IncidentOptions, MAX_LISTED, incidents};
use serde::Serialize;

use super::explain::explaining;
use crate::args::Incidents;
use crate::context::{Context, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::{heading, print_anomalous, print_incidents, printable};

/// The number of incidents that are shown by default.
const SHOWN: usize = 10;

#[derive(Serialize)]
struct Found {
    #[serde(flatten)]
    found: incident::Incidents,
    /// The file that the incidents were written to; present with `--out`.
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<PathBuf>,
    /// The command that shows the first incident in full.
    #[serde(skip)]
    next: Option<String>,
}

pub async fn run(context: &Context, args: Incidents) -> Result<(), Failure> {
    let model = context.model(&args.model)?;
    let mut source = context.open(&args.data)?;
    let to = args.out.map(|out| context.destination(&out)).transpose()?;
    let default = if to.is_some() { MAX_LISTED } else { SHOWN };
    let options = IncidentOptions {
        limit: args.top.unwrap_or(default),
        by: args.incident_by.incident_by.clone(),
    };
    let mut found = incidents(&context.engine, &model, &mut source, &options).await?;
    context.remark_counts(&source);
    if let Some(to) = &to {
        found.write_table(to)?;
        found.incidents.truncate(SHOWN);
    }
    let out = to.map(|to| to.path().to_owned());
    let next = explaining(context, &args.model, &args.data, &args.incident_by);
    let first = found.incidents.first();
    let next = first.map(|incident| next.incident(&incident.id));
    context.show(&Found { found, out, next })
}

impl Outcome for Found {
    const FORMAT: JsonFormat = json::INCIDENTS;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        print_incidents(&self.found, out)?;
        print_anomalous(self.found.anomalous, self.found.events, out)?;
        if let Some(next) = &self.next {
            let title = heading("To see one in full");
            writeln!(out, "\n{title}\n  {}\n", printable(next))?;
        }
        match &self.out {
            Some(path) => writeln!(out, "written to {}", printable(&path.display().to_string())),
            None => Ok(()),
        }
    }
}
