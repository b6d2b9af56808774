//! Open incidents of one host that became parts of others.

use std::collections::BTreeSet;

use super::tracked::Tracked;

/// The numbers of merged incidents, each with the older one that it became a part of.
#[derive(Debug, Default)]
pub(super) struct Merged(pub Tracked<u64, u64>);

impl Merged {
    /// Adds that the incident `younger` became a part of `older`.
    pub fn add(&mut self, younger: u64, older: u64) {
        debug_assert!(older < younger, "the older incident goes on");
        self.0.insert(younger, older);
    }

    /// Returns the incident that goes on with the events of the incident `number`: itself, unless it was merged. What is
    /// found is kept, so that the next call needs one step.
    pub fn latest(&mut self, number: u64) -> u64 {
        let mut latest = number;
        while let Some(into) = self.0.get(&latest) {
            latest = *into;
        }
        let mut current = number;
        while let Some(into) = self.0.get(&current).copied()
            && into != latest
        {
            self.0.insert(current, latest);
            current = into;
        }
        latest
    }

    /// Forgets what became a part of the incidents `numbers`, which end.
    pub fn forget(&mut self, numbers: &BTreeSet<u64>) {
        let all: Vec<u64> = self.0.iter().map(|(number, _)| *number).collect();
        let ended = all
            .into_iter()
            .filter(|number| numbers.contains(&self.latest(*number)));
        let ended: Vec<u64> = ended.collect();
        for number in ended {
            self.0.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_can_be_merged_several_times() {
        let mut merged = Merged::default();
        for number in (2..=100).rev() {
            merged.add(number, number - 1);
        }
        merged.add(201, 200);
        let latest = [100, 50, 2, 1, 201, 7].map(|number| merged.latest(number));
        assert_eq!(latest, [1, 1, 1, 1, 200, 1]);
        merged.forget(&BTreeSet::from([1]));
        let left: Vec<_> = merged.0.iter().collect();
        assert_eq!(left, [(&201, &200)]);
    }
}
