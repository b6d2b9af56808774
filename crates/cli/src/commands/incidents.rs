//! `honeyguide incidents`.

use std::io::{self, Write};
use std::path::PathBuf;

use honeyguide::incident::{self, IncidentOptions, MAX_LISTED, incidents};
use honeyguide_watch::{Store, Stored, Waiting};
use serde::Serialize;

use super::explain::explaining;
use crate::args::Incidents;
use crate::context::{Context, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::{
    count, heading, of_them, print_anomalous, print_incidents, print_stored, printable,
};

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
    if let Some(store) = &args.store {
        let stored = Store::read(store, args.top.unwrap_or(SHOWN))?;
        if stored.incidents.iter().any(|row| row.simulated) {
            context.mark_simulated();
        }
        return context.show(&Listed(stored));
    }
    // Without a store there is a model.
    let place = args.model.unwrap_or_default();
    let model = context.model(&place)?;
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
    let next = explaining(context, &place, &args.data, &args.incident_by);
    let first = found.incidents.first();
    let next = first.map(|incident| next.incident(&incident.id));
    context.show(&Found { found, out, next })
}

#[derive(Serialize)]
struct Listed(Stored);

impl Outcome for Listed {
    const FORMAT: JsonFormat = json::STORED_INCIDENTS;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let stored = &self.0;
        for (number, row) in (1..).zip(&stored.incidents) {
            print_stored(number, row, out)?;
        }
        let shown = stored.incidents.len() as u64;
        let incidents = of_them(stored.found, "incident", "incidents");
        match stored.found - shown {
            0 => writeln!(out, "{incidents} stored.")?,
            more => writeln!(
                out,
                "{incidents} stored; {} with lower scores are not shown.",
                count(more)
            )?,
        }
        if stored.removed > 0 {
            let removed = of_them(stored.removed, "older incident was", "older incidents were");
            writeln!(out, "{removed} removed.")?;
        }
        let ledger = &stored.ledger;
        writeln!(
            out,
            "{} received, of which {} were scored.",
            of_them(ledger.received, "record", "records"),
            count(ledger.scored)
        )?;
        for receiver in &stored.receivers {
            if let Some(line) = waiting(receiver) {
                writeln!(out, "{}", printable(&line))?;
            }
        }
        for gap in &stored.gaps {
            let gap = format!(
                "gap: {} to {}: {}: {}",
                gap.start, gap.end, gap.input, gap.cause
            );
            writeln!(out, "{}", printable(&gap))?;
        }
        Ok(())
    }
}

/// Returns what waits for a receiver of alerts, and what it does not get, in words; `None` if it has every alert.
fn waiting(receiver: &Waiting) -> Option<String> {
    let mut parts = Vec::new();
    if receiver.alerts > 0 {
        let alerts = of_them(receiver.alerts, "alert waits", "alerts wait");
        let oldest = receiver.oldest.as_deref().unwrap_or_default();
        parts.push(format!("{alerts}, the oldest since {oldest}"));
    }
    if let (Some(since), Some(failure)) = (&receiver.failing_since, &receiver.failure) {
        parts.push(format!("nothing was taken since {since}: {failure}"));
    }
    if receiver.lost > 0 {
        parts.push(of_them(receiver.lost, "alert was lost", "alerts were lost"));
    }
    (!parts.is_empty()).then(|| format!("{}: {}", receiver.receiver, parts.join("; ")))
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
