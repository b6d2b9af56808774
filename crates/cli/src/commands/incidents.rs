//! `honeyguide incidents`.

use std::io::{self, Write};
use std::path::PathBuf;

use honeyguide::incident::{self, IncidentOptions, MAX_LISTED, incidents};
use serde::Serialize;

use crate::args::Incidents;
use crate::context::{Context, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::{print_anomalous, print_incidents, printable};

/// The number of incidents that are shown by default.
const SHOWN: usize = 10;

#[derive(Serialize)]
struct Found {
    #[serde(flatten)]
    found: incident::Incidents,
    /// The file that the incidents were written to; present with `--out`.
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<PathBuf>,
}

pub async fn run(context: &Context, args: Incidents) -> Result<(), Failure> {
    let model = context.model(&args.model)?;
    let mut source = context.open(&args.data)?;
    let to = args.out.map(|out| context.destination(&out)).transpose()?;
    let default = if to.is_some() { MAX_LISTED } else { SHOWN };
    let options = IncidentOptions {
        limit: args.top.unwrap_or(default),
        by: args.incident_by,
    };
    let mut found = incidents(&context.engine, &model, &mut source, &options).await?;
    context.remark_counts(&source);
    if let Some(to) = &to {
        found.write_table(to)?;
        found.incidents.truncate(SHOWN);
    }
    let out = to.map(|to| to.path().to_owned());
    context.show(&Found { found, out })
}

impl Outcome for Found {
    const FORMAT: JsonFormat = json::INCIDENTS;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        print_incidents(&self.found, out)?;
        print_anomalous(self.found.anomalous, self.found.events, out)?;
        match &self.out {
            Some(path) => writeln!(out, "written to {}", printable(&path.display().to_string())),
            None => Ok(()),
        }
    }
}
