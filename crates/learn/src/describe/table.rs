//! A hash table of counts with sixteen bytes per slot, so that a lookup usually touches one cache
//! line.

use std::hash::{BuildHasher, RandomState};

use crate::mix::fold;

/// The number of slots of a new table.
const FIRST_SLOTS: usize = 16;

/// A hash table from keys to counts, with open addressing.
#[derive(Debug, Clone)]
pub(super) struct CountTable {
    /// The (key, count) slots. Their number is a power of two, and at most three quarters are
    /// occupied. A count of 0 marks an empty slot.
    slots: Vec<(u64, u64)>,
    /// The number of occupied slots.
    held: usize,
    /// A random secret, so that nobody can choose keys that collide. No result depends on it.
    secret: [u64; 2],
}

impl Default for CountTable {
    fn default() -> Self {
        let random = RandomState::new();
        Self {
            slots: vec![(0, 0); FIRST_SLOTS],
            held: 0,
            secret: [random.hash_one(0_u8), random.hash_one(1_u8) | 1],
        }
    }
}

impl CountTable {
    /// Returns the number of keys.
    pub fn len(&self) -> usize {
        self.held
    }

    /// Adds `times`, at least 1, to the count of `key` and returns the new count.
    pub fn add(&mut self, key: u64, times: u64) -> u64 {
        if 4 * self.held >= 3 * self.slots.len() {
            self.resize(2 * self.slots.len());
        }
        let last = self.slots.len() - 1;
        let mut at = fold(key ^ self.secret[0], self.secret[1]) as usize & last;
        loop {
            let slot = &mut self.slots[at];
            if slot.1 == 0 {
                *slot = (key, times);
                self.held += 1;
                return times;
            }
            if slot.0 == key {
                slot.1 += times;
                return slot.1;
            }
            at = (at + 1) & last;
        }
    }

    /// Returns the (key, count) pairs, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.slots.iter().copied().filter(|slot| slot.1 > 0)
    }

    /// Removes the keys whose count is at most `highest`.
    pub fn forget(&mut self, highest: u64) {
        for slot in self.slots.iter_mut().filter(|slot| slot.1 <= highest) {
            slot.1 = 0;
        }
        let left = self.iter().count();
        self.resize((2 * left).next_power_of_two().max(FIRST_SLOTS));
    }

    /// Rehashes all keys into this number of slots.
    fn resize(&mut self, slots: usize) {
        let before = std::mem::replace(&mut self.slots, vec![(0, 0); slots]);
        self.held = 0;
        for (key, count) in before.into_iter().filter(|slot| slot.1 > 0) {
            self.add(key, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_counts_as_a_map_does(
            pushes in prop::collection::vec((0..300u64, 1..4u64), 0..600), highest in 0..8u64,
        ) {
            let (mut table, mut map) = (CountTable::default(), BTreeMap::<u64, u64>::new());
            for &(key, times) in &pushes {
                let count = map.entry(key << 40).or_default();
                *count += times;
                prop_assert_eq!(table.add(key << 40, times), *count);
            }
            table.forget(highest);
            map.retain(|_, count| *count > highest);
            prop_assert_eq!(table.len(), map.len());
            prop_assert_eq!(table.iter().collect::<BTreeMap<_, _>>(), map);
        }
    }
}
