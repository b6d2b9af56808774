//! `honeyguide simulate`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use ::simulate::{SimulateError, Simulation, Split, Summary};
use honeyguide::marks::{SIMULATED, SIMULATED_TEXT};
use honeyguide::output::{Destination, PendingFile, create_folder};
use honeyguide::{Error, is_url, redacted};
use serde::Serialize;
use tokio::runtime::Handle;

use crate::args::Simulate;
use crate::context::{Context, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::{TextTable, count, percent_of};

/// The files of a simulation.
#[derive(Serialize)]
pub struct Simulated {
    /// The training, the validation and the test file; a fleet has no validation file.
    pub splits: Vec<SimulatedSplit>,
}

/// One file of a simulation.
#[derive(Serialize)]
pub struct SimulatedSplit {
    /// The file that was written.
    pub file: PathBuf,
    /// The number of events.
    pub events: u64,
    /// The number of hosts.
    pub hosts: u64,
    /// The number of processes.
    processes: u64,
    /// The number of events labelled suspicious.
    sus: u64,
    /// The number of events labelled evil.
    evil: u64,
}

pub async fn run(context: &Context, args: Simulate) -> Result<(), Failure> {
    context.mark_simulated();
    let simulation = match args.hours {
        Some(hours) => Simulation::of_fleet(hours, args.hosts, args.seed),
        None => Simulation::new(args.events, args.seed),
    };
    let simulated = write(context, &args.out, simulation).await?;
    context.show(&simulated)
}

/// Writes the files of a simulation into `folder`.
pub async fn write(
    context: &Context,
    folder: &Path,
    simulation: Result<Simulation, SimulateError>,
) -> Result<Simulated, Failure> {
    let simulation = simulation.map_err(|error| Error::usage(error.to_string()))?;
    let place = |name: &str| context.destination(&folder.join(name));
    let splits = simulation.splits().iter();
    let places = splits.map(|split| place(split.file_name()));
    let places = places.collect::<Result<Vec<_>, _>>()?;
    let marker = place(SIMULATED)?;
    if !is_url(&folder.to_string_lossy()) {
        create_folder(folder)?;
    }
    refuse_to_replace(context, folder)?;
    // The threads below need the runtime to wait for a store.
    let runtime = Handle::current();
    context
        .blocking(move |cancelled| {
            let written: Vec<_> = std::thread::scope(|scope| {
                let splits = simulation.splits().iter().copied().zip(places);
                let writers = splits.map(|(split, place)| {
                    let runtime = runtime.clone();
                    scope.spawn(move || {
                        let _runtime = runtime.enter();
                        write_split(&simulation, split, place, cancelled)
                    })
                });
                // All writers start before the first is joined.
                let writers: Vec<_> = writers.collect();
                let written = writers.into_iter().map(|writer| {
                    writer
                        .join()
                        .unwrap_or_else(|_| Err(Error::internal("the simulation broke off")))
                });
                written.collect()
            });
            let mut marker = PendingFile::create(marker)?;
            let marked = marker.write_all(SIMULATED_TEXT.as_bytes());
            marked.map_err(|error| Error::io("write", marker.path(), error))?;
            // The files get their final names only when all are complete, and only with the marker beside them.
            let complete = written.into_iter().collect::<Result<Vec<_>, _>>()?;
            marker.finish()?;
            let splits = complete
                .into_iter()
                .map(|(file, split)| file.finish().map(|()| split));
            Ok(Simulated {
                splits: splits.collect::<Result<_, _>>()?,
            })
        })
        .await
}

/// Refuses a folder with logs that are not marked as simulated: they are real data, perhaps BETH itself.
fn refuse_to_replace(context: &Context, folder: &Path) -> Result<(), Failure> {
    let is_somebodys = |path: &Path| {
        let text = path.display().to_string();
        if is_url(&text) {
            // If the store cannot be reached, writing to it fails later.
            return context
                .open(&[text])
                .is_ok_and(|found| !found.is_simulated());
        }
        path.exists() && !path.with_file_name(SIMULATED).exists()
    };
    let mut files = Split::ALL
        .map(|split| folder.join(split.file_name()))
        .into_iter();
    match files.find(|file| is_somebodys(file)) {
        Some(file) => {
            let shown = redacted(&file.to_string_lossy());
            let message = format!("{shown}: is there already and not marked as simulated");
            Err(Error::usage(message)
                .hint("choose another folder: simulated logs would replace this file")
                .into())
        }
        None => Ok(()),
    }
}

fn write_split(
    simulation: &Simulation,
    split: Split,
    to: Destination,
    cancelled: &AtomicBool,
) -> Result<(PendingFile, SimulatedSplit), Error> {
    let path = to.path().to_owned();
    let mut out = Stoppable {
        file: PendingFile::create(to)?,
        cancelled,
    };
    let summary = simulation
        .write_split(split, &mut out)
        .map_err(|error| Error::io("write", &path, error))?;
    let Summary {
        events,
        hosts,
        sus,
        evil,
        processes,
    } = summary;
    Ok((
        out.file,
        SimulatedSplit {
            file: path,
            events,
            hosts,
            processes,
            sus,
            evil,
        },
    ))
}

/// A file whose writes fail once the work is cancelled.
struct Stoppable<'a> {
    file: PendingFile,
    cancelled: &'a AtomicBool,
}

impl Write for Stoppable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(io::Error::other("interrupted"));
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Outcome for Simulated {
    const FORMAT: JsonFormat = json::SIMULATION;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = TextTable::new(["simulated file", "events", "hosts", "sus", "evil"], 1..5);
        for split in &self.splits {
            table.add_row([
                split.file.display().to_string(),
                count(split.events),
                split.hosts.to_string(),
                percent_of(split.sus, split.events),
                percent_of(split.evil, split.events),
            ]);
        }
        writeln!(out, "{table}")
    }
}
