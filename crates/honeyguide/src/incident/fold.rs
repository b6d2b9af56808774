//! The fold of one host's events, in the order of time, to its incidents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::kept::{self, KeptPart, Parts};
use super::merged::Merged;
use super::open::{Anomalous, Open, Subject};
use super::processes::{
    Lineage, MAX_PROCESSES, NO_LINEAGES, ProcessId, Processes, Seen, SeenProcess, Sighting,
};
use super::tracked::Tracked;
use super::{ColumnValue, Incident, QUIET_SECONDS};
use crate::error::Result;
use crate::log::Lineages;

/// The greatest number of ended incidents whose successors name them.
const MAX_ENDED: usize = 1 << 14;
/// The greatest number of incidents of a host that are open at once. When there are more, the half of them of which
/// nothing was seen for longest ends.
pub(super) const MAX_OPEN: usize = 1 << 12;
/// The number of processes with an incident above which forgotten ones are looked for.
const MAX_MEMBERS: usize = 4 * MAX_PROCESSES;

/// What became of an incident.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It has ended. `number` counts the incidents of the host in the order in which they were opened.
    Ended { number: u64, incident: Incident },
    /// It is a part of an older one, which has the id `into` and goes on with its events.
    Merged {
        number: u64,
        incident: Incident,
        into: String,
    },
}

/// What an event is about.
#[derive(Debug)]
pub(super) enum About<'a> {
    /// The event's process.
    Process(SeenProcess<'a>),
    /// Values that tell incidents apart, with the names of their columns.
    Values(Arc<[ColumnValue]>),
}

/// Where an anomalous event belongs.
pub(super) struct Placed<'a> {
    pub subject: Subject,
    /// The process with its ancestors, if the event has one.
    pub family: Option<&'a Lineage>,
    /// The number of the process.
    pub process: Option<i64>,
    /// The program.
    pub program: Option<&'a str>,
}

/// The incidents of one host: those that are open, and what they need to know of its processes.
#[derive(Debug)]
pub(super) struct HostFold {
    host: Option<String>,
    processes: Processes,
    /// The open incidents, by the order in which they were opened.
    open: BTreeMap<u64, Open>,
    opened: u64,
    /// The number of anomalous events.
    events: u64,
    /// The open incident of each subject with an anomalous event. A job has the first of its incidents.
    members: Tracked<Subject, u64>,
    /// The open incident of each session root.
    roots: Tracked<ProcessId, u64>,
    /// The open incident that each merged one became a part of.
    merged: Merged,
    /// The ids of ended incidents by their session root, job or values.
    ended: Tracked<Subject, String>,
    /// The time at which incidents that are over were last looked for.
    swept: f64,
    /// What has changed, if it is noted.
    changed: Option<Changed>,
}

/// What of the fold of a host has changed since it was taken, beside the entries of its maps.
#[derive(Debug, Default)]
struct Changed {
    /// Whether the host had an event.
    is_seen: bool,
    /// The numbers of the incidents that were opened, changed or ended, for a store of the state.
    open: BTreeSet<u64>,
    /// The numbers of the same, for a store of incidents.
    grown: BTreeSet<u64>,
}

/// What is kept of the fold of a host beside the entries of its maps.
#[derive(Serialize, Deserialize)]
struct Head {
    opened: u64,
    events: u64,
    #[serde(with = "kept::time")]
    swept: f64,
    processes: Seen,
}

impl HostFold {
    pub fn new(host: Option<String>, lineages: &'static Lineages) -> Self {
        Self {
            host,
            processes: Processes::new(lineages),
            open: BTreeMap::new(),
            opened: 0,
            events: 0,
            members: Tracked::default(),
            roots: Tracked::default(),
            merged: Merged::default(),
            ended: Tracked::default(),
            swept: f64::NEG_INFINITY,
            changed: None,
        }
    }

    /// Returns a fold to which what was kept of it is given.
    pub fn empty(host: Option<String>) -> Self {
        Self::new(host, &NO_LINEAGES)
    }

    /// Returns whether an incident is open.
    pub fn has_open_incidents(&self) -> bool {
        !self.open.is_empty()
    }

    /// Returns whether something has changed since changes were taken, if they are noted.
    pub fn has_changed(&self) -> bool {
        self.changed.as_ref().is_some_and(|changed| changed.is_seen)
    }

    /// Notes what changes from now on.
    pub fn track(&mut self) {
        self.changed.get_or_insert_default();
        self.processes.known_mut().track();
        self.members.track();
        self.roots.track();
        self.merged.0.track();
        self.ended.track();
    }

    /// Takes the incidents that are open and have changed since the last call, if changes are noted.
    pub fn take_grown(&mut self) -> Vec<&Open> {
        let grown = self.changed.as_mut().map(|changed| &mut changed.grown);
        let grown = grown.map(std::mem::take).unwrap_or_default();
        let open = grown.iter().filter_map(|number| self.open.get(number));
        open.collect()
    }

    /// Gives `parts` what has changed since the last call, if changes are noted.
    ///
    /// # Errors
    /// Fails when a part cannot be written as JSON, which is a defect.
    pub fn take_changes(&mut self, parts: &mut Parts) -> Result<()> {
        let Some(changed) = &mut self.changed else {
            return Ok(());
        };
        changed.is_seen = false;
        let head = Head {
            opened: self.opened,
            events: self.events,
            swept: self.swept,
            processes: self.processes.seen(),
        };
        parts.set(KeptPart::Host, &(), Some(&head))?;
        for number in std::mem::take(&mut changed.open) {
            parts.set(KeptPart::Open, &number, self.open.get(&number))?;
        }
        let known = self.processes.known_mut();
        known.take_changes(|id, process| parts.set(KeptPart::Process, id, process))?;
        let members = &mut self.members;
        members.take_changes(|subject, number| parts.set(KeptPart::Member, subject, number))?;
        let roots = &mut self.roots;
        roots.take_changes(|root, number| parts.set(KeptPart::Root, root, number))?;
        let merged = &mut self.merged.0;
        merged.take_changes(|younger, older| parts.set(KeptPart::Merged, younger, older))?;
        let ended = &mut self.ended;
        ended.take_changes(|subject, id| parts.set(KeptPart::Ended, subject, id))
    }

    /// Takes a part that was kept, before changes are noted.
    ///
    /// # Errors
    /// Fails when it is damaged.
    pub fn restore(&mut self, part: KeptPart, key: &str, value: &str) -> Result<()> {
        let read = kept::read::<u64>;
        match part {
            KeptPart::Host => {
                let head: Head = kept::read(value)?;
                (self.opened, self.events, self.swept) = (head.opened, head.events, head.swept);
                self.processes.restore_seen(head.processes);
            }
            KeptPart::Open => drop(self.open.insert(read(key)?, kept::read(value)?)),
            KeptPart::Process => self.processes.restore(read(key)?, kept::read(value)?),
            KeptPart::Member => self.members.insert(kept::read(key)?, read(value)?),
            KeptPart::Root => self.roots.insert(read(key)?, read(value)?),
            KeptPart::Merged => self.merged.0.insert(read(key)?, read(value)?),
            KeptPart::Ended => self.ended.insert(kept::read(key)?, kept::read(value)?),
            KeptPart::Counts | KeptPart::Reported | KeptPart::Name | KeptPart::Times => {}
        }
        Ok(())
    }

    /// Notes that an incident has changed.
    fn note(&mut self, number: u64) {
        if let Some(changed) = &mut self.changed {
            changed.open.insert(number);
            changed.grown.insert(number);
        }
    }

    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Returns how many incidents were opened so far. Some of them may have been merged.
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Returns the number of anomalous events so far.
    pub fn n_anomalous(&self) -> u64 {
        self.events
    }

    /// Iterates over the open incidents, in the order in which they were opened.
    pub fn open_incidents(&self) -> impl ExactSizeIterator<Item = &Open> {
        self.open.values()
    }

    /// Takes the families of the log, which are not kept with the fold.
    pub fn set_lineages(&mut self, lineages: &'static Lineages) {
        self.processes.set_lineages(lineages);
    }

    /// Returns the number of processes that are remembered.
    pub fn n_processes(&self) -> usize {
        self.processes.len()
    }

    /// Takes an event, anomalous or not, and returns the id of the incident that an anomalous one belongs to. `told` is
    /// given what became of incidents.
    pub fn see(
        &mut self,
        time: Option<f64>,
        about: &About,
        anomalous: Option<&Anomalous>,
        told: &mut impl FnMut(Outcome),
    ) -> Option<&str> {
        if let Some(changed) = &mut self.changed {
            changed.is_seen = true;
        }
        let process = match about {
            About::Process(seen) => {
                let Sighting { id, finds_parent } = self.processes.see(seen);
                if finds_parent {
                    self.find_parent(time, &self.processes.lineage(id), told);
                }
                Some((id, seen))
            }
            About::Values(_) => None,
        };
        let event = anomalous?;
        forget_members(&mut self.members, &mut self.roots, &self.processes);
        let (subject, family) = match (process, about) {
            (Some((id, _)), _) => (Subject::Process(id), Some(self.processes.lineage(id))),
            (None, About::Values(values)) => (Subject::Values(Arc::clone(values)), None),
            (None, About::Process(_)) => return None,
        };
        let placed = Placed {
            subject,
            family: family.as_ref(),
            process: process.map(|(_, seen)| seen.number),
            program: process.and_then(|(_, seen)| seen.program),
        };
        self.add(time, placed, event, told)
    }

    /// Takes an anomalous event of which it is known where it belongs, and returns the id of its incident. `told` is given
    /// what became of incidents.
    pub fn add(
        &mut self,
        time: Option<f64>,
        placed: Placed,
        event: &Anomalous,
        told: &mut impl FnMut(Outcome),
    ) -> Option<&str> {
        let Placed {
            subject,
            family,
            process,
            program,
        } = placed;
        self.sweep(time, false, told);
        let job = family
            .and_then(|family| family.job.clone())
            .map(Subject::Job);
        let mut known = self.incident_of(&subject, family);
        if known.is_none() {
            known = job.as_ref().and_then(|job| self.incident_of(job, None));
        }
        if known.is_some_and(|number| self.open[&number].is_over(time)) {
            self.sweep(time, true, told);
            known = None;
        }
        let number = match known {
            Some(number) => number,
            None => {
                self.end_oldest(told);
                let root = family.map(|family| Subject::Process(family.root));
                let ended = |subject| self.ended.get(subject);
                let previous = ended(root.as_ref().unwrap_or(&subject));
                let previous = previous.or_else(|| job.as_ref().and_then(ended)).cloned();
                self.open(time, &subject, previous, process)
            }
        };
        self.events += 1;
        self.members.insert(subject, number);
        if let Some(job) = job.filter(|job| self.members.get(job).is_none()) {
            self.members.insert(job, number);
        }
        self.note(number);
        let open = self.open.get_mut(&number)?;
        open.add(time, self.events, event);
        if let Some(family) = family {
            open.add_process(&self.processes, family, program);
            self.roots.insert(family.root, number);
        }
        Some(open.id())
    }

    /// Takes a process whose parent becomes known at `time`, with its ancestors. Until now it was the root of its
    /// children's session. Their incident goes on as one of the session that the process belongs to, or is merged with
    /// the incident that this session has.
    pub fn find_parent(
        &mut self,
        time: Option<f64>,
        family: &Lineage,
        told: &mut impl FnMut(Outcome),
    ) {
        let Lineage { path, root, .. } = family;
        if *root == path[0] {
            return;
        }
        let Some(own) = self.roots.get(&path[0]).copied() else {
            return;
        };
        let own = self.merged.latest(own);
        let above = self.incident_of_path(&path[1..], *root);
        let is_over = |number: &u64| self.open[number].is_over(time);
        if above.is_some_and(|above| is_over(&own) || is_over(&above)) {
            return;
        }
        let number = match above {
            Some(above) if above != own => self.merge(own, above, told),
            _ => own,
        };
        self.roots.remove(&path[0]);
        self.roots.insert(*root, number);
        self.note(number);
        if let Some(open) = self.open.get_mut(&number) {
            open.add_family(&self.processes, family);
        }
    }

    /// Merges two open incidents into the older one, whose number is returned.
    fn merge(&mut self, one: u64, other: u64, told: &mut impl FnMut(Outcome)) -> u64 {
        let (older, younger) = (one.min(other), one.max(other));
        if let Some(open) = self.open.remove(&younger)
            && let Some(into) = self.open.get_mut(&older)
        {
            self.merged.add(younger, older);
            told(Outcome::Merged {
                number: younger,
                incident: open.incident(),
                into: into.id().to_owned(),
            });
            into.take_over(open);
            self.note(younger);
            self.note(older);
        }
        older
    }

    /// Returns the open incident of a subject. That of a process with its family is its own, that of its nearest ancestor
    /// with an anomalous event, or that of its session root.
    fn incident_of(&mut self, subject: &Subject, family: Option<&Lineage>) -> Option<u64> {
        match family {
            Some(Lineage { path, root, .. }) => self.incident_of_path(path, *root),
            None => {
                let number = self.members.get(subject).copied();
                number.map(|number| self.merged.latest(number))
            }
        }
    }

    /// Returns the open incident of the nearest process of a path with an anomalous event, or of the session root.
    fn incident_of_path(&mut self, path: &[ProcessId], root: ProcessId) -> Option<u64> {
        let mut of_path = path
            .iter()
            .map(|id| self.members.get(&Subject::Process(*id)));
        let nearest = of_path.find_map(|number| number);
        let found = nearest.or_else(|| self.roots.get(&root)).copied();
        found.map(|number| self.merged.latest(number))
    }

    /// Opens an incident and returns its number.
    fn open(
        &mut self,
        time: Option<f64>,
        subject: &Subject,
        previous: Option<String>,
        process: Option<i64>,
    ) -> u64 {
        let open = Open::new(self.host.as_deref(), time, subject, process, previous);
        self.opened += 1;
        self.open.insert(self.opened, open);
        self.opened
    }

    /// Ends the incidents that are over at `time`, but at most once in a while unless `now`.
    fn sweep(&mut self, time: Option<f64>, now: bool, told: &mut impl FnMut(Outcome)) {
        let Some(at) = time else { return };
        if !now && at - self.swept < QUIET_SECONDS {
            return;
        }
        self.swept = at;
        let over = self.open.iter().filter(|(_, open)| open.is_over(time));
        let over: BTreeSet<u64> = over.map(|(number, _)| *number).collect();
        self.end(&over, told);
    }

    /// Ends the half of the incidents of which nothing was seen for longest, if too many are open.
    fn end_oldest(&mut self, told: &mut impl FnMut(Outcome)) {
        if self.open.len() < MAX_OPEN {
            return;
        }
        let mut open: Vec<(u64, u64)> = self
            .open
            .iter()
            .map(|(number, open)| (open.last_added(), *number))
            .collect();
        open.sort_unstable();
        let oldest = open[..MAX_OPEN / 2].iter().map(|(_, number)| *number);
        self.end(&oldest.collect(), told);
    }

    /// Ends incidents in the order in which they were opened.
    fn end(&mut self, numbers: &BTreeSet<u64>, told: &mut impl FnMut(Outcome)) {
        if numbers.is_empty() {
            return;
        }
        if self.ended.len() >= MAX_ENDED {
            self.ended.clear();
        }
        let lasting = self.members.iter();
        let lasting = lasting.filter(|(subject, _)| !matches!(subject, Subject::Process(_)));
        let lasting = lasting.map(|(subject, number)| (subject.clone(), *number));
        let of_roots = self.roots.iter();
        let of_roots = of_roots.map(|(root, number)| (Subject::Process(*root), *number));
        for (subject, number) in lasting.chain(of_roots) {
            let number = self.merged.latest(number);
            if let Some(open) = self.open.get(&number).filter(|_| numbers.contains(&number)) {
                self.ended.insert(subject, open.id().to_owned());
            }
        }
        let merged = &mut self.merged;
        self.members
            .retain(|_, number| !numbers.contains(&merged.latest(*number)));
        self.roots
            .retain(|_, number| !numbers.contains(&merged.latest(*number)));
        self.merged.forget(numbers);
        for number in numbers {
            self.note(*number);
            if let Some(open) = self.open.remove(number) {
                told(Outcome::Ended {
                    number: *number,
                    incident: open.incident(),
                });
            }
        }
    }

    /// Forgets which incident a process belongs to if `processes`, which are those of the host, have forgotten it.
    pub fn forget_members(&mut self, processes: &Processes) {
        forget_members(&mut self.members, &mut self.roots, processes);
    }

    /// Ends all incidents, since there are no more events.
    pub fn finish(mut self, told: &mut impl FnMut(Outcome)) {
        let all = self.open.keys().copied().collect();
        self.end(&all, told);
    }
}

/// Forgets the incidents of processes that are forgotten themselves, and those of jobs, if there are many.
fn forget_members(
    members: &mut Tracked<Subject, u64>,
    roots: &mut Tracked<ProcessId, u64>,
    processes: &Processes,
) {
    if members.len() < MAX_MEMBERS {
        return;
    }
    members.retain(|subject, _| match subject {
        Subject::Process(id) => processes.get(*id).is_some(),
        Subject::Job(_) => false,
        Subject::Values(_) => true,
    });
    roots.retain(|root, _| processes.get(*root).is_some());
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::event::Event;
    use crate::explain::Reason;
    use crate::log::Log;

    /// The incidents of events that are given one by one; all have the same feature row unless they name another.
    struct Told {
        fold: Option<HostFold>,
        ended: RefCell<Vec<Incident>>,
    }

    impl Told {
        fn new() -> Self {
            let lineages = Log::kernel_calls().lineages();
            Self {
                fold: Some(HostFold::new(Some("h".into()), lineages)),
                ended: RefCell::default(),
            }
        }

        /// Takes an event at `time` of the process `number`, whose feature row is `row` if it is anomalous.
        fn see(
            &mut self,
            time: f64,
            (number, parent, program): (i64, i64, &str),
            row: Option<u64>,
        ) {
            let about = about((number, parent, program));
            self.see_about(time, &about, row, &[]);
        }

        /// Takes an anomalous event with `reasons`.
        fn see_with(&mut self, time: f64, process: (i64, i64, &str), reasons: &[Reason]) {
            self.see_about(time, &about(process), Some(1), reasons);
        }

        fn see_about(&mut self, time: f64, about: &About, row: Option<u64>, reasons: &[Reason]) {
            let key = vec![row.unwrap_or_default()];
            let event = || Event::new(Vec::new(), Arc::default());
            let anomalous = row.map(|row| Anomalous {
                score: 0.6,
                evidence: 0.125 * row as f64,
                row: &key,
                reasons,
                user: None,
                new_program: None,
                path: None,
                address: None,
                event: &event,
            });
            let mut told = |outcome| keep(&self.ended, outcome);
            if let Some(fold) = &mut self.fold {
                fold.see(Some(time), about, anomalous.as_ref(), &mut told);
            }
        }

        /// Returns the incidents in the order in which they ended.
        fn finish(mut self) -> Vec<Incident> {
            let mut told = |outcome| keep(&self.ended, outcome);
            if let Some(fold) = self.fold.take() {
                fold.finish(&mut told);
            }
            self.ended.into_inner()
        }
    }

    /// Keeps an incident that has ended.
    fn keep(ended: &RefCell<Vec<Incident>>, outcome: Outcome) {
        if let Outcome::Ended { incident, .. } = outcome {
            ended.borrow_mut().push(incident);
        }
    }

    /// Returns what an event says of a process: its number, that of its parent, and its program.
    fn about((number, parent, program): (i64, i64, &str)) -> About<'_> {
        About::Process(SeenProcess {
            number,
            parent: Some(parent),
            program: Some(program),
            ends: false,
        })
    }

    fn events(incidents: &[Incident]) -> Vec<u64> {
        incidents.iter().map(|incident| incident.events).collect()
    }

    #[test]
    fn a_session_is_one_incident_and_init_joins_nothing() {
        let mut told = Told::new();
        told.see(0.0, (800, 1, "sshd"), None);
        for (shell, from) in [(901, 0.0), (911, 5.0)] {
            told.see(from + 0.1, (shell - 1, 800, "sshd"), None);
            told.see(from + 0.2, (shell, shell - 1, "bash"), None);
            told.see(from + 1.0, (shell + 1, shell, "curl"), Some(1));
            told.see(from + 2.0, (shell + 2, shell, "sh"), None);
            told.see(from + 3.0, (shell + 3, shell + 2, "miner"), Some(1));
        }
        told.see(9.0, (500, 1, "daemon"), Some(1));
        told.see(9.0, (1, 0, "systemd"), Some(1));
        let found = told.finish();
        assert_eq!(events(&found), [2, 2, 1, 1]);
        let tree = found[0].processes.iter().map(|process| {
            let programs = process.programs.join(" ");
            (process.depth, process.process, programs, process.events)
        });
        let expected = [
            (0, 900, "sshd".to_owned(), 0),
            (1, 901, "bash".to_owned(), 0),
            (2, 902, "curl".to_owned(), 1),
            (2, 903, "sh".to_owned(), 0),
            (3, 904, "miner".to_owned(), 1),
        ];
        assert_eq!(tree.collect::<Vec<_>>(), expected);
        assert_eq!(found[0].n_processes, 2);
        assert_eq!(found[0].started_by.as_deref(), Some("sshd"));
        assert_eq!(found[0].chain(), ["sshd", "bash", "curl"]);
        assert_eq!(found[2].chain(), ["daemon"]);
    }

    #[test]
    fn a_job_that_runs_again_goes_on_with_its_incident() {
        let mut told = Told::new();
        told.see(0.0, (700, 1, "cron"), None);
        let mut run = |at: f64, first: i64, jobs: [&str; 2]| {
            told.see(at, (first, 700, "cron"), None);
            told.see(at, (first, 700, "sh"), None);
            told.see(at + 1.0, (first + 1, first, jobs[0]), Some(1));
            told.see(at + 2.0, (first + 2, first, jobs[1]), Some(2));
        };
        run(0.0, 1000, ["curl", "xmrig"]);
        // Another job, and the first one's second run, which begins with what only the first run's second process did.
        run(300.0, 2000, ["tar", "scp"]);
        run(600.0, 3000, ["xmrig", "curl"]);
        run(590.0 + QUIET_SECONDS, 4000, ["curl", "new"]);
        run(580.0 + 2.0 * QUIET_SECONDS, 5000, ["new", "curl"]);
        run(700.0 + 4.0 * QUIET_SECONDS, 6000, ["curl", "xmrig"]);
        // What a login runs is no job.
        told.see(9000.0, (800, 1, "sshd"), None);
        for login in [7000, 8000] {
            told.see(9000.0, (login, 800, "sshd"), None);
            told.see(9000.0, (login, 800, "bash"), None);
            told.see(9001.0, (login + 1, login, "curl"), Some(1));
        }
        let mut found = told.finish();
        found.sort_by(|a, b| a.first.partial_cmp(&b.first).expect("times"));
        assert_eq!(events(&found), [8, 2, 2, 1, 1]);
        assert_eq!(found[0].chain(), ["cron", "sh", "curl"]);
        assert_eq!(found[1].chain(), ["cron", "sh", "tar"]);
        assert_eq!(found[2].previous.as_ref(), Some(&found[0].id));
        assert_eq!(found[3].previous, None);
    }

    #[test]
    fn incidents_are_merged_when_a_parent_becomes_known() {
        let mut told = Told::new();
        told.see(0.0, (800, 1, "sshd"), None);
        told.see(0.1, (900, 800, "sshd"), None);
        // Two shells of the session are known by their children alone.
        told.see(1.0, (902, 901, "curl"), Some(1));
        told.see(2.0, (912, 911, "w"), Some(2));
        told.see(2.5, (922, 921, "other"), Some(3));
        assert_eq!(told.fold.as_ref().map(HostFold::opened), Some(3));
        told.see(3.0, (911, 900, "bash"), None);
        told.see(4.0, (901, 900, "sh"), None);
        told.see(5.0, (913, 911, "id"), Some(4));
        told.see(6.0, (923, 921, "other"), Some(3));
        let found = told.finish();
        assert_eq!(events(&found), [3, 2]);
        assert_eq!((found[0].first, found[0].distinct_rows), (Some(1.0), 3));
        assert_eq!(found[0].started_by.as_deref(), Some("sshd"));
        let tree = found[0].processes.iter();
        let mut tree: Vec<_> = tree
            .map(|process| (process.depth, process.process))
            .collect();
        assert_eq!(tree.remove(0), (0, 900));
        tree.sort_unstable();
        let expected = [(1, 901), (1, 911), (2, 902), (2, 912), (2, 913)];
        assert_eq!(tree, expected);
    }

    #[test]
    fn an_incident_that_is_over_is_not_merged() {
        let mut told = Told::new();
        told.see(0.0, (902, 901, "curl"), Some(1));
        told.see(1.0, (900, 1, "bash"), Some(1));
        let late = QUIET_SECONDS + 2.0;
        told.see(late, (901, 900, "sh"), None);
        told.see(late, (903, 901, "curl"), Some(1));
        assert_eq!(events(&told.finish()), [1, 1, 1]);
    }

    #[test]
    fn an_anomalous_ancestor_joins_what_started_elsewhere() {
        let mut told = Told::new();
        told.see(0.0, (900, 800, "sshd"), Some(1));
        told.see(0.5, (901, 900, "bash"), None);
        told.see(1.0, (902, 901, "curl"), Some(2));
        let found = told.finish();
        assert_eq!(events(&found), [2]);
        assert_eq!((found[0].score, found[0].distinct_rows), (0.375, 2));
    }

    #[test]
    fn repeated_rows_are_evidence_once() {
        let mut told = Told::new();
        (0..1000).for_each(|n| told.see(f64::from(n), (902, 901, "x"), Some(3)));
        let found = told.finish();
        assert_eq!((found[0].events, found[0].score), (1000, 0.375));
    }

    #[test]
    fn an_incident_ends_after_a_quarter_of_an_hour_or_a_day() {
        let process = (902, 901, "x");
        let mut told = Told::new();
        for time in [0.0, 900.0, 1800.5] {
            told.see(time, process, Some(1));
        }
        let found = told.finish();
        assert_eq!(events(&found), [2, 1]);
        assert_eq!(found[1].previous.as_deref(), Some(found[0].id.as_str()));
        assert_ne!(found[0].id, found[1].id);

        let mut told = Told::new();
        (0..=288).for_each(|n| told.see(f64::from(n) * 301.0, process, Some(1)));
        let found = told.finish();
        assert_eq!(
            events(&found),
            [288, 1],
            "287 × 301 s is less than a day, 288 × 301 s is more"
        );
    }

    #[test]
    fn values_tell_incidents_of_other_logs_apart() {
        let mut told = Told::new();
        for (time, client) in [(0.0, "a"), (1.0, "b"), (2.0, "a")] {
            let value = ColumnValue {
                column: "client".into(),
                value: Some(client.into()),
            };
            told.see_about(time, &About::Values([value].into()), Some(1), &[]);
        }
        let found = told.finish();
        assert_eq!(events(&found), [2, 1]);
        assert_eq!(found[0].by[0].value.as_deref(), Some("a"));
        assert_eq!(found[0].n_processes, 0);
    }

    #[test]
    fn common_values_are_no_reasons_beside_others() {
        let listed = |shares: &[(f64, Option<f64>)]| {
            let mut told = Told::new();
            let reasons = shares.iter().enumerate().map(|(n, share)| Reason {
                feature: "f".into(),
                contribution: share.0,
                text: format!("reason {n}"),
                share: share.1,
            });
            told.see_with(0.0, (902, 901, "x"), &reasons.collect::<Vec<_>>());
            let incident = told.finish().remove(0);
            let texts = incident.reasons.into_iter().map(|reason| reason.text);
            texts.collect::<Vec<_>>()
        };
        let mixed = [
            (-3.0, Some(0.1)),
            (-1.0, Some(0.099)),
            (-2.0, None),
            (-0.5, Some(0.9)),
        ];
        assert_eq!(listed(&mixed), ["reason 2", "reason 1"]);
        let common = [(-1.0, Some(0.5)), (-2.0, Some(1.0))];
        assert_eq!(
            listed(&common),
            ["reason 1", "reason 0"],
            "only together are they unusual"
        );
    }

    #[test]
    fn the_number_of_open_incidents_is_bounded() {
        let mut told = Told::new();
        for number in 0..=MAX_OPEN as i64 {
            told.see(0.0, (10 + number, 1, "x"), Some(1));
        }
        let open = told.fold.as_ref().map(|fold| fold.open.len());
        assert_eq!(open, Some(MAX_OPEN / 2 + 1));
        assert_eq!(told.finish().len(), MAX_OPEN + 1);
    }

    /// What a store that is told of all changes holds.
    type Stored = std::collections::HashMap<kept::KeptKey, String>;

    /// Stores what has changed of a fold.
    fn store(fold: &mut HostFold, stored: &mut Stored) {
        let mut parts = Vec::new();
        let mut changes = Parts {
            host: 1,
            parts: &mut parts,
        };
        fold.take_changes(&mut changes).expect("JSON");
        for (key, value) in parts {
            match value {
                Some(value) => stored.insert(key, value),
                None => stored.remove(&key),
            };
        }
    }

    fn restored(stored: &Stored) -> HostFold {
        let mut fold = HostFold::empty(Some("h".into()));
        for (key, value) in stored {
            fold.restore(key.part, &key.key, value).expect("a part");
        }
        fold.set_lineages(Log::kernel_calls().lineages());
        fold.track();
        fold
    }

    #[test]
    fn a_fold_that_is_stored_in_parts_and_restored_goes_on_as_if_nothing_had_happened() {
        let run = |stops: usize| {
            let mut told = Told::new();
            let (mut stored, mut draw) = (Stored::new(), 1_u64);
            told.fold.iter_mut().for_each(HostFold::track);
            let mut time = 0.0;
            for step in 0..1500_usize {
                draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let of = |shift: u32, limit: u64| (draw >> shift) % limit;
                // Sometimes a quarter of an hour passes, so that incidents end.
                time += if of(20, 100) == 0 {
                    1000.0
                } else {
                    of(25, 30) as f64
                };
                let number = 2 + of(33, 60) as i64;
                let parent = [1, 2 + number / 3, number / 2][of(40, 3) as usize];
                let program = ["sshd", "bash", "curl", "cron"][of(43, 4) as usize];
                let about = About::Process(SeenProcess {
                    number,
                    parent: Some(parent),
                    program: Some(program),
                    ends: of(46, 50) == 0,
                });
                let row = (of(52, 4) == 0).then(|| of(55, 20));
                told.see_about(time, &about, row, &[]);
                if stops > 0 && step % stops == 0 {
                    let fold = told.fold.as_mut().expect("a fold");
                    store(fold, &mut stored);
                    told.fold = Some(restored(&stored));
                }
            }
            let kept: usize = stored.len();
            (told.finish(), kept)
        };
        let (expected, _) = run(0);
        assert!(expected.len() > 20, "{}", expected.len());
        for stops in [9, 100] {
            let (found, kept) = run(stops);
            assert_eq!(found, expected, "{stops}");
            assert!(kept > 50);
        }
    }
}
