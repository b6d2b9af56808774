//! A bounded list of the nearest points found so far.

/// The `k` points with the smallest keys; of equal keys, those with the smallest indices come
/// first.
#[derive(Clone, Debug)]
pub(in crate::umap) struct Nearest {
    k: usize,
    /// The index of a point that is ignored: the one whose neighbours are searched for.
    skip: u32,
    /// The keys and indices found, in ascending order.
    found: Vec<(f64, u32)>,
    /// The greatest key that could still enter the list.
    worst: f64,
}

impl Nearest {
    /// Creates an empty list for `k` points that ignores point `skip`.
    pub fn new(k: usize, skip: Option<u32>) -> Nearest {
        Nearest {
            k,
            skip: skip.unwrap_or(u32::MAX),
            found: Vec::with_capacity(k),
            worst: f64::INFINITY,
        }
    }

    /// Returns the greatest key that could still enter the list.
    #[inline]
    pub fn worst(&self) -> f64 {
        self.worst
    }

    /// Adds a point, which must not have been offered before, if it is near enough.
    #[inline]
    pub fn offer(&mut self, key: f64, id: u32) {
        if key > self.worst || id == self.skip {
            return;
        }
        self.insert(key, id);
    }

    /// Adds a point, which may have been offered before, if it is near enough.
    pub fn offer_once(&mut self, key: f64, id: u32) {
        if key <= self.worst && !self.found.iter().any(|point| point.1 == id) {
            self.offer(key, id);
        }
    }

    fn insert(&mut self, key: f64, id: u32) {
        if self.found.len() < self.k {
            self.found.push((key, id));
        } else if self.found.last().is_some_and(|&last| (key, id) < last) {
            self.found[self.k - 1] = (key, id);
        } else {
            return;
        }
        let mut place = self.found.len() - 1;
        while place > 0 && (key, id) < self.found[place - 1] {
            self.found[place] = self.found[place - 1];
            place -= 1;
        }
        self.found[place] = (key, id);
        if self.found.len() == self.k {
            self.worst = self.found[self.k - 1].0;
        }
    }

    /// Returns the keys and indices, nearest first.
    pub fn found(&self) -> &[(f64, u32)] {
        &self.found
    }

    /// Returns the keys and indices, nearest first.
    pub fn into_found(self) -> Vec<(f64, u32)> {
        self.found
    }
}
