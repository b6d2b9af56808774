//! What commands share: the engine, how results and remarks are shown, and how work is stopped.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use honeyguide::output::{Destination, TableFormat};
use honeyguide::{
    Engine, Error, Intake, Model, Recipe, Source, StorageOptions, TraceeEvents, builtin,
};
use serde::Serialize;

use crate::args::Global;
use crate::failure::Failure;
use crate::render::{count, of_them, printable_lines};

/// How many keys a remark names.
const SHOWN_KEYS: usize = 10;

/// What every command is given.
pub struct Context {
    pub engine: Engine,
    global: Global,
    cancelled: Arc<AtomicBool>,
    simulated: AtomicBool,
    /// A result goes to standard output, and what is said of it elsewhere.
    output_taken: AtomicBool,
    /// Models and recipes that were read, and what they are called.
    read: Mutex<Vec<(PathBuf, &'static str)>>,
}

/// An outcome with what is true of every outcome.
#[derive(Serialize)]
struct Marked<'a, T> {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    simulated: bool,
    #[serde(flatten)]
    outcome: &'a T,
}

/// What a command found out.
pub trait Outcome: Serialize {
    /// For a person.
    fn print(&self, out: &mut dyn Write) -> io::Result<()>;
}

impl Context {
    /// A context in which nothing was said or read yet. `cancelled` is raised when the run is to stop.
    pub fn new(engine: Engine, global: Global, cancelled: Arc<AtomicBool>) -> Self {
        Self {
            engine,
            global,
            cancelled,
            simulated: AtomicBool::new(false),
            output_taken: AtomicBool::new(false),
            read: Mutex::default(),
        }
    }

    /// What every command may be told.
    #[cfg(feature = "cluster")]
    pub fn global(&self) -> &Global {
        &self.global
    }

    /// Shows an outcome, as text or as JSON.
    pub fn show(&self, outcome: &impl Outcome) -> Result<(), Failure> {
        let simulated = self.simulated.load(Ordering::Relaxed);
        self.write(|out| {
            if self.global.json {
                serde_json::to_writer_pretty(&mut *out, &Marked { simulated, outcome })?;
                return writeln!(out);
            }
            outcome.print(out)?;
            if simulated {
                writeln!(
                    out,
                    "\nSimulated data: these figures say nothing of real hosts."
                )
            } else {
                Ok(())
            }
        })
    }

    /// Where `--out` says that a result goes; `-` is standard output, and then the outcome is shown on standard error. It
    /// takes the place of no model and no recipe that was read before.
    pub fn destination(&self, out: &Path) -> Result<Destination, Failure> {
        if out != Path::new("-") {
            let to = Destination::parse(out, &self.storage()?)?;
            for (place, what) in self.read().iter() {
                to.refuse_to_replace(place, what)?;
            }
            return Ok(to);
        }
        self.output_taken.store(true, Ordering::Relaxed);
        let format = self.global.format.map(TableFormat::from);
        let open = || Box::new(io::stdout()) as _;
        Ok(Destination::stream("-", format, open))
    }

    /// Writes to standard output, or to standard error where a result goes there, buffered.
    pub fn write(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let stream: Box<dyn Write> = if self.output_taken.load(Ordering::Relaxed) {
            Box::new(io::stderr().lock())
        } else {
            Box::new(io::stdout().lock())
        };
        let mut out = io::BufWriter::new(stream);
        match write(&mut out).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::OutputClosed),
            Err(error) => Err(Error::io("write to", Path::new("standard output"), error).into()),
        }
    }

    /// Notes that the outcome is made from simulated data.
    pub fn mark_simulated(&self) {
        self.simulated.store(true, Ordering::Relaxed);
    }

    /// Says on standard error that the data is simulated, where the result itself cannot say so.
    pub fn remark_simulated(&self) {
        if self.simulated.load(Ordering::Relaxed) {
            self.remark("note: simulated data: these figures say nothing of real hosts");
        }
    }

    /// Whether the result is wanted as JSON.
    pub fn json(&self) -> bool {
        self.global.json
    }

    /// Says something about the work on standard error.
    pub fn remark(&self, text: &str) {
        if !self.global.quiet {
            eprintln!("{}", printable_lines(text));
        }
    }

    /// Says on standard error how often the recipe met arguments that it could not read, if ever.
    pub fn remark_malformed_args(&self) {
        let values = self.engine.malformed_args();
        if values > 0 {
            self.remark(&format!(
                "note: args could not be read {} times; what the recipe asks of them was taken as null",
                count(values)
            ));
        }
    }

    /// Says on standard error what became of the lines of JSON files: bad ones always, Tracee's events where there are some.
    pub fn remark_intake(&self, source: &Source) {
        let Some(intake) = source.intake() else {
            return;
        };
        if let Some(TraceeEvents {
            mapped,
            aliased,
            unknown,
        }) = intake.tracee
        {
            self.remark(&format!(
                "Tracee's events: {} mapped to BETH's by name, {} as cousins of theirs, {} unknown to BETH and kept",
                count(mapped),
                count(aliased),
                count(unknown)
            ));
        }
        if let Some(keys) = late_keys(&intake) {
            self.remark(&keys);
        }
        if intake.bad_lines > 0 {
            self.remark(&format!(
                "note: {} of {} lines could not be read and were left out; the first:\n  {}",
                count(intake.bad_lines),
                count(intake.events + intake.bad_lines),
                intake.first_bad_lines.join("\n  ")
            ));
        }
    }

    /// Says something that is only wanted with `--verbose`.
    pub fn detail(&self, text: &str) {
        if self.global.verbose {
            eprintln!("{}", printable_lines(text));
        }
    }

    /// Finds data, and says what was found to those who want to know.
    pub fn open(&self, data: &[String]) -> Result<Source, Failure> {
        let source = Source::open_with(data, &self.global.read_options()?)?;
        if source.is_simulated() {
            self.mark_simulated();
        }
        for file in source.files() {
            self.detail(&format!(
                "reading {} ({} bytes)",
                file.path.display(),
                file.bytes
            ));
        }
        Ok(source)
    }

    /// Loads a recipe by name, or from a path or a URL.
    pub fn recipe(&self, name_or_place: &str) -> Result<Recipe, Failure> {
        let recipe = Recipe::load_with(name_or_place, &self.storage()?)?;
        if builtin(name_or_place).is_none() {
            self.read().push((name_or_place.into(), "recipe"));
        }
        Ok(recipe)
    }

    /// Loads a model from a path or a URL.
    pub fn model(&self, place: &Path) -> Result<Model, Failure> {
        let model = Model::load_with(place, &self.storage()?)?;
        self.read().push((place.to_owned(), "model"));
        Ok(model)
    }

    fn read(&self) -> MutexGuard<'_, Vec<(PathBuf, &'static str)>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Credentials and settings of object stores.
    pub fn storage(&self) -> Result<StorageOptions, Failure> {
        Ok(self.global.storage()?)
    }

    /// Runs work that never waits, away from the thread that listens for Ctrl-C. It is handed a flag that says when to stop.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&AtomicBool) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let stop = StopOnDrop(Arc::clone(&self.cancelled));
        let cancelled = Arc::clone(&self.cancelled);
        let done = tokio::task::spawn_blocking(move || work(&cancelled)).await;
        std::mem::forget(stop);
        match done {
            Ok(result) => Ok(result?),
            Err(error) => Err(Error::internal(error.to_string()).into()),
        }
    }
}

/// A remark on keys that are in the data and not among the columns, if there are any.
fn late_keys(intake: &Intake) -> Option<String> {
    let keys = &intake.late_keys;
    let (shown, more) = match keys.len() {
        0 => return None,
        n if n <= SHOWN_KEYS => (keys.join(", "), ""),
        _ => (keys[..SHOWN_KEYS].join(", "), ", …"),
    };
    let number = of_them(keys.len() as u64, "key", "keys");
    Some(format!(
        "note: {number} of JSON that none of the first 1,000 lines has became no columns and were left out: {shown}{more}"
    ))
}

/// Raises the flag when the work that waits for a blocking task is dropped; the runtime then waits for the task to end.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
