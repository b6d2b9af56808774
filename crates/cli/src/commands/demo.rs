//! `honeyguide demo`: runs the whole workflow on simulated data, in seconds.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ::simulate::{DEFAULT_EVENTS, Simulation};
use honeyguide::evaluate::Evaluation;
use honeyguide::incident::{IncidentOptions, Incidents, incidents};
use honeyguide::score::{Anomaly, Listing, most_anomalous};
use honeyguide::{
    Contamination, FALSE_POSITIVE_RATE, ThresholdPolicy, TrainOptions, calibrate, train,
};
use serde::Serialize;

use super::simulate::{self, Simulated};
use super::train::Trained;
use super::{explore, report};
use crate::args::{self, Demo};
use crate::context::{Context, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::screen::prose_width;
use crate::render::{
    count, heading, print_evaluation, print_incident, printable, sentence, wrapped,
};

/// The number of anomalous events in the answer.
const EVENTS: usize = 5;

#[derive(Serialize)]
struct Shown {
    /// The simulated files.
    simulation: Simulated,
    /// The model that was trained.
    training: Trained,
    /// The model's results on the third file.
    evaluation: Evaluation,
    /// The most anomalous events of the third file.
    most_anomalous: Vec<Anomaly>,
    /// The incidents of the third file, of which the one with the highest score is listed.
    incidents: Incidents,
    /// The HTML pages: `explore` and `report` on the third file.
    pages: [PathBuf; 2],
}

pub async fn run(context: &Context, args: Demo) -> Result<(), Failure> {
    context.mark_simulated();
    let simulation = simulate::write(
        context,
        &args.out,
        Simulation::new(DEFAULT_EVENTS, args.seed),
        false,
    )
    .await?;
    let [training, validation, test] = &simulation.splits[..] else {
        return Err(honeyguide::Error::internal("a simulation has three splits").into());
    };
    let open = |path: &Path| context.open(&[path.display().to_string()]);
    let engine = &context.engine;
    let mut source = open(&training.file)?;
    let recipe = context.recipe_or_default(None, &source)?;
    let options = TrainOptions {
        threshold: ThresholdPolicy::Contamination(Contamination::Auto),
        seed: args.seed,
        ..Default::default()
    };
    let mut model = train(engine, &mut source, &recipe, &options).await?;
    calibrate(
        engine,
        &mut model,
        &mut open(&validation.file)?,
        FALSE_POSITIVE_RATE,
    )
    .await?;
    let path = args.out.join("model.json");
    model.save(context.destination(&path)?)?;
    let data = vec![test.file.display().to_string()];
    let look = args::Explore {
        data: data.clone(),
        out: args.out.join("explore.html"),
        label: Vec::new(),
        recipe: None,
        model: Some(path.clone()),
    };
    explore::write(context, &look).await?;
    let judge = args::Report {
        model: path.clone(),
        data,
        out: args.out.join("report.html"),
        label: None,
    };
    let evaluation = report::write(context, &model, &judge).await?.evaluation;
    let mut source = open(&test.file)?;
    let highest = IncidentOptions {
        limit: 1,
        ..IncidentOptions::default()
    };
    let incidents = incidents(engine, &model, &mut source, &highest).await?;
    let listing = Listing::top(EVENTS);
    let most_anomalous = most_anomalous(engine, &model, &mut source, listing).await?;
    context.show(&Shown {
        training: Trained::new(&model, path),
        simulation,
        evaluation,
        most_anomalous: most_anomalous.anomalies,
        incidents,
        pages: [look.out, judge.out],
    })
}

impl Outcome for Shown {
    const FORMAT: JsonFormat = json::DEMO;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{}",
            heading("Simulated: a fleet of hosts at work, and one more that is broken into")
        )?;
        self.simulation.print(out)?;
        writeln!(
            out,
            "\n{}",
            heading("Trained on the first file, threshold set on the second")
        )?;
        self.training.print(out)?;
        writeln!(out, "\n{}", heading("Evaluated on the third"))?;
        print_evaluation(&self.evaluation, out)?;
        writeln!(out, "\n{}", heading("What an analyst would look at first"))?;
        self.print_incident(out)?;
        self.print_next(out)
    }
}

impl Shown {
    /// Prints the incident with the highest score.
    fn print_incident(&self, out: &mut dyn Write) -> io::Result<()> {
        let Incidents {
            found, incidents, ..
        } = &self.incidents;
        let Some(incident) = incidents.first() else {
            return writeln!(
                out,
                "No event is above the threshold: there is no incident."
            );
        };
        let which = match found {
            1 => "One incident".to_owned(),
            some => format!("The strongest of {} incidents", count(*some)),
        };
        let line = format!("{which}: {}", sentence(incident));
        writeln!(
            out,
            "{}\n",
            wrapped(&printable(&line), prose_width()).join("\n")
        )?;
        let times_are_dates = self.incidents.times_are_dates.unwrap_or(false);
        print_incident(incident, times_are_dates, out)?;
        writeln!(out)
    }

    fn print_next(&self, out: &mut dyn Write) -> io::Result<()> {
        let [.., test] = &self.simulation.splits[..] else {
            return Ok(());
        };
        let folder = test.file.parent().unwrap_or(Path::new(".")).display();
        writeln!(out, "{}", heading("Pages to open in a browser"))?;
        for page in &self.pages {
            writeln!(out, "  {}", page.display())?;
        }
        writeln!(out, "\n{}", heading("Try next"))?;
        let test = test.file.display();
        writeln!(out, "  honeyguide score {folder}/model.json {test}")?;
        if let Some(incident) = self.incidents.incidents.first() {
            writeln!(
                out,
                "  honeyguide explain {folder}/model.json {test} --incident {}",
                incident.id
            )?;
        }
        writeln!(out, "  honeyguide reproduce {folder}")?;
        writeln!(out, "  honeyguide train YOUR-LOGS.csv --out model.json")
    }
}
