//! A bounded list of near points that records which of them a search has expanded.

/// A near point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// The key of the distance to the searched point.
    pub key: f64,
    /// The index of the point.
    pub id: u32,
    /// Whether the search has not expanded the point yet.
    pub is_new: bool,
}

/// Inserts a point that is nearer than the last of the list, which it displaces. Returns false when
/// the point is already in the list.
#[inline]
pub(super) fn insert(list: &mut [Entry], key: f64, id: u32) -> bool {
    if list.iter().any(|entry| entry.id == id) {
        return false;
    }
    let mut place = list.len() - 1;
    while place > 0 && (key, id) < (list[place - 1].key, list[place - 1].id) {
        list[place] = list[place - 1];
        place -= 1;
    }
    list[place] = Entry {
        key,
        id,
        is_new: true,
    };
    true
}

/// The nearest points of one search, nearest first.
pub(super) struct Shortlist(Vec<Entry>);

impl Shortlist {
    /// Creates an empty list for up to `most` points, at least 1.
    pub fn new(most: usize) -> Shortlist {
        let nothing = Entry {
            key: f64::INFINITY,
            id: u32::MAX,
            is_new: false,
        };
        Shortlist(vec![nothing; most])
    }

    /// Adds a point if it is near enough and not in the list yet.
    #[inline]
    pub fn offer(&mut self, key: f64, id: u32) {
        if key < self.0[self.0.len() - 1].key {
            insert(&mut self.0, key, id);
        }
    }

    /// Returns the nearest point that was not returned before.
    pub fn next_new(&mut self) -> Option<u32> {
        let entry = self.0.iter_mut().find(|entry| entry.is_new)?;
        entry.is_new = false;
        Some(entry.id)
    }

    /// Returns the keys and indices of the points, nearest first.
    pub fn found(&self) -> impl Iterator<Item = (f64, u32)> {
        let found = self.0.iter().filter(|entry| entry.key < f64::INFINITY);
        found.map(|entry| (entry.key, entry.id))
    }
}
