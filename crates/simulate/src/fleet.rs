//! The hosts of each split.

use super::agenda::Machine;
use super::part::{Part, Way};
use super::random::Random;
use super::scheduled::{FLEET_CHORES, OTHER_CHORES, TRAINING_CHORES};
use super::text::Rows;
use super::{LookupSummary, Split, Summary};

/// The smallest average number of events per host. With fewer, a host would show little of a day, so a
/// small recording has fewer hosts.
const LEAST_PER_HOST: u64 = 1_500;

/// The number of events of a break-in with a scanner, on a host that records for a time.
const SCANNER_EVENTS: u64 = 100_000;
/// The first number of a fleet's streams of random numbers, divided by 2³².
const FLEETS: u64 = 8;

/// Added to the number of a host's stream of random numbers for that of its lookups.
const LOOKUPS: u64 = 1 << 63;

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
        stream: (split as u64) << 32 | place,
        share: share_before(place + 1, hosts, events) - share_before(place, hosts, events),
        time: None,
        stride,
        turns,
        web: !attacked && place % 2 == 0,
        break_in: attacked.then_some(Way::Scanner),
        chores,
    };
    (0..hosts).zip(addresses).map(part).collect()
}

/// Returns the hosts of a split of a fleet that records for `hours`.
pub(super) fn parts_of_hours(split: Split, hours: u64, hosts: u64) -> Vec<Part> {
    let first_network = if split == Split::Testing { 128 } else { 2 };
    let part = |place: u64| Part {
        address: [
            10,
            20,
            first_network + (place / 250) as u8,
            1 + (place % 250) as u8,
        ],
        place,
        stream: (FLEETS + split as u64) << 32 | place,
        share: SCANNER_EVENTS,
        time: Some(hours * 3_600_000_000),
        stride: 0,
        turns: 1,
        web: place.is_multiple_of(2),
        break_in: match place {
            0 if split == Split::Testing => Some(Way::WebShell),
            1 if split == Split::Testing => Some(Way::Scanner),
            2 if split == Split::Testing => Some(Way::Exfiltration),
            _ => None,
        },
        chores: FLEET_CHORES,
    };
    (0..hosts).map(part).collect()
}

/// Returns the number of events of the hosts before `place`.
///
/// Hosts are not equally busy: their weights are 90 to 130.
fn share_before(place: u64, hosts: u64, events: u64) -> u64 {
    let weight = |hosts: u64| (0..hosts).map(|place| 90 + place * 37 % 41).sum::<u64>();
    events * weight(place) / weight(hosts)
}

/// Writes the events of all hosts of a split, one host after the other.
pub(super) fn run(parts: &[Part], seed: u64, rows: &mut Rows<'_>) -> (Summary, LookupSummary) {
    let mut summary = Summary::default();
    let mut lookups = LookupSummary::default();
    for part in parts {
        let streams = [part.stream, LOOKUPS | part.stream];
        let random = streams.map(|stream| Random::new(seed, stream));
        let mut machine = Machine::start(part, random, rows);
        let (counts, processes, messages) = machine.run();
        summary.hosts += 1;
        summary.events += counts.events();
        summary.sus += counts.suspicious + counts.evil;
        summary.evil += counts.evil;
        summary.processes += processes;
        lookups.messages += messages.messages;
        lookups.sus += messages.sus;
        lookups.evil += messages.evil;
    }
    (summary, lookups)
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
