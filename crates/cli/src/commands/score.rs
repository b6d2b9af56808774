//! `honeyguide score`.

use std::io::{self, Write};
use std::path::PathBuf;

use honeyguide::Threshold;
use honeyguide::log::Log;
use honeyguide::score::{
    Anomaly, Listing, ScoreOptions, ScoreSummary, most_anomalous, score_to_file,
};
use serde::Serialize;

use crate::args::Score;
use crate::context::{Context, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::{count, print_anomalies, print_anomalous, printable};

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
    #[serde(skip)]
    log: Log,
}

pub async fn run(context: &Context, args: Score) -> Result<(), Failure> {
    let model = context.model(&args.model)?;
    let mut source = context.open(&args.data)?;
    let threshold = model.threshold().clone();
    let engine = &context.engine;
    let options = ScoreOptions {
        only_anomalous: args.anomalous,
        explain: args.explain,
    };
    let scored = if let Some(out) = args.out {
        let to = context.destination(&out)?;
        let summary = score_to_file(engine, &model, &mut source, &to, options).await?;
        Scored {
            summary,
            threshold,
            out: Some(to.path().to_owned()),
            most_anomalous: None,
            log: source.log().clone(),
        }
    } else {
        let listing = Listing {
            rows: args.top,
            only_anomalous: args.anomalous,
        };
        let found = most_anomalous(engine, &model, &mut source, listing).await?;
        Scored {
            summary: found.summary,
            threshold,
            out: None,
            most_anomalous: Some(found.anomalies),
            log: source.log().clone(),
        }
    };
    context.remark_counts(&source);
    context.show(&scored)
}

impl Outcome for Scored {
    const FORMAT: JsonFormat = json::SCORES;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(anomalies) = &self.most_anomalous {
            if anomalies.is_empty() {
                writeln!(out, "No event is above the threshold.\n")?;
            } else {
                print_anomalies(anomalies, &self.log, out)?;
            }
        }
        let ScoreSummary {
            events,
            anomalous,
            unseen_categories,
        } = self.summary;
        print_anomalous(anomalous, events, out)?;
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
