//! The target `tracee`: lines of Tracee and of other logs, whose columns and units are converted.

use std::io::Cursor;

use super::common::{accepted, lines};
use crate::log::Dialect;
use crate::source::{Compression, Format, ReadOptions, Source};

/// Reads the input as a stream, as lines of Tracee and as lines of any log.
pub fn run(input: &[u8]) {
    if Compression::sniff(input) != Compression::None {
        return;
    }
    let tracee = Format::Dialect(Dialect::Tracee, Compression::None);
    for format in [Some(tracee), None] {
        let options = ReadOptions {
            format,
            ..ReadOptions::default()
        };
        let opened = Source::from_json(Cursor::new(input.to_vec()), &options);
        let Some(mut source) = accepted(opened) else {
            continue;
        };
        let Some(found) = accepted(source.read_stream(4096)) else {
            continue;
        };
        let counts = source.counts().intake.clone().unwrap_or_default();
        if counts.dialect == Some(Dialect::Zeek) {
            // The lines of a header are no lines of the log.
            continue;
        }
        assert_eq!(counts.events, found.num_rows() as u64, "events");
        if let Some(tracee) = counts.tracee {
            let events = tracee.mapped + tracee.aliased + tracee.unknown;
            assert_eq!(events, counts.events, "events of Tracee");
        }
        let lines = lines(input).count();
        let counted = counts.events + counts.bad_lines + counts.other_lines;
        assert_eq!(counted, lines as u64, "lines");
    }
}
