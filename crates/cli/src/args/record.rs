//! `honeyguide record`.

#[cfg(feature = "sensor")]
use std::path::Path;
use std::path::PathBuf;

use clap::Args as ClapArgs;
#[cfg(feature = "sensor")]
use honeyguide::{Error, is_url, output::TableFormat};

use super::numbers::whole;

/// The longest recording, in seconds: a year.
const MOST_SECONDS: u64 = 366 * 24 * 60 * 60;
/// The least size of a file, in bytes.
const LEAST_SIZE: u64 = 1 << 20;

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  honeyguide record --out monday.parquet --seconds 3600\n  \
                  honeyguide record --out /var/log/calls --rotate 256M --container 3f2a9c\n\n\
                  A recording without --seconds goes on until Ctrl-C or SIGTERM, which complete the file. It needs root, or \
                  the capabilities CAP_BPF and CAP_PERFMON."
)]
pub struct Record {
    /// The file to write, which ends in .parquet, .arrow, .ndjson or .csv, or a folder for files of Parquet
    #[arg(long, value_name = "FILE|DIR")]
    pub out: PathBuf,
    /// Stop after N seconds [default: at Ctrl-C or SIGTERM]
    #[arg(long, value_name = "N", value_parser = whole(1, MOST_SECONDS), allow_negative_numbers = true)]
    pub seconds: Option<u64>,
    /// In a folder, begin another file when one holds about SIZE bytes of events before compression, such as 64M or 1G
    /// [default: 256M]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub rotate: Option<u64>,
    #[command(flatten)]
    pub filter: SensorFilter,
}

#[cfg(feature = "sensor")]
impl Record {
    /// Returns whether `out` names a folder: one that exists, or a name without the ending of a format.
    pub fn is_folder(&self) -> bool {
        self.out != Path::new("-") && (self.out.is_dir() || TableFormat::of(&self.out).is_err())
    }

    /// Checks what can be checked of the destination before the sensor starts.
    ///
    /// # Errors
    /// Fails when it is a folder on another machine, and when files are to follow a single one.
    pub fn check_destination(&self) -> Result<(), Error> {
        let shown = self.out.display();
        match self.is_folder() {
            true if is_url(&self.out.to_string_lossy()) => Err(Error::usage(format!(
                "{shown}: a folder of recordings is on this host"
            ))
            .hint("name a file, which ends in .parquet, .arrow, .ndjson or .csv")),
            false if self.rotate.is_some() => Err(Error::usage(format!(
                "{shown}: a file, but --rotate begins others"
            ))
            .hint("name a folder in which to write them")),
            _ => Ok(()),
        }
    }
}

/// The processes whose calls a sensor takes: all, or those of which every option that is given holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, ClapArgs)]
pub struct SensorFilter {
    /// Let the sensor take only calls of this cgroup and those below it: a folder below /sys/fs/cgroup, or its path after
    /// 0:: in /proc/PID/cgroup
    #[arg(long, value_name = "PATH", conflicts_with = "container")]
    pub cgroup: Option<PathBuf>,
    /// Let the sensor take only calls of this container: its identifier, or the first characters of it
    #[arg(long, value_name = "ID")]
    pub container: Option<String>,
    /// Let the sensor take only calls of processes in this mount namespace: the number in /proc/PID/ns/mnt
    #[arg(long, value_name = "N")]
    pub mount_namespace: Option<u32>,
    /// Let the sensor take only calls of processes of this user, by number
    #[arg(long, value_name = "UID")]
    pub user: Option<u32>,
}

/// Reads a size such as `64M`.
fn size(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.chars().last() {
        Some('K' | 'k') => (&text[..text.len() - 1], 1_u64 << 10),
        Some('M' | 'm') => (&text[..text.len() - 1], 1 << 20),
        Some('G' | 'g') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    let bytes = digits.parse::<u64>().ok();
    match bytes.and_then(|bytes| bytes.checked_mul(factor)) {
        Some(bytes) if bytes >= LEAST_SIZE => Ok(bytes),
        Some(_) => Err("must be at least 1M".into()),
        None => {
            Err("must be a whole number of bytes, with K, M or G for 1024 times as many".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("1048576"), Ok(1 << 20));
        assert_eq!(size("64M"), Ok(64 << 20));
        assert_eq!(size("2g"), Ok(2 << 30));
        for text in ["", "M", "1.5G", "-1M", "10", "99999999999G", "5T", "3é"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
