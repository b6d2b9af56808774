//! A small cache of counts of recently seen keys. Most columns repeat a few values, and a lookup in
//! a large table is the most expensive step of counting.

/// The base-2 logarithm of the number of slots. Each key can occupy only one slot.
const SLOT_BITS: u32 = 10;

/// Keys with counts that have not been added to the table yet.
#[derive(Debug, Clone)]
pub(super) struct Recent<T> {
    slots: Vec<Slot<T>>,
}

/// The entry of one key. `times` is 0 while the slot is empty.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot<T> {
    pub key: u64,
    pub times: u64,
    /// The data that is stored with the key.
    pub data: T,
}

impl<T: Default> Default for Recent<T> {
    fn default() -> Self {
        let empty = || Slot {
            key: 0,
            times: 0,
            data: T::default(),
        };
        Self {
            slots: (0..1 << SLOT_BITS).map(|_| empty()).collect(),
        }
    }
}

impl<T> Recent<T> {
    /// Adds `times` to the count of `key`. If another key occupies its slot, that entry is first
    /// passed to `leave`. `enter` then sets the data that is stored with the new key.
    pub fn add(
        &mut self,
        key: u64,
        times: u64,
        leave: impl FnOnce(&Slot<T>),
        enter: impl FnOnce(&mut T),
    ) {
        // The upper bits of a product with 2^64 / golden ratio spread keys well (Knuth, TAOCP vol.
        // 3, 6.4).
        let place = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - SLOT_BITS);
        let slot = &mut self.slots[place as usize];
        if slot.times > 0 && slot.key == key {
            slot.times += times;
            return;
        }
        if slot.times > 0 {
            leave(slot);
        }
        slot.key = key;
        slot.times = times;
        enter(&mut slot.data);
    }

    /// Passes all entries to `leave` and empties the cache.
    pub fn flush(&mut self, mut leave: impl FnMut(&Slot<T>)) {
        for slot in self.slots.iter_mut().filter(|slot| slot.times > 0) {
            leave(slot);
            slot.times = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_count_leaves_once() {
        let mut recent = Recent::<u64>::default();
        let mut table = BTreeMap::<u64, u64>::new();
        let mut note = |slot: &Slot<u64>| {
            assert_eq!(slot.data, slot.key);
            *table.entry(slot.key).or_default() += slot.times;
        };
        for index in 0..10_000_u64 {
            let key = index * index % 3000;
            recent.add(key, 2, &mut note, |data| *data = key);
        }
        recent.flush(&mut note);
        recent.flush(|_| panic!("nothing is left"));
        assert_eq!(table.values().sum::<u64>(), 20_000);
    }
}
