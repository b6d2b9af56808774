//! `honeyguide watch`.

mod models;
mod onlookers;
mod receivers;
mod sensor;
mod view;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use honeyguide::incident::{Change, LiveOptions};
use honeyguide::{Error, Model, Token, is_url, marks};
use honeyguide_watch::{
    End, Feed, InputKind, Keep, ListenAddress, Listener, QUEUE_BYTES, Queue, Report, Settings,
    Store, StoreLimits, Summary, Watcher, follow, read_stream,
};
use serde::Serialize;

use crate::args::{SensorFilter, Watch};
use crate::context::{Context, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::{count, of_them, print_anomalous, print_change, printable};
use crate::sensing::Started;
use crate::signals::stop_signal;
use view::View;

/// The name of standard input.
const STANDARD_INPUT: &str = "-";
/// The name of the sensor among the inputs.
const SENSOR: &str = "sensor";
/// The time for which alerts are still delivered after the end: of all inputs, and after a stop.
const LAST_DELIVERIES: Duration = Duration::from_secs(10);
const LAST_DELIVERIES_OF_STOPPED: Duration = Duration::from_millis(300);
/// The number of bad records that are shown.
const SHOWN_BAD: usize = 3;

#[derive(Serialize)]
struct Watched(Summary);

/// Watches until all inputs are over, or a signal arrives. `started` is the sensor, if the watch has one.
pub async fn run(context: &Context, args: Watch, started: Option<Started>) -> Result<(), Failure> {
    let signal = stop_signal();
    check_sensor(context, &args)?;
    let model = context.model(&args.model)?;
    let mut inputs = open_all(context, &args)?;
    if let Some(started) = started {
        sensor::remark(context, &started);
        inputs.push((SENSOR.into(), Input::Sensor(started)));
    }
    let view = View::new(!context.json() && !context.global().quiet);
    let reports = Reports::open(context, &args, view.clone())?;
    let read = context.global().read_options()?;
    if read.strict {
        return Err(
            Error::usage("--strict: a watch goes on when a record cannot be read")
                .hint("leave it out; bad records are counted, and the newest are kept")
                .into(),
        );
    }
    let format = read.format;
    let settings = Settings {
        live: LiveOptions {
            host_name: args.host_name,
            by: args.incident_by,
        },
        watermark: args.watermark,
        is_simulated: context.is_simulated(),
        read,
    };
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    tokio::spawn(async move {
        if signal.await.is_some() {
            stopped.store(true, Ordering::Relaxed);
        }
    });
    let kinds = inputs
        .iter()
        .map(|(name, input)| (name.clone(), input.kind()));
    let mut watcher = Watcher::new(context.engine.clone(), model, kinds, settings);
    let mut deliveries = None;
    let limits = StoreLimits {
        incidents_per_day: args.incidents_per_day,
        keep: Keep {
            days: args.keep_days,
            bytes: args.keep_size,
        },
    };
    let positions = match &args.store {
        None => vec![None; inputs.len()],
        Some(path) => {
            let mut store = Store::open(path, limits)?;
            let writes_file = args.alerts.is_some();
            deliveries = Some(receivers::begin(
                context,
                &view,
                &args.receivers,
                &mut store,
                writes_file,
            )?);
            watcher.keep_in(store)?
        }
    };
    models::follow(args.model, context.storage()?, watcher.models())?;
    onlookers::begin(context, args.metrics, args.store, &watcher.status())?;
    view.follow(watcher.status());
    let queue = Arc::new(Queue::new(inputs.len(), QUEUE_BYTES));
    let mut listening = Vec::new();
    for (at, ((name, input), from)) in inputs.into_iter().zip(positions).enumerate() {
        let queue = Arc::clone(&queue);
        let listens = input.kind() == InputKind::Listening;
        let reader = thread::spawn(move || match input {
            Input::Stream(stream, _) => read_stream(&queue, at, &name, stream, format),
            Input::Followed => follow(&queue, at, &name, format, from.as_ref()),
            Input::Listening(listener) => listener.serve(&queue, at, format),
            Input::Sensor(started) => sensor::read(started, Feed::new(&queue, at)),
        });
        // A thread that waits for a pipe cannot be woken: it ends with the process.
        if listens {
            listening.push(reader);
        }
    }
    let closed = Arc::clone(&reports.closed);
    let watched = context.blocking(move |_| {
        let mut reports = reports;
        let watched = watcher.run(&queue, &stop, &mut reports);
        // The queue is closed now, which ends listeners, and they take their sockets away.
        for listener in listening {
            let _ = listener.join();
        }
        watched
    });
    let watched = watched.await;
    view.end();
    onlookers::end();
    if let Some(deliveries) = deliveries {
        let time = match &watched {
            Ok(summary) if summary.end == End::InputsOver => LAST_DELIVERIES,
            _ => LAST_DELIVERIES_OF_STOPPED,
        };
        receivers::finish(context, deliveries, time);
    }
    match watched {
        Err(_) if closed.load(Ordering::Relaxed) => Err(Failure::OutputClosed),
        watched => context.show(&Watched(watched?)),
    }
}

/// An input.
enum Input {
    /// It is read to its end: a pipe or a file.
    Stream(Box<dyn Read + Send>, InputKind),
    /// A file that is read on as it grows.
    Followed,
    /// Others send it events.
    Listening(Listener),
    /// The sensor of this program.
    Sensor(Started),
}

impl Input {
    fn kind(&self) -> InputKind {
        match self {
            Self::Stream(_, kind) => *kind,
            Self::Followed => InputKind::Followed,
            Self::Listening(_) => InputKind::Listening,
            Self::Sensor(_) => InputKind::Sensor,
        }
    }
}

/// Opens the inputs.
///
/// # Errors
/// Fails when an input is named twice, cannot be opened or is no local file, and when an address cannot be listened at.
fn open_all(context: &Context, args: &Watch) -> Result<Vec<(PathBuf, Input)>, Failure> {
    let mut inputs: Vec<(PathBuf, Input)> = Vec::new();
    for name in &args.inputs {
        if inputs.iter().any(|(known, _)| known == name) {
            let name = name.display();
            return Err(Error::usage(format!("{name}: the input is named twice")).into());
        }
        inputs.push((name.clone(), open(context, name, args.follow)?));
    }
    let token = args.listen_token_file.as_deref();
    let token = token.map(Token::from_file).transpose()?;
    if token.is_some()
        && !args
            .listen
            .iter()
            .any(|one| matches!(one, ListenAddress::Http(_)))
    {
        return Err(
            Error::usage("--listen-token-file: only senders over HTTP have a token")
                .hint("leave it out, or listen at http://IP:PORT")
                .into(),
        );
    }
    for address in &args.listen {
        let listener = Listener::bind(address, token.as_ref())?;
        let place = listener.place();
        let path = match address {
            ListenAddress::Http(_) => "/events",
            ListenAddress::Tcp(_) | ListenAddress::Unix(_) => "",
        };
        context.remark(&format!("note: events are taken at {place}{path}"));
        inputs.push((listener.name().to_owned(), Input::Listening(listener)));
    }
    Ok(inputs)
}

/// Checks the options of the sensor.
///
/// # Errors
/// Fails when there are options of a sensor without one, and when a format is given for its events.
fn check_sensor(context: &Context, args: &Watch) -> Result<(), Error> {
    if !args.sensor && args.filter != SensorFilter::default() {
        return Err(Error::usage(
            "--cgroup, --container, --mount-namespace and --user: the sensor filters with them",
        )
        .hint("add --sensor, or leave them out"));
    }
    if args.sensor && context.global().format.is_some() {
        return Err(
            Error::usage("--format: the events of the sensor have a format of their own")
                .hint("leave it out, or watch other inputs with it in another process"),
        );
    }
    Ok(())
}

/// Opens an input. A file that is followed need not be there yet.
fn open(context: &Context, name: &Path, is_followed: bool) -> Result<Input, Failure> {
    let shown = name.display();
    if name == Path::new(STANDARD_INPUT) {
        return Ok(Input::Stream(Box::new(io::stdin()), InputKind::Pipe));
    }
    if is_url(&name.to_string_lossy()) {
        let refused = Error::usage(format!("{shown}: a watch reads files and standard input"));
        return Err(refused
            .hint("data that is complete is read by honeyguide incidents")
            .into());
    }
    if name.is_dir() {
        return Err(Error::usage(format!("{shown}: this is a folder"))
            .hint("name the files in it")
            .into());
    }
    if name.with_file_name(marks::SIMULATED).exists() {
        context.mark_simulated();
    }
    let file = match File::open(name) {
        Err(error) if is_followed && error.kind() == io::ErrorKind::NotFound => {
            context.remark(&format!(
                "note: {shown} is not there yet; the watch waits for it"
            ));
            return Ok(Input::Followed);
        }
        opened => opened.map_err(|error| Error::io("open", name, error))?,
    };
    let kind = match file.metadata() {
        Ok(meta) if meta.is_file() => InputKind::File,
        _ => InputKind::Pipe,
    };
    Ok(match is_followed {
        true => Input::Followed,
        false => Input::Stream(Box::new(file), kind),
    })
}

/// Where something is written, and its name.
type Out = (PathBuf, Box<dyn Write + Send>);

/// Where changes are reported.
struct Reports {
    /// Where people read them.
    shown: Option<Out>,
    /// The file of alerts.
    file: Option<Out>,
    /// Whether notes are left out.
    is_quiet: bool,
    /// Whether the reader of standard output has closed it.
    closed: Arc<AtomicBool>,
    view: View,
}

impl Reports {
    fn open(context: &Context, args: &Watch, view: View) -> Result<Self, Failure> {
        let standard_output = || -> Out { ("standard output".into(), Box::new(io::stdout())) };
        let file: Option<Out> = match &args.alerts {
            Some(path) if path == Path::new("-") => {
                context.take_output();
                Some(standard_output())
            }
            Some(path) => {
                if args.inputs.contains(path) || args.model == *path {
                    let path = path.display();
                    return Err(
                        Error::usage(format!("--alerts {path}: this file is an input"))
                            .hint("choose another name: alerts are appended to it")
                            .into(),
                    );
                }
                let file = appended(path).map_err(|error| Error::io("open", path, error))?;
                Some((path.clone(), Box::new(file)))
            }
            None => None,
        };
        Ok(Self {
            shown: (file.is_none() && !context.json()).then(standard_output),
            file,
            is_quiet: context.global().quiet,
            closed: Arc::default(),
            view,
        })
    }

    /// Prints a line for people.
    fn print(&self, line: &str) {
        let print = || -> io::Result<()> { writeln!(io::stderr(), "{}", printable(line)) };
        // A line that cannot be written ends no watch.
        let _ = self.view.print(print);
    }

    /// Returns the error of a write to `path`, and notes whether a reader has closed it.
    fn failed(&self, path: &Path, error: io::Error) -> Error {
        let is_closed = error.kind() == io::ErrorKind::BrokenPipe;
        self.closed.store(is_closed, Ordering::Relaxed);
        Error::io("write to", path, error)
    }
}

/// Writes a text at once.
fn write_to((path, out): &mut Out, text: &[u8]) -> Result<(), (PathBuf, io::Error)> {
    let written = out.write_all(text).and_then(|()| out.flush());
    written.map_err(|error| (path.clone(), error))
}

/// Opens a file to append lines to it. A line that was cut off is ended first.
fn appended(path: &Path) -> io::Result<File> {
    let mut file = File::options()
        .create(true)
        .read(true)
        .append(true)
        .open(path)?;
    let length = file.metadata()?.len();
    let mut last = [0];
    if length > 0 && file.metadata()?.is_file() {
        file.read_exact_at(&mut last, length - 1)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

impl Report for Reports {
    fn show(&mut self, changes: &[Change], times_are_dates: Option<bool>) -> Result<(), Error> {
        let Some(out) = self.shown.as_mut().filter(|_| !changes.is_empty()) else {
            return Ok(());
        };
        let mut lines = Vec::new();
        let printed = changes
            .iter()
            .try_for_each(|change| print_change(change, times_are_dates, &mut lines));
        let written = match printed {
            Ok(()) => self.view.print(|| write_to(out, &lines)),
            Err(error) => Err((out.0.clone(), error)),
        };
        written.map_err(|(path, error)| self.failed(&path, error))
    }

    fn has_file(&self) -> bool {
        self.file.is_some()
    }

    fn model(&mut self, model: Result<&Model, &Error>) {
        match model {
            Ok(model) => {
                let origin = model.origin().map(|origin| origin.sha256.as_str());
                let shown = origin.unwrap_or("not from a file");
                if !self.is_quiet {
                    self.print(&format!(
                        "note: the model was replaced; its SHA-256 is {shown}"
                    ));
                }
            }
            Err(error) => self.warn(&format!("the model is not replaced: {error}")),
        }
    }

    fn warn(&mut self, text: &str) {
        self.print(&format!("warning: {text}"));
    }

    fn write(&mut self, alerts: &[&str]) -> Result<(), Error> {
        let Some(out) = self.file.as_mut().filter(|_| !alerts.is_empty()) else {
            return Ok(());
        };
        let lines: String = alerts.iter().flat_map(|alert| [*alert, "\n"]).collect();
        write_to(out, lines.as_bytes()).map_err(|(path, error)| self.failed(&path, error))
    }
}

impl Outcome for Watched {
    const FORMAT: JsonFormat = json::WATCH;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Summary {
            end,
            ledger,
            anomalous,
            late,
            early,
            gaps,
            incidents,
            forgotten_hosts,
            clock_jumps,
            bad_records,
            first_unusable,
            beyond_budget,
            ..
        } = &self.0;
        writeln!(
            out,
            "\n{}",
            match end {
                End::InputsOver => "All inputs are over.",
                End::Stopped => "The watch was stopped.",
            }
        )?;
        writeln!(
            out,
            "{} received: {} scored, {} malformed, {} without an event, {} unusable, {} refused, {} lost, {} not scored.",
            of_them(ledger.received, "record", "records"),
            count(ledger.scored),
            count(ledger.malformed),
            count(ledger.dropped.no_event),
            count(ledger.dropped.unusable),
            count(ledger.dropped.refused),
            count(ledger.dropped.lost),
            count(ledger.dropped.stopped + ledger.in_flight),
        )?;
        writeln!(
            out,
            "{} found.",
            of_them(*incidents, "incident", "incidents")
        )?;
        if *beyond_budget > 0 {
            let beyond = of_them(*beyond_budget, "incident is", "incidents are");
            writeln!(
                out,
                "{beyond} beyond the budget of the day: stored, not in alerts. --incidents-per-day sets it."
            )?;
        }
        if *late > 0 {
            let late = of_them(*late, "event", "events");
            writeln!(out, "{late} came late: --watermark waits for longer.")?;
        }
        if *early > 0 {
            let early = of_them(*early, "event", "events");
            writeln!(
                out,
                "{early} waited for a shorter time than --watermark, because too many waited."
            )?;
        }
        if let Some(last) = gaps.last() {
            let found = of_them(gaps.len() as u64, "gap", "gaps");
            let last = format!("{}: {}", last.input, last.cause);
            let last = printable(&last);
            writeln!(out, "{found}: events may be missing. The last of {last}.")?;
        }
        if *forgotten_hosts > 0 {
            let hosts = of_them(*forgotten_hosts, "host", "hosts");
            writeln!(out, "{hosts} forgotten, because there were too many.")?;
        }
        if *clock_jumps > 0 {
            let times = of_them(*clock_jumps, "time", "times");
            writeln!(
                out,
                "The clock of a host went back {times}, which ended its incidents."
            )?;
        }
        if let Some(why) = first_unusable {
            writeln!(out, "The first unusable event: {}", printable(why))?;
        }
        for bad in bad_records.iter().rev().take(SHOWN_BAD) {
            let line = format!("{}: record {}: {}", bad.input, bad.record, bad.reason);
            writeln!(out, "malformed: {}", printable(&line))?;
        }
        print_anomalous(*anomalous, ledger.scored, out)
    }
}
