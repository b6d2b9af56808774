//! Approximate neighbours by NN-descent: a neighbour of a neighbour is likely to be a neighbour
//! (Dong, Moses & Li 2011, "Efficient k-nearest neighbor graph construction for generic similarity
//! measures").
//!
//! The neighbour lists start with the nearest points of each point's leaves in a forest of random
//! trees. In each round, every point then compares itself with the neighbours of its neighbours, in
//! both directions of the graph. A point changes only its own list, and the points that it compares
//! itself with are fixed before the round. Points can therefore be processed in any order and in
//! parallel.

use rayon::prelude::*;

use super::forest::{Forest, Points};
use super::nearest::Nearest;
use super::shortlist::{Entry, insert};
use crate::monitor;
use crate::umap::draws::Draws;
use crate::umap::space::Sum;

/// The maximum number of rounds.
const ROUNDS: u64 = 12;
/// The fraction of list entries that a round must change for another round to follow.
const LEAST_CHANGED: f64 = 0.001;
/// The maximum number of neighbours through which a point finds others, separately for neighbours
/// that are new to its list and for the remaining ones.
const HUBS: usize = 20;

/// The neighbour lists of all points, with `k` entries each, nearest first.
pub(super) struct Lists {
    pub k: usize,
    pub entries: Vec<Entry>,
}

impl Lists {
    /// Finds `k` near neighbours of each point. `k` must be less than the number of points.
    pub fn of<S: Sum>(points: Points<S>, forest: &Forest, k: usize, seed: u64) -> Lists {
        let mut lists = Lists::start(points, forest, k);
        // Rounds end when hardly anything changes, so their number is not known.
        for round in 0..ROUNDS {
            monitor::begin("neighbours", lists.entries.len() / k.max(1));
            let hubs = Hubs::of(&mut lists, Draws::new(seed, round, 0).next_u64());
            let changed = lists.improve(points, &hubs);
            if (changed as f64) < LEAST_CHANGED * lists.entries.len() as f64 {
                break;
            }
        }
        lists
    }

    /// Creates the lists from the nearest points of the leaves. If the leaves hold too few points,
    /// the next points by index fill the list.
    fn start<S: Sum>(points: Points<S>, forest: &Forest, k: usize) -> Lists {
        let n = points.len();
        let mut found: Vec<Nearest> = (0..n as u32)
            .into_par_iter()
            .map(|id| Nearest::new(k, Some(id)))
            .collect();
        for leaves in forest.leaves() {
            let mut leaf_of: Vec<&[u32]> = vec![&[]; n];
            for leaf in leaves {
                for &id in leaf {
                    leaf_of[id as usize] = leaf;
                }
            }
            let searches = found.par_iter_mut().zip(&leaf_of).enumerate();
            searches
                .with_min_len(256)
                .for_each(|(id, (nearest, leaf))| {
                    monitor::check();
                    for &other in *leaf {
                        nearest.offer_once(points.key(id as u32, other), other);
                    }
                });
        }
        let mut entries = Vec::with_capacity(n * k);
        for (id, mut nearest) in found.into_iter().enumerate() {
            for next in 1..n {
                if nearest.found().len() == k {
                    break;
                }
                let other = ((id + next) % n) as u32;
                nearest.offer_once(points.key(id as u32, other), other);
            }
            entries.extend(nearest.found().iter().map(|&(key, id)| Entry {
                key,
                id,
                is_new: true,
            }));
        }
        Lists { k, entries }
    }

    /// Performs one round and returns the number of entries that changed.
    fn improve<S: Sum>(&mut self, points: Points<S>, hubs: &Hubs) -> usize {
        let lists = self.entries.par_chunks_mut(self.k).enumerate();
        lists
            .with_min_len(64)
            .map(|(id, list)| {
                monitor::step(1);
                let mut changed = 0;
                let mut look = |other: u32| {
                    let last = list[list.len() - 1].key;
                    if other as usize == id {
                        return;
                    }
                    let key = points.key(id as u32, other);
                    if key < last && insert(list, key, other) {
                        changed += 1;
                    }
                };
                for &hub in hubs.new.at(id) {
                    hubs.new
                        .at(hub as usize)
                        .iter()
                        .copied()
                        .for_each(&mut look);
                    hubs.old
                        .at(hub as usize)
                        .iter()
                        .copied()
                        .for_each(&mut look);
                }
                for &hub in hubs.old.at(id) {
                    hubs.new
                        .at(hub as usize)
                        .iter()
                        .copied()
                        .for_each(&mut look);
                }
                changed
            })
            .sum()
    }
}

/// The points through which each point finds others in a round.
struct Hubs {
    new: Sampled,
    old: Sampled,
}

impl Hubs {
    /// Samples, for each point, its neighbours and the points whose neighbour it is. Entries that
    /// are sampled as new count as old from then on.
    fn of(lists: &mut Lists, seed: u64) -> Hubs {
        let (new, old) = (
            Sampled::of(lists, true, seed),
            Sampled::of(lists, false, seed),
        );
        let lists = lists.entries.par_chunks_mut(lists.k).enumerate();
        lists.with_min_len(256).for_each(|(id, list)| {
            let hubs = new.at(id);
            for entry in list.iter_mut().filter(|entry| entry.is_new) {
                entry.is_new = !hubs.contains(&entry.id);
            }
        });
        Hubs { new, old }
    }
}

/// Up to [`HUBS`] other points for each point.
struct Sampled {
    counts: Vec<u8>,
    ids: Vec<u32>,
}

impl Sampled {
    fn of(lists: &Lists, is_new: bool, seed: u64) -> Sampled {
        let n = lists.entries.len() / lists.k;
        let mut sampled = Sampled {
            counts: vec![0; n],
            ids: vec![0; n * HUBS],
        };
        // The links of the lowest ranks are kept. A link has the same rank from both ends.
        let mut ranks = vec![0; n * HUBS];
        for (at, entry) in lists.entries.iter().enumerate() {
            if entry.is_new != is_new {
                continue;
            }
            let (from, to) = ((at / lists.k) as u32, entry.id);
            let (low, high) = (from.min(to), from.max(to));
            let rank = Draws::new(seed, u64::from(low), u64::from(high)).next_u64() as u32;
            sampled.add(&mut ranks, from, to, rank);
            sampled.add(&mut ranks, to, from, rank);
        }
        sampled
    }

    fn add(&mut self, ranks: &mut [u32], point: u32, other: u32, rank: u32) {
        let start = point as usize * HUBS;
        let count = self.counts[point as usize] as usize;
        // Two points can be neighbours of each other.
        if self.at(point as usize).contains(&other) {
            return;
        }
        if count == HUBS && (rank, other) >= (ranks[start + HUBS - 1], self.ids[start + HUBS - 1]) {
            return;
        }
        let end = start + count.min(HUBS - 1);
        let mut place = end;
        while place > start && (rank, other) < (ranks[place - 1], self.ids[place - 1]) {
            (ranks[place], self.ids[place]) = (ranks[place - 1], self.ids[place - 1]);
            place -= 1;
        }
        (ranks[place], self.ids[place]) = (rank, other);
        self.counts[point as usize] = (end + 1 - start) as u8;
    }

    #[inline(always)]
    fn at(&self, point: usize) -> &[u32] {
        &self.ids[point * HUBS..][..self.counts[point] as usize]
    }
}
