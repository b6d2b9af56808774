//! A map that knows which of its entries have changed, so that a store is told of these alone.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::ops::Index;

/// A map whose changes are noted once somebody asks for it.
#[derive(Debug)]
pub(super) struct Tracked<K, V> {
    entries: HashMap<K, V>,
    /// The keys of the entries that have changed, if they are noted.
    changed: Option<HashSet<K>>,
}

impl<K, V> Default for Tracked<K, V> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            changed: None,
        }
    }
}

impl<K: Clone + Eq + Hash, V> Tracked<K, V> {
    /// Notes changes from now on.
    pub fn track(&mut self) {
        self.changed.get_or_insert_default();
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key)
    }

    /// Returns the value of a key, which is taken to change.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let found = self.entries.get_mut(key);
        if let (Some(changed), Some(_)) = (&mut self.changed, &found)
            && !changed.contains(key)
        {
            changed.insert(key.clone());
        }
        found
    }

    pub fn insert(&mut self, key: K, value: V)
    where
        V: PartialEq,
    {
        if self.changed.is_some() && self.entries.get(&key) == Some(&value) {
            return;
        }
        self.note(&key);
        self.entries.insert(key, value);
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        let removed = self.entries.remove(key);
        if removed.is_some() {
            self.note(key);
        }
        removed
    }

    /// Keeps the entries of which `is_kept` holds.
    pub fn retain(&mut self, mut is_kept: impl FnMut(&K, &V) -> bool) {
        let changed = &mut self.changed;
        self.entries.retain(|key, value| {
            let is_kept = is_kept(key, value);
            if let Some(changed) = changed.as_mut().filter(|_| !is_kept) {
                changed.insert(key.clone());
            }
            is_kept
        });
    }

    pub fn clear(&mut self) {
        self.retain(|_, _| false);
    }

    /// Iterates over the entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter()
    }

    /// Gives `told` the entries that have changed since the last call; those that are gone have no value.
    ///
    /// # Errors
    /// Fails as `told` does.
    pub fn take_changes<E>(
        &mut self,
        mut told: impl FnMut(&K, Option<&V>) -> Result<(), E>,
    ) -> Result<(), E> {
        let changed = self.changed.as_mut().map(std::mem::take);
        for key in changed.into_iter().flatten() {
            told(&key, self.entries.get(&key))?;
        }
        Ok(())
    }

    fn note(&mut self, key: &K) {
        if let Some(changed) = &mut self.changed {
            changed.insert(key.clone());
        }
    }
}

impl<K: Eq + Hash, V> Index<&K> for Tracked<K, V> {
    type Output = V;

    fn index(&self, key: &K) -> &V {
        &self.entries[key]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What a store that is told of all changes holds.
    fn tell(map: &mut Tracked<u64, u64>, stored: &mut BTreeMap<u64, u64>) -> usize {
        let mut told = 0;
        let all: Result<(), ()> = map.take_changes(|key, value| {
            told += 1;
            match value {
                Some(value) => stored.insert(*key, *value),
                None => stored.remove(key),
            };
            Ok(())
        });
        all.expect("no failure");
        told
    }

    #[test]
    fn a_store_that_is_told_of_the_changes_has_all_entries() {
        let mut map = Tracked::default();
        map.insert(1, 1);
        map.track();
        let mut stored = BTreeMap::from([(1, 1)]);
        assert_eq!(tell(&mut map, &mut stored), 0);
        // Numbers of a fixed sequence say what is done.
        let mut draw = 1_u64;
        for step in 0..2000 {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (key, value) = (draw >> 58, (draw >> 40) % 4);
            match (draw >> 33) % 40 {
                0 => map.clear(),
                1 => map.retain(|key, _| key % 3 > 0),
                2..8 => drop(map.remove(&key)),
                8..16 => map.get_mut(&key).into_iter().for_each(|one| *one += 1),
                _ => map.insert(key, value),
            }
            if step % 7 == 0 {
                tell(&mut map, &mut stored);
                let expected: BTreeMap<u64, u64> =
                    map.iter().map(|(key, value)| (*key, *value)).collect();
                assert_eq!(stored, expected);
                assert_eq!(map.len(), stored.len());
            }
        }
        tell(&mut map, &mut stored);
        let same: Vec<(u64, u64)> = stored.iter().map(|(key, value)| (*key, *value)).collect();
        same.iter()
            .for_each(|(key, value)| map.insert(*key, *value));
        assert_eq!(tell(&mut map, &mut stored), 0, "nothing has changed");
    }
}
