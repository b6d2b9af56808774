//! The nearest points found so far.

/// Up to `k` points of least key; of equal keys, those of least number.
#[derive(Clone, Debug)]
pub(in crate::umap) struct Nearest {
    k: usize,
    /// A point that is not taken: the searched one itself.
    skip: u32,
    /// Ascending.
    found: Vec<(f64, u32)>,
}

impl Nearest {
    /// Room for `k` points other than number `skip`.
    pub fn new(k: usize, skip: Option<u32>) -> Nearest {
        Nearest {
            k,
            skip: skip.unwrap_or(u32::MAX),
            found: Vec::with_capacity(k),
        }
    }

    /// The greatest key that could still enter.
    #[inline]
    pub fn worst(&self) -> f64 {
        match self.found.last() {
            Some(&(key, _)) if self.found.len() == self.k => key,
            _ => f64::INFINITY,
        }
    }

    /// Takes a point that was not offered before, if it is near enough.
    #[inline]
    pub fn offer(&mut self, key: f64, id: u32) {
        if key > self.worst() || id == self.skip {
            return;
        }
        self.insert(key, id);
    }

    fn insert(&mut self, key: f64, id: u32) {
        let place = self.found.partition_point(|&point| point < (key, id));
        if place >= self.k {
            return;
        }
        if self.found.len() == self.k {
            self.found.pop();
        }
        self.found.insert(place, (key, id));
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
