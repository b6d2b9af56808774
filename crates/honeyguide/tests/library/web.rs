//! Web servers that lead elsewhere, listen in, or send more than they were asked for.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use honeyguide::{ReadOptions, Result, Source, StorageOptions};

const CONTENT: &[u8] = b"a,b\n1,2\n";

/// A server whose answers depend on the path, and which keeps the requests.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
    /// The bytes of endless bodies that were taken.
    taken: Arc<AtomicU64>,
}

impl Server {
    /// Starts a server that redirects `/away` to `away`.
    fn start(away: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = Self {
            url: format!("http://{}", listener.local_addr().expect("an address")),
            requests: Arc::default(),
            taken: Arc::default(),
        };
        let (requests, taken) = (Arc::clone(&server.requests), Arc::clone(&server.taken));
        let away = away.to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(std::result::Result::ok) {
                let (requests, taken, away) =
                    (Arc::clone(&requests), Arc::clone(&taken), away.clone());
                std::thread::spawn(move || serve(stream, &requests, &taken, &away));
            }
        });
        server
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }
}

fn serve(
    mut stream: TcpStream,
    requests: &Mutex<Vec<String>>,
    taken: &AtomicU64,
    away: &str,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            if reader.read_line(&mut request)? == 0 {
                return Ok(());
            }
        }
        let path = request
            .split([' ', '?'])
            .nth(1)
            .unwrap_or_default()
            .to_owned();
        let lower = request.to_ascii_lowercase();
        let range = lower
            .lines()
            .find_map(|line| line.strip_prefix("range: bytes="));
        let range = range.and_then(|range| range.split_once('-'));
        let (start, end) = range.map_or((0, CONTENT.len() - 1), |(start, end)| {
            let at = |text: &str| text.trim().parse().unwrap_or(0);
            (at(start), at(end))
        });
        requests.lock().expect("no panic").push(request);
        let to = match path.as_str() {
            "/away" => Some(away),
            "/moved" => Some("/here.csv"),
            "/loop" => Some("/loop"),
            _ => None,
        };
        if let Some(to) = to {
            write!(
                stream,
                "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
            )?;
            continue;
        }
        let part = &CONTENT[start..=end.min(CONTENT.len() - 1)];
        let head = format!(
            "HTTP/1.1 206 Part\r\nETag: \"1\"\r\nContent-Range: bytes {start}-{end}/{}\r\n",
            CONTENT.len()
        );
        if path == "/endless.csv" && end > 0 {
            write!(stream, "{head}\r\n")?;
            let piece = [b'x'; 1 << 16];
            while stream.write_all(&piece).is_ok() {
                taken.fetch_add(piece.len() as u64, Ordering::Relaxed);
            }
            return Ok(());
        }
        write!(stream, "{head}Content-Length: {}\r\n\r\n", part.len())?;
        stream.write_all(part)?;
    }
}

fn open(url: String, allowed: Option<&str>) -> Result<Source> {
    let mut storage = StorageOptions::default();
    if let Some(hosts) = allowed {
        storage.set(&format!("http_redirect_hosts={hosts}"))?;
    }
    let options = ReadOptions {
        storage,
        format: Some("csv".parse().expect("a format")),
        ..ReadOptions::default()
    };
    Source::open_with([url], &options)
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_end_at_other_hosts_unless_they_are_named() {
    let other = Server::start("/");
    let port = other.url.rsplit_once(':').expect("a port").1.to_owned();
    let server = Server::start(&format!("http://localhost:{port}/here.csv"));
    let signed = || format!("{}/away?signature=hunter22", server.url);
    let error = open(signed(), None).expect_err("another host").to_string();
    assert!(
        error.contains("redirects to http://localhost, which is another host"),
        "{error}"
    );
    assert!(!error.contains("hunter22"), "{error}");
    assert_eq!(other.requests(), Vec::<String>::new());

    let source = open(signed(), Some("example.org, LOCALHOST")).expect("a named host");
    assert_eq!(source.columns().len(), 2);
    let requests = other.requests();
    assert!(!requests.is_empty());
    for request in requests {
        let request = request.to_ascii_lowercase();
        assert!(
            !request.contains("referer") && !request.contains("hunter22"),
            "{request}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_on_the_same_host_are_followed_without_a_referer() {
    let server = Server::start("/");
    let source = open(format!("{}/moved?signature=hunter22", server.url), None);
    assert_eq!(source.expect("the same host").columns().len(), 2);
    let later: Vec<_> = server
        .requests()
        .into_iter()
        .filter(|request| request.starts_with("GET /here.csv"))
        .collect();
    assert!(!later.is_empty());
    assert!(
        later
            .iter()
            .all(|request| !request.to_ascii_lowercase().contains("referer"))
    );
    let error = open(format!("{}/loop", server.url), None).expect_err("a loop");
    assert!(error.to_string().contains("again and again"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_to_the_local_link_are_not_followed() {
    let server = Server::start("http://169.254.169.254/latest/meta-data");
    let opened = open(format!("{}/away", server.url), Some("169.254.169.254"));
    let error = opened.expect_err("the local link").to_string();
    assert!(error.contains("local link"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_read_no_further_than_what_was_requested() {
    let server = Server::start("/");
    let opened = open(format!("{}/endless.csv", server.url), None);
    assert!(opened.is_err());
    // Every attempt leaves what was on its way.
    let taken = server.taken.load(Ordering::Relaxed);
    assert!(taken < 64 << 20, "{taken}");
}
