//! The records of the kernel part, as bytes. The layout is that of `bpf/sensor.bpf.c`.

use crate::calls::CALLS;

/// The number of bytes of `struct header`.
const HEADER_BYTES: usize = 200;
/// The number of bytes before a text: its argument, its kind and its length.
const TEXT_HEADER_BYTES: usize = 4;
/// The flag of a text that the kernel could not read.
const UNREADABLE: u8 = 0x80;
/// The bits of a text's kind without its flags.
const KIND: u8 = 0x3F;

/// What a record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// A system call, by its number for 64-bit programs.
    Call(u32),
    /// A system call, by its number for 32-bit programs.
    CompatCall(u32),
    Exec,
    Exit,
    FileOpen,
    BprmCheck,
    /// The program and the cgroup of a process.
    Process,
}

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextKind {
    Text,
    Bytes,
    /// A component of a path, the last one first.
    Path,
    /// A component of a cgroup's path, the last one first.
    Cgroup,
    Argv,
}

/// A text of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawText<'r> {
    pub argument: usize,
    pub kind: TextKind,
    /// `None` if the kernel could not read it.
    pub bytes: Option<&'r [u8]>,
}

/// A record.
#[derive(Debug)]
pub(crate) struct RawRecord<'r> {
    pub time: u64,
    pub start: u64,
    /// The number of events that were lost on this processor before this one.
    pub lost: u64,
    pub returned: i64,
    pub arguments: [u64; 6],
    pub record: Record,
    pub process: u32,
    pub thread: u32,
    pub parent: u32,
    pub user: u32,
    pub mounts: u32,
    pub processor: u32,
    pub name: &'r [u8],
    pub host: &'r [u8],
    data: &'r [u8],
}

impl<'r> RawRecord<'r> {
    /// Parses a record; returns `None` if it is too short or of an unknown kind.
    pub fn parse(bytes: &'r [u8]) -> Option<Self> {
        let (header, data) = bytes.split_at_checked(HEADER_BYTES)?;
        let long = |at: usize| u64::from_ne_bytes(*header[at..].first_chunk().unwrap_or(&[0; 8]));
        let int = |at: usize| u32::from_ne_bytes(*header[at..].first_chunk().unwrap_or(&[0; 4]));
        let record = match int(88) {
            number if number < CALLS => Record::Call(number),
            number if number < 2 * CALLS => Record::CompatCall(number - CALLS),
            2000 => Record::Exec,
            2001 => Record::Exit,
            2002 => Record::FileOpen,
            2003 => Record::BprmCheck,
            2004 => Record::Process,
            _ => return None,
        };
        Some(Self {
            time: long(0),
            start: long(8),
            lost: long(24),
            returned: long(32) as i64,
            arguments: [40, 48, 56, 64, 72, 80].map(long),
            record,
            process: int(92),
            thread: int(96),
            parent: int(100),
            user: int(104),
            mounts: int(108),
            processor: int(112),
            name: until_nul(&header[120..136]),
            host: until_nul(&header[136..200]),
            data: data.get(..int(116) as usize)?,
        })
    }

    /// Returns the texts of the record, in the order in which they were read.
    pub fn texts(&self) -> impl DoubleEndedIterator<Item = RawText<'r>> + Clone {
        let mut texts = Vec::new();
        let mut rest = self.data;
        while let Some((&[argument, kind, low, high], after)) =
            rest.split_first_chunk::<TEXT_HEADER_BYTES>()
        {
            let length = usize::from(u16::from_le_bytes([low, high]));
            let Some((bytes, after)) = after.split_at_checked(length) else {
                break;
            };
            rest = after;
            let text_kind = match kind & KIND {
                1 => TextKind::Text,
                2 => TextKind::Bytes,
                3 => TextKind::Path,
                4 => TextKind::Cgroup,
                5 => TextKind::Argv,
                _ => break,
            };
            let is_bytes = text_kind == TextKind::Bytes;
            let bytes = if is_bytes { bytes } else { until_nul(bytes) };
            texts.push(RawText {
                argument: usize::from(argument),
                kind: text_kind,
                bytes: (kind & UNREADABLE == 0).then_some(bytes),
            });
        }
        texts.into_iter()
    }

    /// Returns the text of an argument.
    pub fn text(&self, argument: usize) -> Option<&'r [u8]> {
        let mut texts = self.texts();
        texts.find(|text| text.argument == argument)?.bytes
    }

    /// Returns the path whose components have the kind `kind`; `None` if there are none.
    pub fn path(&self, kind: TextKind) -> Option<Vec<u8>> {
        let mut path = Vec::new();
        for component in self.texts().filter(|text| text.kind == kind).rev() {
            path.push(b'/');
            path.extend_from_slice(component.bytes.unwrap_or_default());
        }
        (!path.is_empty()).then_some(path)
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}
