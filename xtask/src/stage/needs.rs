//! What a stage needs of the machine.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The programs without which there is no stage.
const NEEDED: &[&str] = &[
    "unshare",
    "nsenter",
    "pivot_root",
    "setpriv",
    "ip",
    "hostname",
    "python3",
    "curl",
    "tar",
    "gzip",
    "ssh",
    "sshd",
    "ssh-keygen",
    "sftp",
    "dpkg",
    "dpkg-deb",
];
/// The programs that ordinary work uses where they are installed.
const USED: &[&str] = &[
    "cron",
    "nginx",
    "logrotate",
    "rsync",
    "sqlite3",
    "gcc",
    "make",
    "git",
    "perl",
    "wget",
    "crontab",
];
/// The folders of the programs that hosts see.
const FOLDERS: &[&str] = &["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Checks that a stage is possible, and prints in one line which programs it goes without.
pub fn check() -> Result<()> {
    let root = fs::metadata("/proc/self").map_err(Error::file(Path::new("/proc/self")))?;
    if root.uid() != 0 {
        return Err(Error::Stage("it needs root".to_owned()));
    }
    let missing = missing(NEEDED);
    if !missing.is_empty() {
        return Err(Error::Stage(format!(
            "these programs are not installed: {}",
            missing.join(", ")
        )));
    }
    let without = self::missing(USED);
    if !without.is_empty() {
        println!(
            "The stage leaves out what these programs do, which are not installed: {}",
            without.join(", ")
        );
    }
    Ok(())
}

fn missing(programs: &[&'static str]) -> Vec<&'static str> {
    let is_there = |program: &str| {
        let mut folders = FOLDERS.iter().map(Path::new);
        folders.any(|folder| folder.join(program).exists())
    };
    let programs = programs.iter().copied();
    programs.filter(|program| !is_there(program)).collect()
}

/// Returns where the cgroups of version 2 are mounted.
pub fn cgroups() -> Result<PathBuf> {
    let path = Path::new("/proc/self/mounts");
    let mounts = fs::read_to_string(path).map_err(Error::file(path))?;
    let mut mounts = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let mounted = mounts.find(|fields| fields.get(2) == Some(&"cgroup2"));
    let folder = mounted.map(|fields| PathBuf::from(fields[1]));
    folder.ok_or_else(|| Error::Stage("no cgroups of version 2 are mounted".to_owned()))
}
