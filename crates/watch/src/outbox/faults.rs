//! A web server with faults, for the tests.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// It is taken, and the answer says so.
    Taken,
    /// The answer says so after a while.
    Slow(Duration),
    /// It is taken, and the connection breaks before the answer.
    TakenWithoutAnswer,
    /// The connection breaks.
    Reset,
    /// There is no answer.
    Never,
    /// The answer has this status and this header.
    Status(u16, &'static str),
}

/// A request that was taken.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub path: String,
    headers: Vec<String>,
    pub body: String,
}

impl Request {
    /// Returns the value of a header, whose name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let pairs = self
            .headers
            .iter()
            .filter_map(|header| header.split_once(": "));
        pairs
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .next()
    }

    fn read(stream: &mut BufReader<TcpStream>) -> Option<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let first = lines.remove(0);
        let mut request = Self {
            path: first.split(' ').nth(1)?.to_owned(),
            headers: lines,
            body: String::new(),
        };
        let length = request.header("content-length")?.parse().ok()?;
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        request.body = String::from_utf8(body).ok()?;
        Some(request)
    }
}

/// A server that gives these answers in turn, and then takes everything.
pub(super) struct Server {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub fn begin(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let taken = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
        let kept = Arc::clone(&taken);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answers, taken) = (Arc::clone(&answers), Arc::clone(&kept));
                thread::spawn(move || serve(stream, &answers, &taken));
            }
        });
        Self { address, taken }
    }

    /// Returns a server at which nobody listens.
    pub fn refusing() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        Self {
            address: listener.local_addr().expect("an address"),
            taken: Arc::default(),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Returns the requests that were taken.
    pub fn taken(&self) -> Vec<Request> {
        self.taken.lock().expect("no panic").clone()
    }
}

/// Answers the requests of a connection.
fn serve(stream: TcpStream, answers: &Mutex<VecDeque<Answer>>, taken: &Mutex<Vec<Request>>) {
    let mut out = stream.try_clone().expect("a socket");
    let mut stream = BufReader::new(stream);
    while let Some(request) = Request::read(&mut stream) {
        let answer = answers
            .lock()
            .expect("no panic")
            .pop_front()
            .unwrap_or(Answer::Taken);
        let (status, header) = match answer {
            Answer::Reset => return,
            Answer::Never => {
                // The client leaves first.
                let _ = stream.read(&mut [0]);
                return;
            }
            Answer::Status(status, header) => (status, header),
            Answer::Taken | Answer::Slow(_) | Answer::TakenWithoutAnswer => {
                taken.lock().expect("no panic").push(request);
                match answer {
                    Answer::TakenWithoutAnswer => return,
                    Answer::Slow(time) => thread::sleep(time),
                    _ => {}
                }
                (200, "")
            }
        };
        let header = if header.is_empty() {
            String::new()
        } else {
            format!("{header}\r\n")
        };
        let text = format!("HTTP/1.1 {status} x\r\n{header}Content-Length: 0\r\n\r\n");
        if out.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}
