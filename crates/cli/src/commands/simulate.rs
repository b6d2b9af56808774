//! `honeyguide simulate`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use honeyguide::output::{PendingFile, create_folder};
use honeyguide::simulate::{MARKER, MARKER_TEXT, Simulation, Split, Summary};
use honeyguide::{Error, is_url, redacted};
use serde::Serialize;

use crate::args::Simulate;
use crate::context::{Context, Outcome};
use crate::failure::Failure;
use crate::render::{count, percent_of, table_with_numbers};

/// The files of a simulation.
#[derive(Serialize)]
pub struct Simulated {
    pub splits: Vec<SimulatedSplit>,
}

/// One file of a simulation.
#[derive(Serialize)]
pub struct SimulatedSplit {
    pub file: PathBuf,
    pub events: u64,
    pub hosts: u64,
    processes: u64,
    sus: u64,
    evil: u64,
}

pub async fn run(context: &Context, args: Simulate) -> Result<(), Failure> {
    context.mark_simulated();
    let simulated = write(context, &args.out, args.events, args.seed).await?;
    context.show(&simulated)
}

/// Writes a simulation's three files into `folder`.
pub async fn write(
    context: &Context,
    folder: &Path,
    events: u64,
    seed: u64,
) -> Result<Simulated, Failure> {
    let simulation =
        Simulation::new(events, seed).map_err(|error| Error::usage(error.to_string()))?;
    refuse_url(folder)?;
    create_folder(folder)?;
    refuse_to_replace(folder)?;
    let folder = folder.to_owned();
    context
        .blocking(move |cancelled| {
            let written = std::thread::scope(|scope| {
                let splits = Split::ALL.map(|split| (split, folder.join(split.file_name())));
                let writers = splits.map(|(split, path)| {
                    scope.spawn(move || write_split(&simulation, split, path, cancelled))
                });
                writers.map(|writer| {
                    writer
                        .join()
                        .unwrap_or_else(|_| Err(Error::internal("the simulation broke off")))
                })
            });
            let mut marker = PendingFile::create(&folder.join(MARKER))?;
            let marked = marker.write_all(MARKER_TEXT.as_bytes());
            marked.map_err(|error| Error::io("write", marker.path(), error))?;
            // The files get their names only when all three are complete, and never without the marker.
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

/// A URL would become a folder on disk of that name.
fn refuse_url(folder: &Path) -> Result<(), Error> {
    let text = folder.to_string_lossy();
    if !is_url(&text) {
        return Ok(());
    }
    let shown = redacted(&text);
    let message = format!("{shown}: simulated logs are written to a folder on disk");
    Err(Error::usage(message).hint("honeyguide convert FOLDER --out URL brings them to a bucket"))
}

/// Logs that are not marked as simulated are somebody's data, perhaps BETH itself.
fn refuse_to_replace(folder: &Path) -> Result<(), Error> {
    if folder.join(MARKER).exists() {
        return Ok(());
    }
    let mut files = Split::ALL
        .into_iter()
        .map(|split| folder.join(split.file_name()));
    match files.find(|file| file.exists()) {
        Some(file) => {
            let message = format!(
                "{}: is there already and not marked as simulated",
                file.display()
            );
            Err(Error::usage(message)
                .hint("choose another folder: simulated logs would replace this file"))
        }
        None => Ok(()),
    }
}

fn write_split(
    simulation: &Simulation,
    split: Split,
    path: PathBuf,
    cancelled: &AtomicBool,
) -> Result<(PendingFile, SimulatedSplit), Error> {
    let mut out = Stoppable {
        file: PendingFile::create(&path)?,
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

/// A file that refuses to grow once the work is cancelled.
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
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table =
            table_with_numbers(&["simulated file", "events", "hosts", "sus", "evil"], 1..5);
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
