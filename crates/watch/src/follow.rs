//! Following a file that grows: it is read on as it is written, also after it was renamed and begun anew (rotation), or
//! emptied.
//!
//! What is at a path is known by the file's device and inode, and by its first bytes: a file that was emptied and has
//! grown beyond the place where reading stopped is known by these alone.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use honeyguide::{Error, Format, are_csv};

use crate::input::{READ_BYTES, is_csv};
use crate::position::Position;
use crate::queue::{Queue, Restart, Sent};
use crate::records::Records;

/// The time between two looks at a file that has nothing new.
const POLL: Duration = Duration::from_millis(100);
/// The time for which a file that was renamed is still read: its writer may not have opened the new one yet.
const GRACE: Duration = Duration::from_secs(1);
/// The endings of the names of compressed files, which are not read.
const PACKED: [&[u8]; 4] = [b".gz", b".zst", b".xz", b".bz2"];
/// The most bytes of a header.
const MAX_HEADER_BYTES: u64 = 1 << 16;
/// The number of first bytes by which a file is known.
const HEAD_BYTES: usize = 256;

/// A file that is followed.
struct Followed {
    file: File,
    /// The first bytes of the file, as far as they were read.
    head: Vec<u8>,
    /// The number of bytes that were read.
    offset: u64,
    /// When the path was first seen to name another file.
    renamed: Option<Instant>,
}

/// Follows the file `path`, which is the input number `input`, and sends its records to `queue` until that is closed. A
/// file that is not there is waited for. `format` is that of the records, if it is known.
///
/// With a place where reading stopped before, it goes on there, also if the file was renamed within its folder. A file that
/// is no longer found is a gap.
pub fn follow(
    queue: &Queue,
    input: usize,
    path: &Path,
    format: Option<Format>,
    from: Option<&Position>,
) {
    if let Err(error) = followed(queue, input, path, format, from) {
        queue.send(Sent::End(input, Err(Error::io("read", path, error))));
    }
}

fn followed(
    queue: &Queue,
    input: usize,
    path: &Path,
    format: Option<Format>,
    from: Option<&Position>,
) -> io::Result<()> {
    let mut records = Records::new(is_csv(format));
    let mut buffer = vec![0; READ_BYTES];
    let mut current: Option<Followed> = match from {
        Some(from) => Followed::resumed(path, from)?,
        None => None,
    };
    if from.is_some() && current.is_none() {
        queue.send(Sent::Gap(
            input,
            "the file was replaced or emptied meanwhile",
        ));
    }
    if let Some(file) = &current {
        records.add(&file.header()?);
    }
    while !queue.is_closed() {
        let Some(file) = &mut current else {
            current = Followed::open(path)?;
            if current.is_none() {
                std::thread::sleep(POLL);
            }
            continue;
        };
        let restart = if file.is_anew()? {
            Restart::Emptied
        } else {
            let read = file.read(&mut buffer)?;
            if read > 0 {
                records.add(&buffer[..read]);
                if let Some(mut chunk) = records.take(input, false) {
                    chunk.position = file.position(&records)?;
                    queue.send(Sent::Records(chunk));
                }
                continue;
            }
            if !file.is_over(path)? {
                std::thread::sleep(POLL);
                continue;
            }
            Restart::Renamed
        };
        // The last line may have no end.
        if let Some(mut chunk) = records.take(input, true) {
            chunk.position = file.position(&records)?;
            queue.send(Sent::Records(chunk));
        }
        match restart {
            Restart::Emptied => {
                file.begin()?;
                let position = file.position(&records)?;
                queue.send(Sent::Restart(input, restart, position));
            }
            Restart::Renamed => {
                current = file.next(path)?;
                queue.send(Sent::Restart(input, restart, None));
            }
        }
    }
    Ok(())
}

impl Followed {
    /// Opens the file; there may be none.
    fn open(path: &Path) -> io::Result<Option<Self>> {
        match File::open(path) {
            Ok(file) => Ok(Some(Self {
                file,
                head: Vec::new(),
                offset: 0,
                renamed: None,
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens the file of which the place `from` is, at `path` or where it was renamed to in the same folder, and goes to the
    /// place. There may be none.
    fn resumed(path: &Path, from: &Position) -> io::Result<Option<Self>> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| Path::new("."));
        let neighbours = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let paths = neighbours.map(|neighbour| neighbour.path());
        for path in std::iter::once(path.to_owned()).chain(paths) {
            let is_it = std::fs::metadata(&path)
                .is_ok_and(|file| (file.dev(), file.ino()) == (from.device, from.inode));
            let Some(mut file) = is_it.then(|| Self::open(&path)).transpose()?.flatten() else {
                continue;
            };
            (file.head, file.offset) = (from.head.clone(), from.offset);
            if !file.is_anew()? {
                file.file.seek(SeekFrom::Start(from.offset))?;
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// Opens the file that was written next: the oldest of those that are younger than this one and whose names begin with
    /// that of `path`. When several were renamed since this one was written, each is read in turn. There may be none.
    fn next(&self, path: &Path) -> io::Result<Option<Self>> {
        let this = self.file.metadata()?;
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(None);
        };
        let folder = match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        };
        let mut next: Option<(SystemTime, PathBuf)> = None;
        for neighbour in std::fs::read_dir(folder)?.flatten() {
            let its_name = neighbour.file_name();
            let is_named_so = its_name
                .as_encoded_bytes()
                .starts_with(name.as_encoded_bytes());
            let is_packed = PACKED
                .iter()
                .any(|end| its_name.as_encoded_bytes().ends_with(end));
            let Ok(file) = neighbour.metadata() else {
                continue;
            };
            let is_this = (file.dev(), file.ino()) == (this.dev(), this.ino());
            if !is_named_so || is_packed || is_this || !file.is_file() {
                continue;
            }
            let modified = file.modified()?;
            let is_younger = modified > this.modified()?;
            if is_younger && next.as_ref().is_none_or(|(time, _)| modified < *time) {
                next = Some((modified, neighbour.path()));
            }
        }
        match next {
            Some((_, path)) => Self::open(&path),
            None => Ok(None),
        }
    }

    /// Returns the place up to which whole records were read; `None` within a record that is left out.
    fn position(&self, records: &Records) -> io::Result<Option<Position>> {
        let this = self.file.metadata()?;
        let pending = records.pending();
        Ok(pending.map(|pending| Position {
            device: this.dev(),
            inode: this.ino(),
            head: self.head.clone(),
            offset: self.offset - pending,
        }))
    }

    /// Returns the header of a log in Zeek's own format, as far as it was read: the lines after the place where reading stopped
    /// cannot be read without it.
    fn header(&self) -> io::Result<Vec<u8>> {
        let length = self.offset.min(MAX_HEADER_BYTES);
        let mut header = vec![0; usize::try_from(length).unwrap_or_default()];
        self.file.read_exact_at(&mut header, 0)?;
        let is_header = self.head.starts_with(b"#") && are_csv(&self.head) == Some(false);
        let lines = header.split_inclusive(|byte| *byte == b'\n');
        let lines = lines.take_while(|line| is_header && line.starts_with(b"#"));
        let whole = lines.filter(|line| line.ends_with(b"\n"));
        Ok(whole.flatten().copied().collect())
    }

    /// Reads on, and returns the number of bytes; 0 where there is nothing new.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = loop {
            match self.file.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if self.head.len() as u64 == self.offset {
            let more = read.min(HEAD_BYTES - self.head.len());
            self.head.extend_from_slice(&buffer[..more]);
        }
        self.offset += read as u64;
        Ok(read)
    }

    /// Returns whether the file was emptied, or written anew, since it was read last.
    fn is_anew(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() < self.offset || !self.has_head()?)
    }

    /// Returns whether the file, of which there is nothing new to read, is no longer what is at `path`, for so long that
    /// its writer has left it.
    fn is_over(&mut self, path: &Path) -> io::Result<bool> {
        let this = self.file.metadata()?;
        let is_this = |other: Metadata| (other.dev(), other.ino()) == (this.dev(), this.ino());
        // Between a renaming and the new file there may be none.
        if std::fs::metadata(path).ok().is_none_or(is_this) {
            self.renamed = None;
            return Ok(false);
        }
        let renamed = *self.renamed.get_or_insert_with(Instant::now);
        Ok(renamed.elapsed() >= GRACE)
    }

    /// Returns whether the file still begins with the bytes that were read first.
    fn has_head(&self) -> io::Result<bool> {
        let mut head = [0; HEAD_BYTES];
        let head = &mut head[..self.head.len()];
        match self.file.read_exact_at(head, 0) {
            Ok(()) => Ok(*head == self.head),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Goes back to the first byte.
    fn begin(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.head.clear();
        self.offset = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::sync::Arc;

    use super::*;
    use crate::queue::Taken;

    /// A file that is being followed.
    struct Test {
        folder: tempfile::TempDir,
        queue: Arc<Queue>,
        /// What came.
        records: Vec<String>,
        restarts: Vec<Restart>,
    }

    impl Test {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let queue = Arc::new(Queue::new(1, 1 << 20));
            let (to, path) = (Arc::clone(&queue), folder.path().join("log"));
            std::thread::spawn(move || follow(&to, 0, &path, None, None));
            Self {
                folder,
                queue,
                records: Vec::new(),
                restarts: Vec::new(),
            }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("log")
        }

        fn append(&self, text: &str) {
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.path());
            let mut file = file.expect("a file");
            file.write_all(text.as_bytes()).expect("space");
        }

        /// Waits until there are `count` records, and returns them.
        fn records(&mut self, count: usize) -> &[String] {
            let end = Instant::now() + Duration::from_secs(60);
            while self.records.len() < count && Instant::now() < end {
                match self.queue.take(POLL) {
                    Taken::Sent(Sent::Records(chunk)) => {
                        let texts = chunk.records.iter().map(|(start, end)| {
                            String::from_utf8_lossy(&chunk.bytes[*start..*end]).into_owned()
                        });
                        self.records.extend(texts);
                    }
                    Taken::Sent(Sent::Restart(_, restart, _)) => self.restarts.push(restart),
                    Taken::Sent(Sent::Gap(_, cause)) => panic!("{cause}"),
                    Taken::Sent(Sent::End(_, ended)) => ended.expect("a file that can be read"),
                    Taken::Nothing | Taken::Over => {}
                }
            }
            &self.records
        }
    }

    impl Drop for Test {
        fn drop(&mut self) {
            self.queue.close();
        }
    }

    #[test]
    fn lines_come_when_they_are_whole() {
        let mut test = Test::new();
        std::thread::sleep(2 * POLL);
        test.append("{\"a\":1}\n{\"a\"");
        assert_eq!(test.records(1), ["{\"a\":1}"]);
        std::thread::sleep(2 * POLL);
        test.append(":2}\n");
        assert_eq!(test.records(2)[1], "{\"a\":2}");
        assert!(test.restarts.is_empty());
    }

    #[test]
    fn a_renamed_file_is_read_to_its_end_before_the_next_one() {
        let mut test = Test::new();
        test.append("{\"a\":1}\n");
        test.records(1);
        let mut writer = OpenOptions::new()
            .append(true)
            .open(test.path())
            .expect("a file");
        let old = test.path().with_extension("1");
        std::fs::rename(test.path(), &old).expect("a renamed file");
        test.append("{\"b\":1}\n");
        std::thread::sleep(2 * POLL);
        writer.write_all(b"{\"a\":2}\n{\"a\":3}").expect("space");
        let expected = ["{\"a\":1}", "{\"a\":2}", "{\"a\":3}", "{\"b\":1}"];
        assert_eq!(test.records(4), expected);
        assert_eq!(test.restarts, [Restart::Renamed]);
    }

    #[test]
    fn an_emptied_file_is_read_from_its_start_however_long_it_has_become() {
        let mut test = Test::new();
        test.append("{\"a\":1}\n{\"a\":2}");
        assert_eq!(test.records(1), ["{\"a\":1}"]);
        std::fs::write(test.path(), "{\"b\":1}\n").expect("space");
        assert_eq!(test.records(3), ["{\"a\":1}", "{\"a\":2}", "{\"b\":1}"]);
        // Longer than before, between two looks.
        std::fs::write(test.path(), "{\"c\":1}\n{\"c\":2}\n{\"c\":3}\n").expect("space");
        assert_eq!(
            test.records(6)[3..],
            ["{\"c\":1}", "{\"c\":2}", "{\"c\":3}"]
        );
        assert_eq!(test.restarts, [Restart::Emptied, Restart::Emptied]);
    }

    #[test]
    fn files_that_were_renamed_while_nobody_followed_are_read_in_turn() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let write = |text: &str| {
            std::fs::write(&path, text).expect("space");
            // Times of files have steps.
            std::thread::sleep(Duration::from_millis(20));
        };
        let rename = |name: &str| {
            std::fs::rename(&path, folder.path().join(name)).expect("a renamed file");
        };
        write("{\"a\":0}\n");
        rename("log.0");
        write("{\"a\":1}\n{\"a\":2}\n");
        let file = std::fs::metadata(&path).expect("a file");
        let from = Position {
            device: file.dev(),
            inode: file.ino(),
            head: b"{\"a\":1}\n".to_vec(),
            offset: 8,
        };
        rename("log.1");
        write("{\"a\":3}\n");
        rename("log.2");
        write("{\"a\":4}\n");
        let queue = Arc::new(Queue::new(1, 1 << 20));
        let to = Arc::clone(&queue);
        let followed = path.clone();
        std::thread::spawn(move || follow(&to, 0, &followed, None, Some(&from)));
        let mut test = Test {
            records: Vec::new(),
            restarts: Vec::new(),
            folder,
            queue,
        };
        assert_eq!(test.records(3), ["{\"a\":2}", "{\"a\":3}", "{\"a\":4}"]);
        assert_eq!(test.restarts, [Restart::Renamed, Restart::Renamed]);
    }

    #[test]
    fn the_header_of_a_log_of_zeek_comes_again_before_the_lines_after_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let header = "#separator \\x09\n#fields\ta\n";
        let text = format!("{header}1\n2\n#close\tx\n");
        for (offset, expected) in [
            (
                header.len() + 2,
                &["#separator \\x09", "#fields\ta", "2"][..],
            ),
            (16, &["#separator \\x09", "#fields\ta", "1", "2"]),
            (0, &["#separator \\x09", "#fields\ta", "1", "2"]),
        ] {
            std::fs::write(&path, &text).expect("space");
            let file = std::fs::metadata(&path).expect("a file");
            let from = Position {
                device: file.dev(),
                inode: file.ino(),
                head: text.as_bytes()[..offset].to_vec(),
                offset: offset as u64,
            };
            let queue = Arc::new(Queue::new(1, 1 << 20));
            let (to, followed) = (Arc::clone(&queue), path.clone());
            std::thread::spawn(move || follow(&to, 0, &followed, None, Some(&from)));
            let mut test = Test {
                folder: tempfile::tempdir().expect("a folder"),
                records: Vec::new(),
                restarts: Vec::new(),
                queue,
            };
            let all = [expected, &["#close\tx"]].concat();
            assert_eq!(test.records(all.len()), all, "{offset}");
        }
    }

    #[test]
    fn a_hole_of_zeros_is_left_out() {
        let mut test = Test::new();
        let mut writer = File::create(test.path()).expect("a file");
        writer.write_all(b"{\"a\":1}\n").expect("space");
        test.records(1);
        // A writer that does not append goes on behind the hole.
        File::options()
            .write(true)
            .truncate(true)
            .open(test.path())
            .expect("an empty file");
        writer.seek(SeekFrom::Start(9 << 20)).expect("a place");
        writer.write_all(b"{\"a\":2}\n").expect("space");
        assert_eq!(test.records(2)[1], "{\"a\":2}");
        assert_eq!(test.restarts, [Restart::Emptied]);
    }
}
