//! The context that all commands share: the engine, the output of results and remarks, and the cancellation of work.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use console::Term;
use honeyguide::output::{Destination, TableFormat};
use honeyguide::sql::TextFormat;
use honeyguide::{
    Engine, Error, FeatureSource, Intake, Model, Recipe, ReplacedTexts, Source, StorageOptions,
    TraceeEvents, builtin,
};
use serde::Serialize;

use crate::args::Global;
use crate::escaping::{Escaping, Form};
use crate::failure::{Failure, written};
use crate::json::{self, JsonFormat};
use crate::render::{count, of_them, printable, screen};

/// The greatest number of JSON keys that a remark names.
const SHOWN_KEYS: usize = 10;

/// The context of a command.
pub struct Context {
    pub engine: Engine,
    global: Global,
    cancelled: Arc<AtomicBool>,
    simulated: AtomicBool,
    /// Whether a result goes to standard output; the outcome then goes to standard error.
    output_taken: AtomicBool,
    /// The models, recipes and forests that were read: the path or URL of each, and what it is.
    read: Mutex<Vec<(PathBuf, &'static str)>>,
}

/// The outcome of a command, which is shown as text or as JSON.
pub trait Outcome: Serialize {
    /// The format of the JSON.
    const FORMAT: JsonFormat;

    /// Prints the outcome as text.
    fn print(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// The recipe or the model with which features are computed.
pub enum Features {
    Recipe(Recipe),
    Model(Box<Model>),
}

impl Features {
    /// Returns them as the library takes them.
    pub fn source(&self) -> FeatureSource<'_> {
        match self {
            Self::Recipe(recipe) => FeatureSource::Recipe(recipe),
            Self::Model(model) => FeatureSource::Model(model),
        }
    }
}

impl Context {
    /// Returns a new context. `cancelled` becomes true when the run is to stop.
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

    /// Returns the options that every command takes.
    pub fn global(&self) -> &Global {
        &self.global
    }

    /// Shows an outcome, as text or as JSON.
    pub fn show<T: Outcome>(&self, outcome: &T) -> Result<(), Failure> {
        if self.global.json {
            let simulated = self.is_simulated();
            return self.write(|out| json::write_answer(out, T::FORMAT, simulated, outcome));
        }
        self.show_text(|out| outcome.print(out))
    }

    /// Shows text, followed by the mark of simulated data.
    pub fn show_text(
        &self,
        print: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        self.write(|out| {
            print(out)?;
            if self.is_simulated() {
                writeln!(
                    out,
                    "\nSimulated data: these figures say nothing about real hosts."
                )
            } else {
                Ok(())
            }
        })
    }

    /// Returns the destination that `--out` names. `-` is standard output; the outcome is then shown on standard error.
    ///
    /// # Errors
    /// Fails when the destination would replace a model or a recipe that the command has read.
    pub fn destination(&self, out: &Path) -> Result<Destination, Failure> {
        if out != Path::new("-") {
            let to = Destination::parse(out, &self.storage()?)?;
            for (place, what) in self.read().iter() {
                to.refuse_to_replace(place, what)?;
            }
            return Ok(to.with_csv_safe(self.global.csv_safe));
        }
        self.take_output();
        let format = self.global.format.map(TableFormat::from);
        let open = || -> Box<dyn Write + Send> {
            match io::stdout().is_terminal() {
                true => Box::new(Escaping::new(io::stdout(), Form::Terminal)),
                false => Box::new(io::stdout()),
            }
        };
        let to = Destination::stream("-", format, open);
        Ok(to.with_csv_safe(self.global.csv_safe))
    }

    /// Returns the form of CSV that goes to standard output.
    pub fn csv(&self) -> TextFormat {
        match self.global.csv_safe {
            true => TextFormat::SafeCsv,
            false => TextFormat::Csv,
        }
    }

    /// Notes that a result goes to standard output, so that the outcome is shown on standard error.
    pub fn take_output(&self) {
        self.output_taken.store(true, Ordering::Relaxed);
    }

    /// Writes to standard output, or to standard error where a result goes there, buffered.
    pub fn write(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let (stream, terminal): (Box<dyn Write>, _) =
            match self.output_taken.load(Ordering::Relaxed) {
                true => (Box::new(io::stderr().lock()), Term::stderr()),
                false => (Box::new(io::stdout().lock()), Term::stdout()),
            };
        screen::measure(&terminal);
        let mut out = io::BufWriter::new(stream);
        match write(&mut out).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::OutputClosed),
            Err(error) => Err(Error::io("write to", Path::new("standard output"), error).into()),
        }
    }

    /// Marks the outcome as made from simulated data.
    pub fn mark_simulated(&self) {
        self.simulated.store(true, Ordering::Relaxed);
    }

    /// Returns whether the outcome is made from simulated data.
    pub fn is_simulated(&self) -> bool {
        self.simulated.load(Ordering::Relaxed)
    }

    /// Prints a note on standard error if the data is simulated, for results that cannot carry the mark themselves.
    pub fn remark_simulated(&self) {
        if self.is_simulated() {
            self.remark("note: simulated data: these figures say nothing about real hosts");
        }
    }

    /// Returns whether the result is to be printed as JSON.
    pub fn json(&self) -> bool {
        self.global.json
    }

    /// Prints a remark on standard error, unless `--quiet` is given.
    pub fn remark(&self, text: &str) {
        if !self.global.quiet {
            eprintln!("{}", printable(text));
        }
    }

    /// Prints a remark as [`remark`](Self::remark) does, with indented lines below it.
    fn remark_with(&self, text: &str, lines: &[String]) {
        if !self.global.quiet {
            self.remark(text);
            for line in lines {
                eprintln!("  {}", printable(line));
            }
        }
    }

    /// Prints remarks on standard error about what the last scan of `source` counted: arguments that could not be
    /// parsed, Tracee's events, keys that were left out, bad lines.
    pub fn remark_counts(&self, source: &Source) {
        let counts = source.counts();
        self.remark_malformed_args(counts.malformed_args);
        for note in &counts.notes {
            self.remark(&format!("note: {note}"));
        }
        if let Some(ReplacedTexts { values, first }) = &counts.replaced {
            self.remark(&format!(
                "note: {} bytes that are not UTF-8 or halves of surrogate pairs, which were read as U+FFFD; the first: {first}",
                match values {
                    1 => "1 text has".to_owned(),
                    many => format!("{} texts have", count(*many)),
                }
            ));
        }
        if let Some(intake) = &counts.intake {
            self.remark_intake(intake);
        }
    }

    /// Prints a note on standard error if arguments could not be parsed, with their number.
    pub fn remark_malformed_args(&self, values: u64) {
        if values > 0 {
            self.remark(&format!(
                "note: args could not be parsed {} times; the recipe read them as null",
                count(values)
            ));
        }
    }

    fn remark_intake(&self, intake: &Intake) {
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
        if let Some(keys) = late_keys(intake) {
            self.remark(&keys);
        }
        if let Some(dialect) = intake.dialect.filter(|_| intake.other_lines > 0) {
            let text = format!(
                "note: {} of {} lines are not {} and were left out; the first:",
                count(intake.other_lines),
                count(intake.events + intake.other_lines),
                dialect.events(),
            );
            self.remark_with(&text, &intake.first_other_lines);
        }
        if intake.bad_lines > 0 {
            let text = format!(
                "note: {} of {} lines could not be read and were left out; the first:",
                count(intake.bad_lines),
                count(intake.events + intake.bad_lines),
            );
            self.remark_with(&text, &intake.first_bad_lines);
        }
    }

    /// Prints a remark on standard error if `--verbose` is given.
    pub fn detail(&self, text: &str) {
        if self.global.verbose {
            eprintln!("{}", printable(text));
        }
    }

    /// Opens data, and lists its files if `--verbose` is given.
    pub fn open(&self, data: &[String]) -> Result<Source, Failure> {
        let source = Source::open_with(data, &self.global.read_options()?)?;
        if source.is_simulated() {
            self.mark_simulated();
        }
        for note in source
            .left_out()
            .iter()
            .cloned()
            .chain(source.notes(written))
        {
            self.remark(&format!("note: {note}"));
        }
        self.detail(&format!("the data is {}", source.log().name()));
        for file in source.files() {
            self.detail(&format!(
                "reading {} ({} bytes)",
                file.path.display(),
                file.bytes
            ));
        }
        Ok(source)
    }

    /// Loads a built-in recipe by its name, or a recipe from a path or a URL.
    pub fn recipe(&self, name_or_place: &str) -> Result<Recipe, Failure> {
        let recipe = Recipe::load_with(name_or_place, &self.storage()?)?;
        if builtin(name_or_place).is_none() {
            self.note_read(Path::new(name_or_place), "recipe");
        }
        Ok(recipe)
    }

    /// Loads the recipe that is named, or else the one that suits the log of the data.
    pub fn recipe_or_default(
        &self,
        named: Option<&str>,
        source: &Source,
    ) -> Result<Recipe, Failure> {
        let recipe = self.recipe(named.unwrap_or_else(|| source.log().default_recipe()))?;
        self.remark_recipe(&recipe, source);
        Ok(recipe)
    }

    /// Prints a note on standard error about each feature and column that `recipe` leaves out of `source`.
    pub fn remark_recipe(&self, recipe: &Recipe, source: &Source) {
        for remark in recipe.remarks(source) {
            self.remark(&format!("note: {remark}"));
        }
    }

    /// Loads the recipe or the model that is named, if there is one. The arguments allow only one of them.
    pub fn features(
        &self,
        recipe: Option<&str>,
        model: Option<&Path>,
    ) -> Result<Option<Features>, Failure> {
        Ok(match (recipe, model) {
            (_, Some(model)) => Some(Features::Model(Box::new(self.model(model)?))),
            (Some(recipe), None) => Some(Features::Recipe(self.recipe(recipe)?)),
            (None, None) => None,
        })
    }

    /// Loads a model from a path or a URL.
    pub fn model(&self, place: &Path) -> Result<Model, Failure> {
        let model = Model::load_with(place, &self.storage()?)?;
        self.note_read(place, "model");
        Ok(model)
    }

    /// Notes that the command has read the file at `place`, which outputs must not replace. `what` is what it is.
    pub fn note_read(&self, place: &Path, what: &'static str) {
        self.read().push((place.to_owned(), what));
    }

    fn read(&self) -> MutexGuard<'_, Vec<(PathBuf, &'static str)>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the credentials and settings of object stores.
    pub fn storage(&self) -> Result<StorageOptions, Failure> {
        Ok(self.global.storage()?)
    }

    /// Runs blocking work on a thread of its own, so that Ctrl-C still works. The flag that it gets becomes true when
    /// it is to stop.
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

/// Returns a remark that names the keys that were left out, if there are any.
fn late_keys(intake: &Intake) -> Option<String> {
    let keys = &intake.late_keys;
    let (shown, more) = match keys.len() {
        0 => return None,
        n if n <= SHOWN_KEYS => (keys.join(", "), ""),
        _ => (keys[..SHOWN_KEYS].join(", "), ", …"),
    };
    let number = of_them(keys.len() as u64, "key", "keys");
    Some(format!(
        "note: {number} of JSON not found in the first 1,000 lines and therefore left out: {shown}{more}"
    ))
}

/// A guard that sets the flag when the future that waits for a blocking task is dropped. The runtime then waits for the
/// task to end.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
