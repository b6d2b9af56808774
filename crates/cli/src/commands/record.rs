//! `honeyguide record`.

use crate::args::Record;
use crate::context::Context;
use crate::failure::Failure;
use crate::sensing::Started;

#[cfg(feature = "sensor")]
pub use with::run;

/// Never runs, since nothing can have been started.
#[cfg(not(feature = "sensor"))]
pub async fn run(_: &Context, _: Record, started: Started) -> Result<(), Failure> {
    match started.0 {}
}

#[cfg(feature = "sensor")]
mod with {
    use std::io::{self, Write};
    use std::path::PathBuf;
    use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

    use honeyguide::Error;
    use honeyguide::output::create_folder;
    use honeyguide::recording::RecordingFile;
    use sensor::{Counts, Event, Sensor};
    use serde::Serialize;

    use super::{Context, Failure, Record, Started};
    use crate::context::Outcome;
    use crate::json::{self, JsonFormat};
    use crate::render::{count, of_them, printable};
    use crate::sensing::{PERIOD, absent_events, boot_id, failed, values};
    use crate::signals::stop_signal;

    /// The size at which another file is begun, in bytes before compression.
    const ROTATE: u64 = 256 << 20;
    /// The bytes of an event beside its texts, before compression.
    const EVENT_BYTES: u64 = 128;

    /// What was recorded.
    #[derive(Serialize)]
    pub struct Recording {
        /// The files that were written.
        files: Vec<RecordedFile>,
        /// How long was recorded.
        seconds: f64,
        #[serde(flatten)]
        description: Description,
    }

    /// One file of a recording.
    #[derive(Serialize)]
    struct RecordedFile {
        file: PathBuf,
        /// The number of rows.
        rows: u64,
    }

    /// What is said about a recording in the metadata of each file: the counts from the beginning up to the file's end.
    #[derive(Serialize)]
    struct Description {
        boot_id: String,
        /// The events that happened: those that were read and those that were lost.
        emitted: u64,
        read: u64,
        lost: u64,
        /// The texts that were longer than 4,095 bytes and were cut.
        cut_texts: u64,
        /// The events of BETH that are not recorded on this kernel.
        absent_events: Vec<&'static str>,
        processors: Vec<Processor>,
    }

    /// The counts of one processor. Events are lost only where the ring buffer is full.
    #[derive(Serialize)]
    struct Processor {
        processor: usize,
        emitted: u64,
        lost: u64,
    }

    /// Records until the time is over or a signal arrives.
    pub async fn run(context: &Context, args: Record, started: Started) -> Result<(), Failure> {
        let mut sensor = started.0;
        context.remark(&absent_events(&sensor));
        let begin = Instant::now();
        let end = args
            .seconds
            .map(|seconds| begin + Duration::from_secs(seconds));
        let mut stop = std::pin::pin!(stop_signal());
        let mut recorder = Recorder::new(context, &args)?;
        loop {
            let read = recorder.read_period(&mut sensor)?;
            if end.is_some_and(|end| Instant::now() >= end) {
                break;
            }
            // While much arrives, the ring buffer fills again at once.
            let pause = if read > 0 { PERIOD } else { 2 * PERIOD };
            tokio::select! {
                biased;
                _ = &mut stop => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        let recording = recorder.finish(&mut sensor, begin)?;
        drop(sensor);
        context.remark(&recording.description.sentence());
        context.show(&recording)
    }

    /// The files of a recording.
    struct Recorder<'c> {
        context: &'c Context,
        out: PathBuf,
        is_folder: bool,
        rotate: u64,
        boot_id: String,
        /// When the recording began, in seconds since 1970: part of the names of files in a folder.
        began: u64,
        file: Option<(PathBuf, RecordingFile)>,
        /// The bytes of the events in the file.
        bytes: u64,
        files: Vec<RecordedFile>,
        read: u64,
    }

    impl<'c> Recorder<'c> {
        fn new(context: &'c Context, args: &Record) -> Result<Self, Failure> {
            let is_folder = args.is_folder();
            if is_folder {
                create_folder(&args.out)?;
            }
            let boot_id = boot_id()?;
            let began = SystemTime::now().duration_since(UNIX_EPOCH);
            let mut recorder = Self {
                context,
                out: args.out.clone(),
                is_folder,
                rotate: args.rotate.unwrap_or(ROTATE),
                boot_id,
                began: began.map_or(0, |time| time.as_secs()),
                file: None,
                bytes: 0,
                files: Vec::new(),
                read: 0,
            };
            recorder.begin_file()?;
            Ok(recorder)
        }

        fn begin_file(&mut self) -> Result<(), Failure> {
            let number = self.files.len() + 1;
            let path = match self.is_folder {
                true => self
                    .out
                    .join(format!("calls-{}-{number:05}.parquet", self.began)),
                false => self.out.clone(),
            };
            let destination = self.context.destination(&path)?;
            let path = destination.path().to_owned();
            self.file = Some((path, RecordingFile::create(destination)?));
            self.bytes = 0;
            Ok(())
        }

        /// Writes the events that have arrived, for a period at most, and returns their number.
        fn read_period(&mut self, sensor: &mut Sensor) -> Result<u64, Failure> {
            let since = Instant::now();
            let mut all = 0;
            while since.elapsed() < PERIOD {
                match self.read(sensor)? {
                    0 => break,
                    read => all += read,
                }
            }
            Ok(all)
        }

        /// Writes some events that have arrived, and returns their number.
        fn read(&mut self, sensor: &mut Sensor) -> Result<u64, Failure> {
            let mut writing = Ok(());
            let read = sensor.read(&mut |event| self.write(event, &mut writing));
            writing?;
            self.read += read;
            if self.is_folder && self.bytes >= self.rotate {
                let counts = sensor.counts().map_err(failed)?;
                let description = self.description(&counts, sensor.absent_events());
                self.end_file(&description)?;
            }
            Ok(read)
        }

        /// Writes an event, unless one before it could not be written. The file that follows a full one begins with its
        /// first event, so that no file but the first can be empty.
        fn write(&mut self, event: &Event<'_>, writing: &mut Result<(), Failure>) {
            if writing.is_ok() && self.file.is_none() {
                *writing = self.begin_file();
            }
            if let (Ok(()), Some((_, file))) = (&writing, &mut self.file) {
                let written = file.write(values(event, &self.boot_id));
                *writing = written.map_err(Failure::from);
                self.bytes += EVENT_BYTES + event.arguments.len() as u64;
            }
        }

        fn end_file(&mut self, description: &Description) -> Result<(), Failure> {
            if let Some((path, file)) = self.file.take() {
                let rows = file.events();
                let text = serde_json::to_string(description);
                let text = text.map_err(|error| Error::internal(error.to_string()))?;
                file.finish(&text)?;
                self.files.push(RecordedFile { file: path, rows });
            }
            Ok(())
        }

        fn description(&self, counts: &[Counts], absent: &[&'static str]) -> Description {
            let processors = counts.iter().enumerate();
            Description {
                boot_id: self.boot_id.clone(),
                emitted: counts.iter().map(|counts| counts.emitted).sum(),
                read: self.read,
                lost: counts.iter().map(|counts| counts.lost).sum(),
                cut_texts: counts.iter().map(|counts| counts.cut_texts).sum(),
                absent_events: absent.to_vec(),
                processors: processors
                    .map(|(processor, counts)| Processor {
                        processor,
                        emitted: counts.emitted,
                        lost: counts.lost,
                    })
                    .collect(),
            }
        }

        /// Ends the recording and completes the last file.
        fn finish(mut self, sensor: &mut Sensor, begin: Instant) -> Result<Recording, Failure> {
            let mut writing = Ok(());
            let counts = sensor.finish(&mut |event| self.write(event, &mut writing));
            let counts = counts.map_err(failed)?;
            writing?;
            let seconds = begin.elapsed().as_secs_f64();
            let mut description = self.description(&counts, sensor.absent_events());
            description.read = description.emitted - description.lost;
            self.end_file(&description)?;
            Ok(Recording {
                files: self.files,
                seconds,
                description,
            })
        }
    }

    impl Description {
        /// Says whether the recording is whole.
        fn sentence(&self) -> String {
            let Self {
                emitted,
                read,
                lost,
                ..
            } = self;
            let mut text = format!(
                "{} happened: {} were read, {} were lost",
                of_them(*emitted, "event", "events"),
                count(*read),
                count(*lost)
            );
            for processor in self.processors.iter().filter(|counts| counts.lost > 0) {
                text += &format!(
                    "\n  processor {}: {} of {} lost, because the ring buffer was full",
                    processor.processor,
                    count(processor.lost),
                    count(processor.emitted)
                );
            }
            if self.cut_texts > 0 {
                let texts = of_them(self.cut_texts, "text was", "texts were");
                text += &format!("\n{texts} longer than 4,095 bytes and cut");
            }
            text
        }
    }

    impl Outcome for Recording {
        const FORMAT: JsonFormat = json::RECORDING;

        fn print(&self, out: &mut dyn Write) -> io::Result<()> {
            for RecordedFile { file, rows } in &self.files {
                let rows = of_them(*rows, "row", "rows");
                writeln!(
                    out,
                    "{rows} written to {}",
                    printable(&file.display().to_string())
                )?;
            }
            writeln!(out, "recorded for {:.1} s", self.seconds)
        }
    }
}
