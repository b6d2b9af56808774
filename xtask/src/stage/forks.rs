//! The beginnings of processes, as the kernel tells them.

use std::fs;
use std::path::{Path, PathBuf};

use super::player::Player;
use crate::command::command;
use crate::error::{Error, Result};

/// The beginning of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fork {
    /// In nanoseconds since boot.
    pub time: u64,
    /// The process that started it, and its own number, in the numbers of the machine.
    pub parent: u32,
    pub child: u32,
}

/// A process that listens to the kernel and writes down what it hears.
pub struct Witness {
    player: Player,
    file: PathBuf,
}

impl Witness {
    /// Starts to listen, and waits until every process that begins from now on will be heard of.
    pub fn start(plays: &Path, file: &Path) -> Result<Self> {
        let script = plays.join("forks.py");
        let mut player = Player::start(&mut command("python3", [script.as_path(), file]))?;
        player.wait_until_ready()?;
        Ok(Self {
            player,
            file: file.to_owned(),
        })
    }

    /// Ends it, and returns what it heard.
    ///
    /// # Errors
    /// Fails when the kernel left something out.
    pub fn finish(self) -> Result<Vec<Fork>> {
        if !self.player.finish()?.success() {
            return Err(Error::Stage(
                "the kernel left out beginnings of processes, so labels would not be exact"
                    .to_owned(),
            ));
        }
        let text = fs::read_to_string(&self.file).map_err(Error::file(&self.file))?;
        let lines = text.lines().enumerate();
        let forks = lines.map(|(at, line)| {
            parse(line).ok_or_else(|| Error::Line {
                path: self.file.clone(),
                line: at + 1,
                what: "not a time and two processes".to_owned(),
            })
        });
        forks.collect()
    }
}

fn parse(line: &str) -> Option<Fork> {
    let mut fields = line.split(' ');
    let fork = Fork {
        time: fields.next()?.parse().ok()?,
        parent: fields.next()?.parse().ok()?,
        child: fields.next()?.parse().ok()?,
    };
    fields.next().is_none().then_some(fork)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{output, root};
    use crate::stage::needs;

    #[test]
    fn the_kernel_tells_of_every_process() {
        if let Err(why) = needs::check() {
            println!("processes are not listened to here: {why}");
            return;
        }
        let file = std::env::temp_dir().join(format!("forks-{}", std::process::id()));
        let witness = Witness::start(&root().join("xtask/src/stage/plays"), &file).unwrap();
        let numbers = output(&mut command("sh", ["-c", "true & wait; echo $$ $!"])).unwrap();
        let forks = witness.finish().unwrap();
        fs::remove_file(&file).unwrap();
        let numbers: Vec<u32> = numbers
            .split_whitespace()
            .map(|n| n.parse().unwrap())
            .collect();
        let [shell, child] = numbers[..] else {
            panic!("{numbers:?}")
        };
        let position = |parent, child| {
            let is_it = |fork: &Fork| (fork.parent, fork.child) == (parent, child);
            forks.iter().position(is_it).unwrap()
        };
        assert!(position(std::process::id(), shell) < position(shell, child));
    }

    #[test]
    fn lines_are_a_time_and_two_processes() {
        let fork = Fork {
            time: 5,
            parent: 1,
            child: 2,
        };
        assert_eq!(parse("5 1 2"), Some(fork));
        for wrong in ["", "5 1", "5 1 2 3", "5 1 x"] {
            assert_eq!(parse(wrong), None);
        }
    }
}
