//! Which processes are an intruder's, from the tree of all processes and the marks that intruders leave.
//!
//! A break-in marks its first process by asking for the status of a file that does not exist: `/stage/sus` or
//! `/stage/evil`. The recording holds that call, so the process is known by its number and its start. From then on it and
//! every process that it starts carry the label. `/stage/sus-up-2` marks the parent of the process's parent instead, from
//! its beginning: that of a login is the server's process for this session.

use std::collections::HashMap;

use super::forks::Fork;

/// A process: its number, and its start in nanoseconds since boot.
pub type Process = (u32, u64);

/// A label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// The intruder's session.
    Sus,
    /// What does harm in it.
    Evil,
}

/// A mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub process: Process,
    /// In nanoseconds since boot.
    pub time: u64,
    pub label: Label,
    /// How many steps the marked process is above the one that left the mark.
    pub up: usize,
}

/// Since when a process carries each label, in nanoseconds since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Since {
    pub sus: Option<u64>,
    pub evil: Option<u64>,
}

impl Since {
    /// Adds a label. What is evil is suspicious as well.
    fn add(&mut self, label: Label, time: u64) {
        let earlier = |old: Option<u64>| Some(old.map_or(time, |old| old.min(time)));
        self.sus = earlier(self.sus);
        if label == Label::Evil {
            self.evil = earlier(self.evil);
        }
    }

    /// Adds what a process inherits that its parent starts at `time`.
    fn inherit(&mut self, parent: Self, time: u64) {
        if parent.sus.is_some_and(|since| since <= time) {
            self.add(Label::Sus, 0);
        }
        if parent.evil.is_some_and(|since| since <= time) {
            self.add(Label::Evil, 0);
        }
    }
}

/// The processes that began while the kernel was listened to.
pub struct Tree {
    /// In the order of time.
    forks: Vec<Fork>,
    /// The positions in `forks` of each process number, in the order of time.
    of_number: HashMap<u32, Vec<usize>>,
}

impl Tree {
    /// Makes a tree of forks in any order.
    pub fn new(mut forks: Vec<Fork>) -> Self {
        forks.sort_by_key(|fork| fork.time);
        let mut of_number: HashMap<u32, Vec<usize>> = HashMap::new();
        for (at, fork) in forks.iter().enumerate() {
            of_number.entry(fork.child).or_default().push(at);
        }
        Self { forks, of_number }
    }

    /// Returns the position of the fork that began a process. The kernel tells of a process just after it has set the
    /// process's start.
    fn fork_of(&self, (number, start): Process) -> Option<usize> {
        let forks = self.of_number.get(&number)?;
        let next = forks.partition_point(|&at| self.forks[at].time < start);
        forks.get(next).copied()
    }

    /// Returns the position of the fork that began the parent of the process that `at` began.
    fn parent_of(&self, at: usize) -> Option<usize> {
        let Fork { time, parent, .. } = self.forks[at];
        let forks = self.of_number.get(&parent)?;
        let next = forks.partition_point(|&at| self.forks[at].time < time);
        next.checked_sub(1).map(|last| forks[last])
    }

    /// Returns the labels of the recorded processes that have any.
    ///
    /// # Errors
    /// Returns the process that began after the first fork that is known, but has none itself, or whose mark points above
    /// the tree. Labels that rest on half a tree would be guesses.
    pub fn label(
        &self,
        recorded: &[Process],
        marks: &[Mark],
    ) -> Result<Vec<(Process, Since)>, Process> {
        let mut labels = vec![Since::default(); self.forks.len()];
        for mark in marks {
            let mut at = self.fork_of(mark.process).ok_or(mark.process)?;
            for _ in 0..mark.up {
                at = self.parent_of(at).ok_or(mark.process)?;
            }
            let since = if mark.up == 0 { mark.time } else { 0 };
            labels[at].add(mark.label, since);
        }
        for at in 0..self.forks.len() {
            if let Some(parent) = self.parent_of(at) {
                let inherited = labels[parent];
                labels[at].inherit(inherited, self.forks[at].time);
            }
        }
        let begin = self.forks.first().map_or(u64::MAX, |fork| fork.time);
        let mut found = Vec::new();
        for &process in recorded {
            match self.fork_of(process) {
                Some(at) if labels[at] != Since::default() => found.push((process, labels[at])),
                None if process.1 > begin => return Err(process),
                _ => {}
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fork(time: u64, parent: u32, child: u32) -> Fork {
        Fork {
            time,
            parent,
            child,
        }
    }

    fn mark(process: Process, time: u64, label: Label, up: usize) -> Mark {
        Mark {
            process,
            time,
            label,
            up,
        }
    }

    /// 10 starts 11 and 12; 11 starts 13 and ends; 13 starts 14, and 11 begins again as a child of 12.
    fn tree() -> Tree {
        Tree::new(vec![
            fork(101, 1, 10),
            fork(201, 10, 11),
            fork(301, 10, 12),
            fork(401, 11, 13),
            fork(501, 13, 14),
            fork(601, 12, 11),
        ])
    }

    const RECORDED: [Process; 6] = [
        (10, 100),
        (11, 200),
        (12, 300),
        (13, 400),
        (14, 500),
        (11, 600),
    ];

    #[test]
    fn what_a_marked_process_starts_carries_its_label_even_when_it_has_ended() {
        let marks = [mark((11, 200), 350, Label::Evil, 0)];
        let found = tree().label(&RECORDED, &marks).unwrap();
        let both = |since| Since {
            sus: Some(since),
            evil: Some(since),
        };
        assert_eq!(
            found,
            [
                ((11, 200), both(350)),
                ((13, 400), both(0)),
                ((14, 500), both(0))
            ]
        );
    }

    #[test]
    fn what_a_process_started_before_its_mark_carries_no_label() {
        let marks = [mark((11, 200), 450, Label::Sus, 0)];
        let found = tree().label(&RECORDED, &marks).unwrap();
        let sus = Since {
            sus: Some(450),
            evil: None,
        };
        assert_eq!(found, [((11, 200), sus)]);
    }

    #[test]
    fn a_mark_can_be_meant_for_an_ancestor_and_a_number_can_be_used_again() {
        let marks = [mark((11, 600), 650, Label::Sus, 1)];
        let found = tree().label(&RECORDED, &marks).unwrap();
        let processes: Vec<_> = found.iter().map(|(process, _)| *process).collect();
        assert_eq!(processes, [(12, 300), (11, 600)]);
    }

    #[test]
    fn half_a_tree_gives_no_labels() {
        let recorded = [(10, 100), (77, 350)];
        assert_eq!(tree().label(&recorded, &[]), Err((77, 350)));
        assert_eq!(tree().label(&[(1, 5)], &[]), Ok(Vec::new()));
        let marks = [mark((12, 300), 350, Label::Sus, 9)];
        assert_eq!(tree().label(&RECORDED, &marks), Err((12, 300)));
    }
}
