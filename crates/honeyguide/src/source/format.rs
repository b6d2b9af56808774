//! How the rows of a file are written: known from its name, from the caller, or from its first bytes.

use std::str::FromStr;

use crate::log::Dialect;
use crate::log::zeek_tsv::is_tsv;
use crate::output::TableFormat;

/// The format of a file's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Comma-separated text with a header line.
    Csv(Compression),
    /// Newline-delimited JSON: one object per line.
    Json(Compression),
    /// Lines in the form of a program, read as the columns of BETH: newline-delimited JSON, or Zeek's own format.
    Dialect(Dialect, Compression),
    /// Apache Parquet.
    Parquet,
    /// The file format of Apache Arrow IPC, also known as Feather version 2.
    Arrow,
}

/// The compression of a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// No compression.
    None,
    /// gzip with one or more members.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// The endings of names and the formats that they mean, without those of [`COMPRESSED`].
const ENDINGS: [(&str, Format); 8] = [
    (".csv", Format::Csv(Compression::None)),
    (".parquet", Format::Parquet),
    (".arrow", Format::Arrow),
    (".feather", Format::Arrow),
    (".ipc", Format::Arrow),
    (".ndjson", Format::Json(Compression::None)),
    (".jsonl", Format::Json(Compression::None)),
    (".json", Format::Json(Compression::None)),
];

/// The endings of the names of compressed text files, and the bytes that they begin with (RFC 1952, section 2.3.1; RFC
/// 8878, section 3.1.1).
const COMPRESSED: [(&str, Compression, &[u8]); 2] = [
    (".gz", Compression::Gzip, &[0x1f, 0x8b]),
    (".zst", Compression::Zstd, &[0x28, 0xb5, 0x2f, 0xfd]),
];

/// The number of bytes of a file that [`Format::sniff`] needs.
pub(super) const SNIFFED_BYTES: usize = 16;

impl Format {
    /// Returns the format that the ending of a file's name means.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let (plain, compression) = COMPRESSED
            .iter()
            .find_map(|(ending, compression, _)| Some((name.strip_suffix(ending)?, *compression)))
            .unwrap_or((&name, Compression::None));
        let (_, format) = ENDINGS.iter().find(|(ending, _)| plain.ends_with(ending))?;
        match compression {
            Compression::None => Some(*format),
            _ => format.is_text().then(|| format.compressed(compression)),
        }
    }

    /// Returns the format that the first bytes of a file tell, as [`told`](Self::told) does. Anything else is taken for CSV.
    pub(crate) fn sniff(start: &[u8]) -> Self {
        Self::told(start).unwrap_or(Self::Csv(Compression::None))
    }

    /// Returns the format that the first bytes of a file tell beyond doubt: binary formats have magic bytes, JSON has a
    /// brace, and Zeek's own format a name. CSV may begin with anything.
    pub(super) fn told(start: &[u8]) -> Option<Self> {
        if start.starts_with(b"PAR1") {
            return Some(Self::Parquet);
        }
        if start.starts_with(b"ARROW1") {
            return Some(Self::Arrow);
        }
        let text = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start);
        match text.trim_ascii_start() {
            [b'{', ..] => Some(Self::Json(Compression::None)),
            text if is_tsv(text) == Some(true) => {
                Some(Self::Dialect(Dialect::Zeek, Compression::None))
            }
            _ => None,
        }
    }

    /// Returns the name of the format, whatever the compression.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Json(_) => "ndjson",
            Self::Dialect(dialect, _) => dialect.name(),
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }

    /// Returns the dialect of lines of JSON; `None` for any objects, and for other formats.
    pub(super) fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Dialect(dialect, _) => Some(dialect),
            _ => None,
        }
    }

    /// Returns whether the rows are text, which may be compressed.
    pub(crate) fn is_text(self) -> bool {
        !matches!(self, Self::Parquet | Self::Arrow)
    }

    /// Returns how the whole file is compressed. Parquet and Arrow files are compressed in parts.
    pub(super) fn compression(self) -> Compression {
        match self {
            Self::Csv(compression) | Self::Json(compression) | Self::Dialect(_, compression) => {
                compression
            }
            Self::Parquet | Self::Arrow => Compression::None,
        }
    }

    /// Returns the same format of text with this compression. Binary formats stay as they are.
    pub(super) fn compressed(self, compression: Compression) -> Self {
        match self {
            Self::Csv(_) => Self::Csv(compression),
            Self::Json(_) => Self::Json(compression),
            Self::Dialect(dialect, _) => Self::Dialect(dialect, compression),
            binary => binary,
        }
    }
}

impl From<Format> for TableFormat {
    /// Returns the format in which rows of this format are written. Those of a dialect are written as plain JSON.
    fn from(format: Format) -> Self {
        match format {
            Format::Csv(_) => Self::Csv,
            Format::Json(_) | Format::Dialect(..) => Self::Json,
            Format::Parquet => Self::Parquet,
            Format::Arrow => Self::Arrow,
        }
    }
}

/// Parses `csv`, `ndjson` (or `json`, `jsonl`), the name of a [`Dialect`], `parquet`, and `arrow` (or `feather`, `ipc`). The compression
/// is found out from the data.
impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "csv" => Ok(Self::Csv(Compression::None)),
            "ndjson" | "json" | "jsonl" => Ok(Self::Json(Compression::None)),
            "parquet" => Ok(Self::Parquet),
            "arrow" | "feather" | "ipc" => Ok(Self::Arrow),
            _ => {
                let dialect = Dialect::ALL
                    .into_iter()
                    .find(|dialect| dialect.name() == name);
                dialect
                    .map(|dialect| Self::Dialect(dialect, Compression::None))
                    .ok_or_else(|| {
                        "must be csv, ndjson, tracee, eve, zeek, parquet or arrow".into()
                    })
            }
        }
    }
}

impl Compression {
    /// Returns the compression that the first bytes of a file tell.
    pub(crate) fn sniff(start: &[u8]) -> Self {
        COMPRESSED
            .iter()
            .find(|(.., magic)| start.starts_with(magic))
            .map_or(Self::None, |(_, compression, _)| *compression)
    }
}

/// Returns the endings of names that tell a format, for messages.
pub(super) fn endings() -> String {
    let names: Vec<_> = ENDINGS.iter().map(|(ending, _)| *ending).collect();
    format!("{}; text may be compressed: .gz, .zst", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_formats() {
        for (name, expected) in [
            ("a.csv", Some(Format::Csv(Compression::None))),
            ("a.CSV.GZ", Some(Format::Csv(Compression::Gzip))),
            ("a.jsonl.zst", Some(Format::Json(Compression::Zstd))),
            ("a.feather", Some(Format::Arrow)),
            ("a.parquet.gz", None),
            ("a.gz", None),
            ("csv", None),
        ] {
            assert_eq!(Format::of_name(name), expected, "{name}");
        }
    }

    #[test]
    fn first_bytes_tell_formats() {
        for (start, expected) in [
            (&b"PAR1...."[..], Format::Parquet),
            (b"ARROW1\0\0", Format::Arrow),
            (b"\xEF\xBB\xBF {\"a\":1}", Format::Json(Compression::None)),
            (
                b"#separator \\x09",
                Format::Dialect(Dialect::Zeek, Compression::None),
            ),
            (b"a,b\n", Format::Csv(Compression::None)),
            (b"#separators,b\n", Format::Csv(Compression::None)),
            (b"", Format::Csv(Compression::None)),
        ] {
            assert_eq!(Format::sniff(start), expected);
        }
        assert_eq!(Compression::sniff(b"\x1f\x8b\x08"), Compression::Gzip);
        assert_eq!(Compression::sniff(b"\x28\xb5\x2f\xfd"), Compression::Zstd);
    }
}
