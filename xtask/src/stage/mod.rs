//! `cargo xtask stage`: plays ordinary work and break-ins on hosts that are namespaces of this machine, and records them
//! with labels.
//!
//! The hosts have no network but their own loopback interface, and see the machine's programs through file systems that
//! are kept in memory. Only the folder of the stage is written to. People, browsers and intruders run outside of the hosts
//! and come in by the hosts' loopback interface, so that they are not recorded themselves.

mod cast;
mod forks;
mod host;
mod labels;
mod needs;
mod player;
mod recording;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::cast::{HOSTS, Part};
use self::forks::{Fork, Witness};
use self::host::{Host, Scene};
use self::labels::Tree;
use self::recording::{Recorder, Recording};
use crate::command::{build, command, output, root};
use crate::error::{Error, Result};

/// How long hosts work without `--seconds`.
const SECONDS: u64 = 240;
/// How long they work with `--full`.
const FULL_SECONDS: u64 = 3600;
/// The time that hosts and the recording may take longer than the work.
const GRACE: u64 = 600;
/// The users who log in, and the key of the hosts.
const KEYS: &[&str] = &["host", "alice", "bob", "deploy"];

/// What a stage is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    /// An empty or absent folder for the recordings.
    dir: PathBuf,
    seconds: u64,
    /// The least number of seconds between two jobs of a host.
    pause: u64,
    /// The command `honeyguide`; `None` to build it.
    honeyguide: Option<PathBuf>,
}

/// What is left of a play.
struct Played {
    recording: Recording,
    /// The processes that began.
    forks: Vec<Fork>,
    /// The number of the first process of each host, as the machine sees it.
    inits: Vec<u32>,
}

/// Plays a stage.
///
/// # Errors
/// The machine lacks something, a host or the recording ended early, or the labels would not be exact.
pub fn run(arguments: &[&str], usage: &'static str) -> Result<()> {
    let options = parse(arguments).ok_or(Error::Usage(usage))?;
    needs::check()?;
    let honeyguide = match &options.honeyguide {
        Some(path) => path.clone(),
        None => build(&["--package", "honeyguide-cli", "--bin", "honeyguide"])?,
    };
    let cgroup = Cgroup::new()?;
    let scene = prepare(&options, &cgroup.0)?;
    let played = play(&options, &scene, &honeyguide)?;
    drop(cgroup);
    label(&options.dir, played)?;
    let work = options.dir.join("work");
    fs::remove_dir_all(&work).map_err(Error::file(&work))
}

fn parse(arguments: &[&str]) -> Option<Options> {
    let (dir, mut rest) = match arguments {
        [dir, rest @ ..] if !dir.starts_with('-') => (dir, rest),
        _ => return None,
    };
    let mut options = Options {
        dir: std::path::absolute(dir).ok()?,
        seconds: SECONDS,
        pause: 3,
        honeyguide: None,
    };
    while !rest.is_empty() {
        rest = match rest {
            ["--full", rest @ ..] => {
                (options.seconds, options.pause) = (FULL_SECONDS, 6);
                rest
            }
            ["--seconds", seconds, rest @ ..] => {
                let seconds = seconds.parse().ok();
                options.seconds = seconds.filter(|seconds| (60..=86_400).contains(seconds))?;
                rest
            }
            ["--honeyguide", program, rest @ ..] => {
                options.honeyguide = Some(std::path::absolute(program).ok()?);
                rest
            }
            _ => return None,
        };
    }
    Some(options)
}

/// Makes the folders and the keys.
fn prepare(options: &Options, cgroup: &Path) -> Result<Scene> {
    let dir = &options.dir;
    let is_empty = fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none());
    if !is_empty {
        return Err(Error::Stage(format!(
            "{} is not an empty folder",
            dir.display()
        )));
    }
    let scene = Scene {
        plays: root().join("xtask/src/stage/plays"),
        keys: dir.join("work/keys"),
        root: dir.join("work/root"),
        files: dir.join("work/files"),
        cgroup: cgroup.to_owned(),
        limit: options.seconds + GRACE,
        pause: options.pause,
    };
    let folders = ["training", "testing", "break-ins", "work/recording"].map(|name| dir.join(name));
    for folder in folders
        .iter()
        .chain([&scene.keys, &scene.root, &scene.files])
    {
        fs::create_dir_all(folder).map_err(Error::file(folder))?;
    }
    for name in KEYS {
        let mut make = command(
            "ssh-keygen",
            ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"],
        );
        output(make.arg(scene.keys.join(name)))?;
    }
    Ok(scene)
}

/// Plays and records everything.
fn play(options: &Options, scene: &Scene, honeyguide: &Path) -> Result<Played> {
    let mut hosts = Vec::new();
    for (seed, cast) in HOSTS.iter().enumerate() {
        hosts.push(Host::start(scene, *cast, seed + 1)?);
    }
    let witness = Witness::start(&scene.plays, &options.dir.join("work/forks"))?;
    let folder = options.dir.join("work/recording");
    let recorder = Recorder::start(honeyguide, &scene.cgroup, &folder, scene.limit)?;
    println!(
        "{} hosts work for {} seconds.",
        hosts.len(),
        options.seconds
    );
    for host in &mut hosts {
        host.begin(scene)?;
    }
    let quiet = options.seconds / 3;
    std::thread::sleep(Duration::from_secs(quiet));
    for host in &mut hosts {
        host.break_in(scene, options.seconds / 2)?;
    }
    std::thread::sleep(Duration::from_secs(options.seconds - quiet));
    let recording = recorder.finish()?;
    for host in &mut hosts {
        host.must_be_running()?;
    }
    let inits = hosts.iter().map(Host::init).collect();
    drop(hosts);
    Ok(Played {
        recording,
        forks: witness.finish()?,
        inits,
    })
}

/// Writes a labelled file for each host, and prints a table of them.
fn label(dir: &Path, played: Played) -> Result<()> {
    let recording = &played.recording;
    let labels = Tree::new(played.forks).label(&recording.processes()?, &recording.marks()?);
    let labels = labels.map_err(|(process, start)| {
        Error::Stage(format!(
            "nobody knows who started process {process} at {start} ns, so labels would not be exact"
        ))
    })?;
    println!("| recording | host | events | sus | evil |\n|---|---|--:|--:|--:|");
    for (host, init) in HOSTS.iter().zip(played.inits) {
        let name = host.part.file(host.name);
        let [events, sus, evil] = recording.write(host.name, init, &labels, &dir.join(&name))?;
        println!("| {name} | {} | {events} | {sus} | {evil} |", host.name);
        if matches!(host.part, Part::BreakIn(_)) && evil == 0 {
            return Err(Error::Stage(format!("nobody broke into {}", host.name)));
        }
    }
    println!("{} events were lost.", recording.lost()?);
    Ok(())
}

/// The cgroup of all hosts. Dropping this removes it when its last process has ended.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new() -> Result<Self> {
        let folder = needs::cgroups()?.join(format!("stage-{}", std::process::id()));
        fs::create_dir(&folder).map_err(Error::file(&folder))?;
        Ok(Self(folder))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for _ in 0..500 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        eprintln!("note: {} could not be removed", self.0.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_wrong_ones_are_refused() {
        let options = parse(&["/a", "--full", "--honeyguide", "/b"]).unwrap();
        assert_eq!((options.seconds, options.pause), (3600, 6));
        assert_eq!(options.honeyguide, Some(PathBuf::from("/b")));
        assert_eq!(parse(&["/a"]).unwrap().seconds, SECONDS);
        for wrong in [
            &["--full"][..],
            &[],
            &["/a", "--seconds", "59"],
            &["/a", "b"],
        ] {
            assert_eq!(parse(wrong), None);
        }
    }

    #[test]
    fn every_play_that_is_cast_has_a_script() {
        let plays = root().join("xtask/src/stage/plays");
        for host in HOSTS {
            for job in host.jobs {
                assert!(plays.join(format!("jobs/{job}.sh")).exists(), "{job}");
            }
            if let Part::BreakIn(name) = host.part {
                assert!(
                    plays.join(format!("break-ins/{name}.sh")).exists(),
                    "{name}"
                );
            }
        }
    }
}
