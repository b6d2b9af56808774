//! A host: namespaces with a host name, users, a file system and a network of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::cast::{self, Part};
use super::player::{Player, bound};
use crate::command::command;
use crate::error::{Error, Result};

/// The folders and the times that all hosts share.
pub struct Scene {
    /// The folder with the scripts.
    pub plays: PathBuf,
    /// The folder with the ssh keys.
    pub keys: PathBuf,
    /// An empty folder, on which each host mounts its file system.
    pub root: PathBuf,
    /// The folder below which each server of files has its own.
    pub files: PathBuf,
    /// The folder of the cgroup that is recorded.
    pub cgroup: PathBuf,
    /// After how many seconds a host ends by itself.
    pub limit: u64,
    /// The least number of seconds between two jobs of a host.
    pub pause: u64,
}

/// A host that is ready. Dropping this ends it, with everything that runs in it.
pub struct Host {
    pub cast: cast::Host,
    /// Choices of the host and its clients follow from this number.
    seed: usize,
    clients: Vec<Player>,
    first: Player,
    /// The number of the host's first process, as the machine sees it.
    init: u32,
}

impl Host {
    /// Makes a host and waits until it is ready.
    pub fn start(scene: &Scene, cast: cast::Host, seed: usize) -> Result<Self> {
        let users = UserNamespace::new()?;
        let enter = "echo $$ >\"$0/cgroup.procs\" && exec \"$@\"";
        let mut build = command("sh", ["-c", enter]);
        build.arg(&scene.cgroup);
        build.args(users.as_ref().map_or(Vec::new(), UserNamespace::entry));
        build.args(["unshare", "--mount", "--pid", "--net", "--uts", "--ipc"]);
        build.args(["--fork", "--kill-child", "/bin/bash"]);
        build.arg(scene.plays.join("host/build.sh"));
        build.args([&scene.plays, &scene.keys, &scene.root]);
        build.arg(cast.name);
        build.args([scene.limit, scene.pause, seed as u64].map(|number| number.to_string()));
        let mut first = Player::start(build.args(cast.jobs))?;
        first.wait_until_ready()?;
        Ok(Self {
            init: only_child(first.pid())?,
            cast,
            seed,
            clients: Vec::new(),
            first,
        })
    }

    /// Returns the number of the host's first process, as the machine sees it.
    pub fn init(&self) -> u32 {
        self.init
    }

    /// Lets the host's work and its clients begin.
    pub fn begin(&mut self, scene: &Scene) -> Result<()> {
        let files = scene.files.join(self.cast.name);
        fs::create_dir_all(&files).map_err(Error::file(&files))?;
        self.first.say("go");
        let pause = [scene.pause, self.seed as u64].map(|number| number.to_string());
        let mut client = self.outside(&scene.plays.join("clients/begin.sh"));
        client.args([&scene.keys, &files]).args(pause);
        self.clients.push(Player::start(&mut client)?);
        Ok(())
    }

    /// Lets the host's break-in begin, if it has one, which may last for so many seconds.
    pub fn break_in(&mut self, scene: &Scene, seconds: u64) -> Result<()> {
        let Part::BreakIn(name) = self.cast.part else {
            return Ok(());
        };
        let script = scene.plays.join(format!("break-ins/{name}.sh"));
        let mut intruder = self.outside(&script);
        intruder.args([&scene.keys, &scene.files.join(self.cast.name)]);
        intruder.arg(seconds.to_string());
        self.clients.push(Player::start(&mut intruder)?);
        Ok(())
    }

    /// Fails if the host's first process has ended.
    pub fn must_be_running(&mut self) -> Result<()> {
        if self.first.is_running() {
            return Ok(());
        }
        let name = self.cast.name;
        Err(Error::Stage(format!("the host {name} ended early")))
    }

    /// Returns a command that runs a script outside of the host, where it is not recorded, but in its network. All that
    /// it starts ends with it.
    fn outside(&self, script: &Path) -> Command {
        let net = format!("--net=/proc/{}/ns/net", self.init);
        let mut outside = bound("KILL");
        outside.args(["unshare", "--pid", "--fork", "--kill-child", "nsenter"]);
        outside.args([&net, "--", "/bin/bash"]).arg(script);
        outside.stderr(std::process::Stdio::null());
        outside
    }
}

/// Returns the number of the only child of a process.
fn only_child(pid: u32) -> Result<u32> {
    let path = PathBuf::from(format!("/proc/{pid}/task/{pid}/children"));
    let text = fs::read_to_string(&path).map_err(Error::file(&path))?;
    text.trim()
        .parse()
        .map_err(|_| Error::Stage(format!("{}: {text:?} is not one process", path.display())))
}

/// A user namespace with the users of the machine, in which root has no rights over the machine. It exists as long as
/// this or a process in it does.
struct UserNamespace(Player);

impl UserNamespace {
    /// The users and groups that the namespace has, as inside = outside, and how many.
    const MAP: &str = "0 0 65536\n";
    /// The time within which a process makes its namespace.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Makes a namespace; returns `None` where the machine does not allow it.
    fn new() -> Result<Option<Self>> {
        let mut holder = Player::start(&mut command("unshare", ["--user", "cat"]))?;
        let own = fs::read_link("/proc/self/ns/user").unwrap_or_default();
        let path = format!("/proc/{}/ns/user", holder.pid());
        let begin = Instant::now();
        while fs::read_link(&path).is_ok_and(|namespace| namespace == own) {
            if !holder.is_running() || begin.elapsed() > Self::PATIENCE {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let maps = ["uid_map", "gid_map"];
        let written = maps.map(|map| fs::write(format!("/proc/{}/{map}", holder.pid()), Self::MAP));
        Ok(written
            .iter()
            .all(|map| map.is_ok())
            .then_some(Self(holder)))
    }

    /// Returns the words before a command that let it run in the namespace.
    fn entry(&self) -> Vec<String> {
        let user = format!("--user=/proc/{}/ns/user", self.0.pid());
        vec!["nsenter".to_owned(), user, "--".to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::cast::HOSTS;
    use crate::stage::{Cgroup, Options, needs, prepare};

    #[test]
    fn a_host_is_a_machine_of_its_own_and_vanishes() {
        if let Err(why) = needs::check() {
            println!("no host is made here: {why}");
            return;
        }
        let options = Options {
            dir: std::env::temp_dir().join(format!("stage-{}", std::process::id())),
            seconds: 60,
            pause: 1,
            honeyguide: None,
        };
        let cgroup = Cgroup::new().unwrap();
        let scene = prepare(&options, &cgroup.0).unwrap();
        let host = Host::start(&scene, HOSTS[0], 1).unwrap();
        let process = PathBuf::from(format!("/proc/{}", host.init));
        for kind in ["mnt", "pid", "net", "uts", "ipc", "user"] {
            let space = |process: &Path| fs::read_link(process.join("ns").join(kind)).unwrap();
            assert_ne!(space(&process), space(Path::new("/proc/self")), "{kind}");
        }
        let own = fs::read_to_string(process.join("root/etc/hostname")).unwrap();
        assert_eq!(own, "web-1\n");
        let name = format!("usr/bin/stage-{}", std::process::id());
        fs::write(process.join("root").join(&name), "").unwrap();
        assert!(!Path::new("/").join(&name).exists());
        drop(host);
        fs::remove_dir_all(&options.dir).unwrap();
        let folder = cgroup.0.clone();
        drop(cgroup);
        assert!(!folder.exists(), "processes of the host are left");
    }
}
