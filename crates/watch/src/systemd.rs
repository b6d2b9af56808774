//! The protocol of systemd's `Type=notify` and its watchdog (sd_notify(3)).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use honeyguide::wording::{count, of_them};

use crate::status::{Now, Status};

/// The time between two texts for `systemctl status`.
const PAUSE: Duration = Duration::from_secs(5);
/// How often the thread looks at the watch.
const LOOK: Duration = Duration::from_millis(100);

/// A service manager that wants to hear of this process.
#[derive(Debug)]
pub struct Systemd {
    socket: UnixDatagram,
    /// The time within which a sign must come.
    watchdog: Option<Duration>,
}

impl Systemd {
    /// Connects to the socket that the variable `NOTIFY_SOCKET` names. `watchdog` is the time within which signs must come:
    /// that of `WATCHDOG_USEC`, if the watchdog is on for this process.
    ///
    /// # Errors
    /// Fails when there is no such socket.
    pub fn connect(name: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        Ok(Self { socket, watchdog })
    }

    /// Tells of a watch for as long as the process runs: once that it is ready, then what it does, and as often as the
    /// watchdog asks for that it goes on. A watch that is stuck gives no sign.
    pub fn follow(self, status: Arc<Status>) {
        thread::spawn(move || {
            let mut told = None;
            let mut barked = None;
            let mut is_ready = false;
            loop {
                let now = status.now();
                if now.sign.is_some() && !is_ready {
                    is_ready = self.tell("READY=1");
                }
                let is_due =
                    |last: Option<Instant>, pause| last.is_none_or(|last| last.elapsed() >= pause);
                if let Some(watchdog) = self.watchdog
                    && is_due(barked, watchdog / 3)
                    && now.sign.is_some_and(|sign| sign.elapsed() < watchdog / 3)
                {
                    self.tell("WATCHDOG=1");
                    barked = Some(Instant::now());
                }
                if is_ready && is_due(told, PAUSE) {
                    self.tell(&format!("STATUS={}", sentence(&now)));
                    told = Some(Instant::now());
                }
                thread::sleep(
                    self.watchdog
                        .map_or(LOOK, |watchdog| LOOK.min(watchdog / 10)),
                );
            }
        });
    }

    /// Tells that the process is about to end.
    ///
    /// # Errors
    /// Fails when there is no such socket.
    pub fn stopping(name: &OsStr) -> io::Result<()> {
        Self::connect(name, None)?.tell("STOPPING=1");
        Ok(())
    }

    /// Sends a message. Returns whether it was taken: a manager that is busy is told again.
    fn tell(&self, message: &str) -> bool {
        self.socket.send(message.as_bytes()).is_ok()
    }
}

/// Returns what a watch does in one line.
fn sentence(now: &Now) -> String {
    let open = of_them(now.open.len() as u64, "open incident", "open incidents");
    let (scored, received) = (
        count(now.ledger.scored),
        of_them(now.ledger.received, "record", "records"),
    );
    format!(
        "{scored} of {received} scored, {open}, lag {:.1} s",
        now.lag().as_secs_f64()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the messages that come within a time.
    fn messages(socket: &UnixDatagram, time: Duration) -> Vec<String> {
        let end = Instant::now() + time;
        let mut messages = Vec::new();
        while let Some(left) = end
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
        {
            socket.set_read_timeout(Some(left)).expect("a timeout");
            let mut buffer = [0; 512];
            if let Ok(read) = socket.recv(&mut buffer) {
                messages.push(String::from_utf8_lossy(&buffer[..read]).into_owned());
            }
        }
        messages
    }

    fn barks(messages: &[String]) -> usize {
        messages
            .iter()
            .filter(|message| *message == "WATCHDOG=1")
            .count()
    }

    #[test]
    fn a_watch_is_ready_once_and_the_watchdog_hears_it_while_it_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let status = Arc::new(Status::default());
        let systemd = Systemd::connect(path.as_os_str(), Some(Duration::from_millis(600)));
        systemd.expect("a socket").follow(Arc::clone(&status));
        let before = messages(&socket, Duration::from_millis(400));
        assert_eq!(before, [""; 0], "it is not ready yet");
        let signs = Arc::clone(&status);
        let watch = thread::spawn(move || {
            let end = Instant::now() + Duration::from_millis(1500);
            while Instant::now() < end {
                signs.lock().sign = Some(Instant::now());
                thread::sleep(Duration::from_millis(20));
            }
        });
        let during = messages(&socket, Duration::from_millis(1500));
        watch.join().expect("no panic");
        assert_eq!(
            during
                .iter()
                .filter(|message| *message == "READY=1")
                .count(),
            1,
            "{during:?}"
        );
        let text = during
            .iter()
            .find(|message| message.starts_with("STATUS="))
            .expect("a text");
        assert_eq!(
            text,
            "STATUS=0 of 0 records scored, 0 open incidents, lag 0.0 s"
        );
        assert!(barks(&during) >= 3, "{during:?}");
        // It is stuck now.
        messages(&socket, Duration::from_millis(400));
        assert_eq!(barks(&messages(&socket, Duration::from_millis(800))), 0);
    }

    #[test]
    fn abstract_sockets_are_reached_too() {
        let name = format!("honeyguide-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let socket = UnixDatagram::bind_addr(&address).expect("a socket");
        Systemd::stopping(OsStr::new(&format!("@{name}"))).expect("a socket");
        assert_eq!(
            messages(&socket, Duration::from_millis(200)),
            ["STOPPING=1"]
        );
        assert!(Systemd::stopping(OsStr::new("/nowhere/at/all")).is_err());
    }
}
