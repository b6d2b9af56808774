//! A web server for one test. It has one file, and the faults that the test asks for.
#![allow(
    dead_code,
    reason = "every test program uses some of these answers, none uses all"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The way in which a server answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The requested range.
    Good,
    /// The whole file, whatever range was requested.
    Whole,
    /// This status without a file.
    Status(u16),
    /// Half of the announced bytes, and then the end of the connection.
    Cut,
    /// The requested range, after 300 ms.
    Late,
    /// The requested range, after 2 s.
    Slow,
    /// No answer on a connection that stays open.
    Never,
    /// The requested range of another version of the file.
    Replaced,
}

/// A server that runs until the test program ends.
pub struct Server {
    /// The URL of the server without a path.
    pub url: String,
    requests: Arc<AtomicUsize>,
}

impl Server {
    /// Starts a server that has `content` under every name. `answer` returns how to answer request number 0, 1, …
    pub fn start(content: Vec<u8>, answer: fn(usize) -> Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (content, requests) = (Arc::new(content), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (content, counter) = (Arc::clone(&content), Arc::clone(&counter));
                std::thread::spawn(move || {
                    let reader = BufReader::new(stream.try_clone().expect("a socket"));
                    let _ = serve(reader, stream, &content, &counter, answer);
                });
            }
        });
        Self { url, requests }
    }

    /// Returns the number of requests so far.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Answers the requests of a connection, one after the other.
fn serve(
    mut reader: BufReader<TcpStream>,
    mut out: TcpStream,
    content: &[u8],
    counter: &AtomicUsize,
    answer: fn(usize) -> Answer,
) -> std::io::Result<()> {
    loop {
        let mut range = None;
        loop {
            let mut line = String::new();
            if reader.by_ref().take(1 << 16).read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            range = line
                .strip_prefix("range: bytes=")
                .map(str::to_owned)
                .or(range);
        }
        match answer(counter.fetch_add(1, Ordering::SeqCst)) {
            Answer::Status(status) => {
                write!(out, "HTTP/1.1 {status} Fault\r\nContent-Length: 0\r\n\r\n")?;
            }
            Answer::Never => loop {
                std::thread::park();
            },
            Answer::Whole => send(&mut out, "200 OK", "", content)?,
            Answer::Cut => {
                let (headers, part) = part(content, range.as_deref(), "one");
                write!(
                    out,
                    "HTTP/1.1 206 Part\r\n{headers}Content-Length: {}\r\n\r\n",
                    part.len()
                )?;
                return out.write_all(&part[..part.len() / 2]);
            }
            slow @ (Answer::Late | Answer::Slow) => {
                let is_late = slow == Answer::Late;
                std::thread::sleep(Duration::from_millis(if is_late { 300 } else { 2000 }));
                let (headers, part) = part(content, range.as_deref(), "one");
                send(&mut out, "206 Part", &headers, part)?;
            }
            Answer::Good => {
                let (headers, part) = part(content, range.as_deref(), "one");
                send(&mut out, "206 Part", &headers, part)?;
            }
            Answer::Replaced => {
                let (headers, part) = part(content, range.as_deref(), "two");
                send(&mut out, "206 Part", &headers, part)?;
            }
        }
    }
}

/// Sends a complete answer.
fn send(out: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> std::io::Result<()> {
    write!(
        out,
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    )?;
    out.write_all(body)
}

/// Returns the headers and the bytes of a range.
fn part<'a>(content: &'a [u8], range: Option<&str>, version: &str) -> (String, &'a [u8]) {
    let bounds = range.and_then(|range| range.split_once('-'));
    let number = |text: &str| text.parse::<usize>().ok();
    let (start, last) = bounds.map_or((0, content.len() - 1), |(start, last)| {
        (
            number(start).unwrap_or(0),
            number(last).unwrap_or(content.len() - 1),
        )
    });
    let end = (last + 1).min(content.len());
    let headers = format!(
        "ETag: \"{version}\"\r\nContent-Range: bytes {start}-{}/{}\r\n",
        end - 1,
        content.len()
    );
    (headers, &content[start..end])
}
