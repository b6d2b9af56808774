//! `honeyguide train`.

use std::io::{self, Write};
use std::path::PathBuf;

use honeyguide::output::PendingFile;
use honeyguide::{
    Contamination, FALSE_POSITIVE_RATE, HostIncidents, INCIDENTS_PER_HOST_DAY, Imported, Model,
    PossibleLabel, Source, Threshold, ThresholdMethod, ThresholdPolicy, TrainOptions, calibrate,
    possible_labels, train,
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
    /// Whether the threshold was calibrated on the training events.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    calibrated_on_training_events: bool,
    /// The columns that features read and that look like labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    possible_labels: Vec<PossibleLabel>,
    /// The SHA-256 of the training events' distinct rows and their counts.
    fingerprint: String,
    /// Where the forest comes from, if it was imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    imported: Option<Imported>,
}

pub async fn run(context: &Context, args: Train) -> Result<(), Failure> {
    let mut source = context.open(&args.data)?;
    let recipe = context.recipe_or_default(args.recipe.as_deref(), &source)?;
    let mut calibration = if args.calibrate.is_empty() {
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
        (None, None, Some(false_positive_rate)) => ThresholdPolicy::HeldOut {
            false_positive_rate,
        },
        (None, None, None) => match args.incidents_per_host_day {
            Some(per_host_day) => ThresholdPolicy::Incidents { per_host_day },
            None => ThresholdPolicy::default(),
        },
    };
    let options = TrainOptions {
        n_estimators: args.trees,
        max_samples: args.samples,
        max_features: args.max_features,
        bootstrap: args.bootstrap,
        novelty: args.novelty.map(Into::into),
        threshold,
        seed: args.seed,
        exclude: args.exclude,
    };
    let mut model = train(&context.engine, &mut source, &recipe, &options).await?;
    let mut on_training_events = false;
    if let Some(benign) = &mut calibration {
        let rate = rate.unwrap_or(FALSE_POSITIVE_RATE);
        let found = calibrate(&context.engine, &mut model, benign, rate).await?;
        on_training_events = found.on_training_events;
        context.remark_counts(benign);
    }
    context.remark_counts(&source);
    // No signal is handled while a forest grows. Yielding handles a pending one before anything is written.
    tokio::task::yield_now().await;
    model.save(&out)?;
    let mut trained = Trained::new(&model, out.path().to_owned());
    if let Some(benign) = &calibration {
        trained.calibrated_on_training_events = on_training_events;
        remark_memory(context, &source, benign, on_training_events);
    } else if args.contamination.is_none() {
        remark_held_out(context, &source, model.threshold());
        if rate.is_none() {
            remark_short(context, &source, model.threshold());
        }
    }
    if let Some(sentence) = model.threshold().method.unresolved() {
        let what = match model.threshold().method {
            ThresholdMethod::IncidentsPerHostDay { .. } => "warning: the recording is short",
            _ => "note: the threshold was set on too few events",
        };
        context.remark(&format!("{what}: {sentence}"));
    }
    remark_labels(context, &trained.possible_labels);
    remark_rounded(context, &model.rounded_features());
    context.show(&trained)
}

/// Says which features have numbers of more digits than the forest tells apart.
fn remark_rounded(context: &Context, features: &[&str]) {
    let (noun, verb) = match features.len() {
        0 => return,
        1 => ("feature", "has"),
        _ => ("features", "have"),
    };
    context.remark(&format!(
        "note: {noun} {} {verb} numbers beyond 2^53, of which a forest keeps about 16 digits, so that neighbours can be one \
         number to it; if they are names, such as ids, a rarity tells them apart",
        features.join(", ")
    ));
}

/// Says that the threshold was calibrated on training events, if it was.
fn remark_memory(context: &Context, source: &Source, benign: &Source, all: bool) {
    let files = benign.files_shared_with(source);
    let what = match (&files[..], all) {
        ([], false) => return,
        ([], true) => "the events of --calibrate are the training events".to_owned(),
        ([file, more @ ..], _) => {
            let of_more = match more.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let name = file.path.display();
            format!("--calibrate reads training data, {name}{of_more}")
        }
    };
    context.remark(&format!(
        "warning: {what}: the threshold then says what the model remembers, not how many new events it flags; give other \
         benign events, or leave --calibrate out, so that training events are held out"
    ));
}

/// Says what the threshold does not promise, where it was not set by held-out hosts.
fn remark_held_out(context: &Context, source: &Source, threshold: &Threshold) {
    let hosts = match source.log().host() {
        Some(column) if source.has_column(column) => {
            format!("the hosts in {column} cannot be held out")
        }
        Some(column) => format!("there is no column {column} of hosts"),
        None => "there is no column of hosts".to_owned(),
    };
    let remark = match &threshold.method {
        ThresholdMethod::LeaveOneBlockOut { .. } => format!(
            "note: {hosts}, so blocks of time were held out: the threshold holds for other times of the same hosts, not \
             for other hosts; --host-column names the column of hosts"
        ),
        ThresholdMethod::KFold { .. } => format!(
            "note: {hosts}, and no blocks of time could be held out, so random events were: if events come in groups \
             that resemble each other, new ones are flagged more often; --host-column and --time-column name columns, \
             and --calibrate sets the threshold on benign events"
        ),
        ThresholdMethod::Auto {} => {
            "note: the threshold is scikit-learn's default, because there are too few events to hold some of them out; \
             --calibrate sets the threshold on benign events"
                .to_owned()
        }
        _ => return,
    };
    context.remark(&remark);
}

/// Says why the threshold was not set by incidents, where the data has what it takes to count them.
fn remark_short(context: &Context, source: &Source, threshold: &Threshold) {
    let log = source.log();
    let has_times = log.time().is_some_and(|column| source.has_column(column));
    let has_processes = log.process().iter().any(|column| source.has_column(column));
    let by_hosts = matches!(threshold.method, ThresholdMethod::LeaveOneHostOut { .. });
    if by_hosts && has_times && has_processes && source.is_repeatable() {
        context.remark(&format!(
            "note: the hosts record less than {} days together, which is too short to set the threshold by incidents: it was \
             set by the share of events that are flagged",
            INCIDENTS_PER_HOST_DAY.recip()
        ));
    }
}

/// Warns of features that look as if they were computed from a label.
fn remark_labels(context: &Context, labels: &[PossibleLabel]) {
    for PossibleLabel { column, features } in labels {
        let (noun, verb) = match features.len() {
            1 => ("feature", "reads"),
            _ => ("features", "read"),
        };
        context.remark(&format!(
            "warning: {noun} {} {verb} {column}, which looks like a label; if it is one, the model is told the answer, \
             and --exclude {column} leaves it out; if it is none, nothing needs to be done",
            features.join(", ")
        ));
    }
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
            calibrated_on_training_events: false,
            possible_labels: possible_labels(model),
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
        print_rates(&self.threshold.method, out)
    }
}

/// Prints the incidents of each host that was held out.
fn print_incidents(hosts: &[HostIncidents], out: &mut dyn Write) -> io::Result<()> {
    let header = ["held-out host", "events", "flagged", "days", "incidents"];
    let mut table = TextTable::new(header, 1..5);
    for host in hosts {
        table.add_row([
            printable(&host.host).into_owned(),
            count(host.events),
            count(host.flagged),
            format!("{:.2}", host.days),
            count(host.incidents),
        ]);
    }
    writeln!(out, "\n{table}")
}

/// Prints the share of events that the threshold flags on each host or block of time that was held out.
fn print_rates(method: &ThresholdMethod, out: &mut dyn Write) -> io::Result<()> {
    if let ThresholdMethod::IncidentsPerHostDay { hosts, .. } = method {
        return print_incidents(hosts, out);
    }
    let (what, rates): (&str, Vec<(String, u64, f64)>) = match method {
        ThresholdMethod::LeaveOneHostOut { hosts, .. } => (
            "held-out host",
            hosts
                .iter()
                .map(|host| (host.host.clone(), host.events, host.realised_rate))
                .collect(),
        ),
        ThresholdMethod::LeaveOneBlockOut { blocks, .. } => (
            "held-out block of time",
            blocks
                .iter()
                .map(|block| {
                    let times = format!("{} to {}", block.from, block.to);
                    (times, block.events, block.realised_rate)
                })
                .collect(),
        ),
        _ => return Ok(()),
    };
    let mut table = TextTable::new([what, "events", "flagged"], 1..3);
    for (name, events, rate) in rates {
        let cells = [printable(&name).into_owned(), count(events), percent(rate)];
        table.add_row(cells);
    }
    writeln!(out, "\n{table}")
}
