//! `honeyguide incidents`.

use std::io::{self, Write};

use honeyguide::incident::{self, IncidentOptions, incidents};
use serde::Serialize;

use crate::args::Incidents;
use crate::context::{Context, Outcome};
use crate::failure::Failure;
use crate::render::{print_anomalous, print_incidents};

#[derive(Serialize)]
struct Found(incident::Incidents);

pub async fn run(context: &Context, args: Incidents) -> Result<(), Failure> {
    let model = context.model(&args.model)?;
    let mut source = context.open(&args.data)?;
    let options = IncidentOptions {
        limit: args.top,
        by: args.incident_by,
    };
    let found = incidents(&context.engine, &model, &mut source, &options).await?;
    context.remark_counts(&source);
    context.show(&Found(found))
}

impl Outcome for Found {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        print_incidents(&self.0, out)?;
        print_anomalous(self.0.anomalous, self.0.events, out)
    }
}
