//! The hosts of each split.

use super::agenda::Machine;
use super::part::Part;
use super::random::Random;
use super::scheduled::{OTHER_CHORES, TRAINING_CHORES};
use super::text::Rows;
use super::{Split, Summary};

/// The smallest average number of events per host. With fewer, a host would show little of a day, so a
/// small recording has fewer hosts.
const LEAST_PER_HOST: u64 = 1_500;

/// Returns the last byte of the IPv4 address of each host of a split.
fn addresses(split: Split) -> &'static [u8] {
    match split {
        Split::Training => &[17, 31, 44, 52, 68, 83, 97, 112],
        Split::Validation => &[121, 136, 149, 163],
        Split::Testing => &[208],
    }
}

/// Returns the hosts of a split of `events` events, with the number of events that each records.
pub(super) fn parts(split: Split, events: u64) -> Vec<Part> {
    let addresses = addresses(split);
    let hosts = (events / LEAST_PER_HOST).clamp(1, addresses.len() as u64);
    let attacked = split == Split::Testing;
    let (stride, turns, chores) = match split {
        Split::Training => (350, 8, TRAINING_CHORES),
        Split::Validation => (220, 4, OTHER_CHORES),
        Split::Testing => (40, 8, OTHER_CHORES),
    };
    let part = |(place, &address): (u64, &u8)| Part {
        address: [10, 20, 1, address],
        place,
        share: share_before(place + 1, hosts, events) - share_before(place, hosts, events),
        stride,
        turns,
        web: !attacked && place % 2 == 0,
        attacked,
        chores,
    };
    (0..hosts).zip(addresses).map(part).collect()
}

/// Returns the number of events of the hosts before `place`.
///
/// Hosts are not equally busy: their weights are 90 to 130.
fn share_before(place: u64, hosts: u64, events: u64) -> u64 {
    let weight = |hosts: u64| (0..hosts).map(|place| 90 + place * 37 % 41).sum::<u64>();
    events * weight(place) / weight(hosts)
}

/// Writes the events of all hosts of a split, one host after the other.
pub(super) fn run(split: Split, seed: u64, events: u64, rows: &mut Rows<'_>) -> Summary {
    let mut summary = Summary::default();
    for part in parts(split, events) {
        let random = Random::new(seed, (split as u64) << 32 | part.place);
        let (counts, processes) = Machine::start(&part, random, rows).run();
        summary.hosts += 1;
        summary.events += counts.events();
        summary.sus += counts.suspicious + counts.evil;
        summary.evil += counts.evil;
        summary.processes += processes;
    }
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for events in [165, 1_655, 24_825, 6_690_000] {
            for split in Split::ALL {
                let shares: Vec<u64> = parts(split, events).iter().map(|part| part.share).collect();
                assert_eq!(shares.iter().sum::<u64>(), events);
                assert!(
                    shares
                        .iter()
                        .all(|&share| share >= LEAST_PER_HOST * 9 / 13 || shares.len() == 1)
                );
            }
        }
    }
}
