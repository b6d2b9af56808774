//! `honeyguide train`.

use std::io::{self, Write};
use std::path::PathBuf;

use honeyguide::output::PendingFile;
use honeyguide::{
    Contamination, FALSE_POSITIVE_RATE, HostRate, Imported, Model, Threshold, ThresholdMethod,
    ThresholdPolicy, TrainOptions, calibrate, train, why_not_held_out,
};
use serde::Serialize;

use crate::args::Train;
use crate::context::{Context, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::{TextTable, count, of_them, percent, printable};

/// The outcome of training.
#[derive(Serialize)]
pub struct Trained {
    /// The model file that was written.
    model: PathBuf,
    /// The recipe's name.
    recipe: String,
    /// The names of the features.
    features: Vec<String>,
    /// The number of training events.
    events: u64,
    /// The number of distinct rows of the recipe's inputs.
    distinct_rows: u64,
    /// The number of distinct rows that the forest was fitted to, if they are a sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    sampled_rows: Option<u64>,
    /// The number of trees.
    trees: usize,
    /// The threshold above which an event is anomalous, and how it was set.
    threshold: Threshold,
    /// The SHA-256 of the training events' distinct rows and their counts.
    fingerprint: String,
    /// Where the forest comes from, if it was imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    imported: Option<Imported>,
}

pub async fn run(context: &Context, args: Train) -> Result<(), Failure> {
    let mut source = context.open(&args.data)?;
    let recipe = context.recipe_or_default(args.recipe.as_deref(), &source)?;
    let calibration = if args.calibrate.is_empty() {
        None
    } else {
        Some(context.open(&args.calibrate)?)
    };
    let out = context.destination(&args.out)?;
    for input in std::iter::once(&source).chain(&calibration) {
        input.refuse_as_output(&out)?;
    }
    // This finds an output that cannot be written before the work begins.
    drop(PendingFile::create(&out)?);
    let rate = args.false_positive_rate;
    let threshold = match (args.contamination, &calibration, rate) {
        (Some(contamination), ..) => ThresholdPolicy::Contamination(contamination),
        (None, Some(_), _) => ThresholdPolicy::Contamination(Contamination::Auto),
        (None, None, Some(false_positive_rate)) => ThresholdPolicy::HeldOutHosts {
            false_positive_rate,
        },
        (None, None, None) => ThresholdPolicy::default(),
    };
    let options = TrainOptions {
        n_estimators: args.trees,
        max_samples: args.samples,
        max_features: args.max_features,
        bootstrap: args.bootstrap,
        novelty: args.novelty.into(),
        threshold,
        seed: args.seed,
        exclude: args.exclude,
    };
    let mut model = train(&context.engine, &mut source, &recipe, &options).await?;
    if let Some(mut benign) = calibration {
        let rate = rate.unwrap_or(FALSE_POSITIVE_RATE);
        calibrate(&context.engine, &mut model, &mut benign, rate).await?;
        context.remark_counts(&benign);
    }
    context.remark_counts(&source);
    // No signal is handled while a forest grows. Yielding handles a pending one before anything is written.
    tokio::task::yield_now().await;
    model.save(&out)?;
    let could_hold_out = matches!(threshold, ThresholdPolicy::HeldOutHostsOrAuto { .. });
    if could_hold_out && is_scikit_learns(model.threshold()) {
        context.remark(&format!(
            "note: the threshold is scikit-learn's default: {}; --calibrate sets the threshold on benign events, and \
             --host-column names the column of hosts",
            why_not_held_out(&source)
        ));
    }
    context.show(&Trained::new(&model, out.path().to_owned()))
}

fn is_scikit_learns(threshold: &Threshold) -> bool {
    matches!(threshold.method, ThresholdMethod::Auto {})
}

impl Trained {
    /// Returns the outcome for a model that was written to `path`.
    pub fn new(model: &Model, path: PathBuf) -> Self {
        let training = model.training();
        Self {
            model: path,
            recipe: model.recipe().name.clone(),
            features: model
                .recipe()
                .features
                .iter()
                .map(|feature| feature.name.clone())
                .collect(),
            events: training.events,
            distinct_rows: training.distinct_rows,
            sampled_rows: training.sampled_rows,
            trees: model.forest().n_estimators(),
            threshold: model.threshold().clone(),
            fingerprint: training.fingerprint.clone(),
            imported: training.imported.clone(),
        }
    }
}

impl Trained {
    fn print_events(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.events == 0 {
            return writeln!(
                out,
                "trained on unknown events: reasons cannot say what is usual, and drift has nothing to compare with"
            );
        }
        let rows = of_them(
            self.distinct_rows,
            "distinct row of inputs",
            "distinct rows of inputs",
        );
        let events = of_them(self.events, "event", "events");
        writeln!(out, "trained on {events}, {rows}")
    }
}

impl Outcome for Trained {
    const FORMAT: JsonFormat = json::TRAINING;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "model      {}",
            printable(&self.model.display().to_string())
        )?;
        writeln!(
            out,
            "recipe     {}: {}",
            printable(&self.recipe),
            printable(&self.features.join(", "))
        )?;
        if let Some(imported) = &self.imported {
            let origin = imported.to_string();
            writeln!(out, "imported   from {}", printable(&origin))?;
        }
        self.print_events(out)?;
        if let Some(rows) = self.sampled_rows {
            writeln!(
                out,
                "           too many distinct rows to keep: the forest was fitted to a sample of {} of them",
                count(rows)
            )?;
        }
        writeln!(
            out,
            "forest     {}",
            of_them(self.trees as u64, "tree", "trees")
        )?;
        writeln!(out, "threshold  {}", self.threshold)?;
        match &self.threshold.method {
            ThresholdMethod::LeaveOneHostOut { hosts, .. } => print_hosts(hosts, out),
            _ => Ok(()),
        }
    }
}

/// Prints the share of events that the threshold flags on each held-out host.
fn print_hosts(hosts: &[HostRate], out: &mut dyn Write) -> io::Result<()> {
    let mut rates = TextTable::new(["held-out host", "events", "flagged"], 1..3);
    for host in hosts {
        rates.add_row([
            printable(&host.host).into_owned(),
            count(host.events),
            percent(host.realised_rate),
        ]);
    }
    writeln!(out, "\n{rates}")
}
