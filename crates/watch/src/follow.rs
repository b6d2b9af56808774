//! Following a file that grows: it is read on as it is written, also after it was renamed and begun anew (rotation), or
//! emptied.
//!
//! What is at a path is known by the file's device and inode, and by its first bytes: a file that was emptied and has
//! grown beyond the place where reading stopped is known by these alone.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

use honeyguide::{Error, Format};

use crate::input::{READ_BYTES, is_csv};
use crate::queue::{Queue, Restart, Sent};
use crate::records::Records;

/// The time between two looks at a file that has nothing new.
const POLL: Duration = Duration::from_millis(100);
/// The time for which a file that was renamed is still read: its writer may not have opened the new one yet.
const GRACE: Duration = Duration::from_secs(1);
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
pub fn follow(queue: &Queue, input: usize, path: &Path, format: Option<Format>) {
    if let Err(error) = followed(queue, input, path, format) {
        queue.send(Sent::End(input, Err(Error::io("read", path, error))));
    }
}

fn followed(queue: &Queue, input: usize, path: &Path, format: Option<Format>) -> io::Result<()> {
    let mut records = Records::new(is_csv(format));
    let mut buffer = vec![0; READ_BYTES];
    let mut current: Option<Followed> = None;
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
                if let Some(chunk) = records.take(input, false) {
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
        if let Some(chunk) = records.take(input, true) {
            queue.send(Sent::Records(chunk));
        }
        queue.send(Sent::Restart(input, restart));
        match restart {
            Restart::Emptied => file.begin()?,
            Restart::Renamed => current = None,
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
    use std::path::PathBuf;
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
            std::thread::spawn(move || follow(&to, 0, &path, None));
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
                    Taken::Sent(Sent::Restart(_, restart)) => self.restarts.push(restart),
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
