//! `honeyguide simulate`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use ::simulate::{LookupSummary, SimulateError, Simulation, Split, Summary};
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
    /// The file with the lookups of names of the same hosts, if these are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    dns: Option<SimulatedLookups>,
}

/// The lookups of names beside the kernel calls of a split.
#[derive(Serialize)]
struct SimulatedLookups {
    /// The file that was written.
    file: PathBuf,
    /// The number of messages: queries and their responses.
    messages: u64,
    /// The number of messages labelled suspicious.
    sus: u64,
    /// The number of messages labelled evil.
    evil: u64,
}

/// The places of the files of a split: that of kernel calls, and that of lookups if these are written.
type Places = (Destination, Option<Destination>);
/// The files of a split before they get their final names.
type Written = (Vec<PendingFile>, SimulatedSplit);

pub async fn run(context: &Context, args: Simulate) -> Result<(), Failure> {
    context.mark_simulated();
    let simulation = match args.hours {
        Some(hours) => Simulation::of_fleet(hours, args.hosts, args.seed),
        None => Simulation::new(args.events, args.seed),
    };
    let simulated = write(context, &args.out, simulation, args.dns).await?;
    context.show(&simulated)
}

/// Writes the files of a simulation into `folder`, with lookups of names if `has_dns`.
pub async fn write(
    context: &Context,
    folder: &Path,
    simulation: Result<Simulation, SimulateError>,
    has_dns: bool,
) -> Result<Simulated, Failure> {
    let simulation = simulation.map_err(|error| Error::usage(error.to_string()))?;
    let place = |name: &str| context.destination(&folder.join(name));
    let splits = simulation.splits().iter();
    let places = splits.map(|split| {
        let lookups = has_dns.then(|| place(split.lookups_file_name()));
        Ok::<Places, Failure>((place(split.file_name())?, lookups.transpose()?))
    });
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
            let splits = complete.into_iter().map(|(files, split)| {
                let finished = files.into_iter().try_for_each(PendingFile::finish);
                finished.map(|()| split)
            });
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
    let names = Split::ALL.map(|split| [split.file_name(), split.lookups_file_name()]);
    let mut files = names.into_iter().flatten().map(|name| folder.join(name));
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
    (to, lookups_to): Places,
    cancelled: &AtomicBool,
) -> Result<Written, Error> {
    let path = to.path().to_owned();
    let open = |to: Destination| {
        let file = PendingFile::create(to)?;
        Ok::<_, Error>(Stoppable { file, cancelled })
    };
    let mut calls = open(to)?;
    let lookups_path = lookups_to.as_ref().map(|to| to.path().to_owned());
    let mut lookups = lookups_to.map(open).transpose()?;
    let written = match &mut lookups {
        Some(lookups) => simulation.write_split_with_lookups(split, &mut calls, lookups),
        None => {
            let summary = simulation.write_split(split, &mut calls);
            summary.map(|summary| (summary, LookupSummary::default()))
        }
    };
    let (summary, messages) = written.map_err(|error| Error::io("write", &path, error))?;
    let files = [Some(calls), lookups].into_iter().flatten();
    let Summary {
        events,
        hosts,
        sus,
        evil,
        processes,
    } = summary;
    Ok((
        files.map(|out| out.file).collect(),
        SimulatedSplit {
            file: path,
            events,
            hosts,
            processes,
            sus,
            evil,
            dns: lookups_path.map(|file| SimulatedLookups {
                file,
                messages: messages.messages,
                sus: messages.sus,
                evil: messages.evil,
            }),
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
            if let Some(dns) = &split.dns {
                table.add_row([
                    dns.file.display().to_string(),
                    count(dns.messages),
                    split.hosts.to_string(),
                    percent_of(dns.sus, dns.messages),
                    percent_of(dns.evil, dns.messages),
                ]);
            }
        }
        writeln!(out, "{table}")
    }
}
