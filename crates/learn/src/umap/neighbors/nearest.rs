//! The nearest points found so far.

/// Up to `k` points of least key; of equal keys, those of least number.
#[derive(Clone, Debug)]
pub(in crate::umap) struct Nearest {
    k: usize,
    /// A point that is not taken: the searched one itself.
    skip: u32,
    /// Ascending.
    found: Vec<(f64, u32)>,
    /// The greatest key that could still enter.
    worst: f64,
}

impl Nearest {
    /// Room for `k` points other than number `skip`.
    pub fn new(k: usize, skip: Option<u32>) -> Nearest {
        Nearest {
            k,
            skip: skip.unwrap_or(u32::MAX),
            found: Vec::with_capacity(k),
            worst: f64::INFINITY,
        }
    }

    /// The greatest key that could still enter.
    #[inline]
    pub fn worst(&self) -> f64 {
        self.worst
    }

    /// Takes a point that was not offered before, if it is near enough.
    #[inline]
    pub fn offer(&mut self, key: f64, id: u32) {
        if key > self.worst || id == self.skip {
            return;
        }
        self.insert(key, id);
    }

    /// Takes a point that may have been offered before.
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

    /// Keys and numbers, nearest first.
    pub fn found(&self) -> &[(f64, u32)] {
        &self.found
    }

    /// Keys and numbers, nearest first.
    pub fn into_found(self) -> Vec<(f64, u32)> {
        self.found
    }
}
