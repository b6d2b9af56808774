//! The sensor as `record` and `watch` use it.

use crate::args::Command;
use crate::failure::Failure;

#[cfg(feature = "sensor")]
pub use with::*;

/// What is started before there are threads. There is none without the feature `sensor`.
#[cfg(not(feature = "sensor"))]
pub struct Started(pub std::convert::Infallible);

/// Starts nothing, or fails with a hint on how to build a program that has the sensor.
///
/// # Errors
/// Fails if `command` needs the sensor.
#[cfg(not(feature = "sensor"))]
pub fn start(command: &Command) -> Result<Option<Started>, Failure> {
    if !command.needs_sensor() {
        return Ok(None);
    }
    Err(
        honeyguide::Error::usage("this honeyguide was built without the sensor")
            .hint(
                "build one with it, in its source folder: cargo install --locked --path crates/cli",
            )
            .into(),
    )
}

#[cfg(feature = "sensor")]
mod with {
    use std::path::Path;
    use std::time::Duration;

    use honeyguide::Error;
    use honeyguide::recording::Recorded;
    use sensor::{Event, Filter, Sensor, SensorError};

    use super::{Command, Failure};
    use crate::args::SensorFilter;

    /// The time between two looks into the ring buffer.
    pub const PERIOD: Duration = Duration::from_millis(10);
    /// The file with the identifier of the boot, which tells apart times and processes of two boots.
    const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

    /// A sensor that has been started.
    pub struct Started(pub Box<Sensor>);

    /// Starts the sensor if `command` needs it. It is started while there is only one thread, so that all threads
    /// lack the capabilities that it gives up.
    ///
    /// # Errors
    /// Fails when the destination of a recording cannot be, and when the kernel refuses the sensor.
    pub fn start(command: &Command) -> Result<Option<Started>, Failure> {
        let (filter, files) = match command {
            Command::Record(args) => {
                args.check_destination()?;
                (&args.filter, vec![args.out.as_path()])
            }
            Command::Watch(args) if args.sensor => (&args.filter, args.written_files()),
            _ => return Ok(None),
        };
        let SensorFilter {
            cgroup,
            container,
            mount_namespace,
            user,
        } = filter.clone();
        let filter = Filter {
            cgroup,
            container,
            mount_namespace,
            user,
        };
        let sensor = Sensor::start(&filter).map_err(failed)?;
        let are_foreign = files.into_iter().any(is_of_another_user);
        sensor.drop_capabilities(are_foreign).map_err(failed)?;
        Ok(Some(Started(Box::new(sensor))))
    }

    /// Says which events of BETH the sensor does not record on this kernel.
    pub fn absent_events(sensor: &Sensor) -> String {
        let absent = sensor.absent_events().join(", ");
        format!("note: events that are not recorded here: {absent}")
    }

    /// Returns the identifier of the boot.
    ///
    /// # Errors
    /// Fails when the kernel does not tell.
    pub fn boot_id() -> Result<String, Error> {
        let text = std::fs::read_to_string(BOOT_ID);
        let text = text.map_err(|error| Error::io("read", Path::new(BOOT_ID), error))?;
        Ok(text.trim().to_owned())
    }

    /// Returns whether the nearest folder of `out` that exists belongs to another user, so that writing there takes the
    /// capabilities of root.
    fn is_of_another_user(out: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let absolute = std::path::absolute(out).unwrap_or_else(|_| out.to_owned());
        let owner = absolute
            .ancestors()
            .filter(|path| path.is_dir())
            .find_map(|path| path.metadata().ok());
        let own = Path::new("/proc/self").metadata();
        matches!((owner, own), (Some(owner), Ok(own)) if owner.uid() != own.uid())
    }

    /// Returns the error of the sensor as one of the program.
    pub fn failed(error: SensorError) -> Error {
        let message = error.to_string();
        match error.hint_text() {
            Some(hint) => Error::data(message).hint(hint),
            None => Error::data(message),
        }
    }

    /// Returns the values of an event for [`honeyguide::recording::columns`].
    pub fn values<'v>(event: &'v Event<'_>, boot_id: &'v str) -> [Recorded<'v>; 20] {
        let number = |value: u32| Recorded::Number(i64::from(value));
        let seconds = |nanoseconds: u64| Recorded::Seconds(nanoseconds as f64 / 1e9);
        [
            seconds(event.time),
            number(event.process),
            number(event.thread),
            number(event.parent),
            number(event.user),
            number(event.mount_namespace),
            Recorded::Text(Some(event.process_name)),
            Recorded::Text(Some(event.host_name)),
            Recorded::Number(event.id),
            Recorded::Text(Some(event.name)),
            // The addresses of callers are not recorded.
            Recorded::Text(Some("[]")),
            Recorded::Number(event.arguments_number),
            Recorded::Number(event.returned),
            Recorded::Text(Some(event.arguments)),
            Recorded::Text(Some(boot_id)),
            seconds(event.process_start),
            Recorded::Text(event.executable),
            Recorded::Text(event.cgroup),
            Recorded::Text(event.container),
            Recorded::Text(event.system_call),
        ]
    }
}
