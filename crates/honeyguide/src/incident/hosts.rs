//! The folds of all hosts whose events are being folded.

use std::collections::HashMap;

use super::fold::{HostFold, Outcome};
use crate::log::Lineages;

/// The folds of hosts.
#[derive(Debug)]
pub(super) struct Hosts {
    /// The host of the last event.
    current: Option<HostFold>,
    /// The other hosts; `None` if all events of a host follow one another, so that it ends where the next one begins.
    others: Option<HashMap<Option<String>, HostFold>>,
    /// Whether folds note what changes.
    tracks: bool,
}

impl Hosts {
    /// Returns the folds of events in the order of their hosts.
    pub fn one_by_one() -> Self {
        Self {
            current: None,
            others: None,
            tracks: false,
        }
    }

    /// Returns the folds of events whose hosts alternate.
    pub fn at_once() -> Self {
        Self {
            current: None,
            others: Some(HashMap::new()),
            tracks: false,
        }
    }

    /// Returns the folds of events whose hosts alternate, with those that were kept.
    pub fn kept(folds: Vec<HostFold>) -> Self {
        let named = |fold: HostFold| (fold.host().map(str::to_owned), fold);
        Self {
            current: None,
            others: Some(folds.into_iter().map(named).collect()),
            tracks: false,
        }
    }

    /// Lets folds note what changes from now on.
    pub fn track(&mut self) {
        self.tracks = true;
        self.iter_mut().for_each(HostFold::track);
    }

    /// Returns the fold of `host`. What becomes of the incidents of a host that ends with it is given to `told`.
    pub fn of(
        &mut self,
        host: Option<&str>,
        lineages: &'static Lineages,
        told: &mut impl FnMut(Outcome),
    ) -> &mut HostFold {
        if self
            .current
            .as_ref()
            .is_some_and(|fold| fold.host() != host)
        {
            self.leave(told);
        }
        if self.current.is_none()
            && let Some(others) = &mut self.others
        {
            self.current = others.remove(&host.map(str::to_owned));
            if let Some(fold) = &mut self.current {
                fold.set_lineages(lineages);
            }
        }
        let tracks = self.tracks;
        let new = || {
            let mut fold = HostFold::new(host.map(str::to_owned), lineages);
            if tracks {
                fold.track();
            }
            fold
        };
        self.current.get_or_insert_with(new)
    }

    /// Puts the current host to the others, or ends it.
    fn leave(&mut self, told: &mut impl FnMut(Outcome)) {
        match (self.current.take(), &mut self.others) {
            (Some(fold), Some(others)) => {
                others.insert(fold.host().map(str::to_owned), fold);
            }
            (Some(fold), None) => fold.finish(told),
            (None, _) => {}
        }
    }

    /// Iterates over the folds.
    pub fn iter(&self) -> impl Iterator<Item = &HostFold> {
        let others = self.others.iter().flat_map(HashMap::values);
        self.current.iter().chain(others)
    }

    /// Iterates over the folds, to take what has changed of them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut HostFold> {
        let others = self.others.iter_mut().flat_map(HashMap::values_mut);
        self.current.iter_mut().chain(others)
    }

    /// Returns the fold of `host`, if one of its events was seen.
    pub fn get(&self, host: Option<&str>) -> Option<&HostFold> {
        self.iter().find(|fold| fold.host() == host)
    }

    /// Ends and forgets a host.
    pub fn end(&mut self, host: Option<&str>, told: &mut impl FnMut(Outcome)) {
        self.leave(told);
        let others = self.others.as_mut();
        let fold = others.and_then(|others| others.remove(&host.map(str::to_owned)));
        if let Some(fold) = fold {
            fold.finish(told);
        }
    }

    /// Ends all incidents of all hosts, in the order of the hosts' names.
    pub fn finish(&mut self, told: &mut impl FnMut(Outcome)) {
        self.leave(told);
        let others = self.others.as_mut().map(std::mem::take);
        let mut folds: Vec<_> = others.into_iter().flatten().collect();
        folds.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        folds.into_iter().for_each(|(_, fold)| fold.finish(told));
    }
}
