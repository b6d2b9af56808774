//! Checks of the lookups of names beside the kernel calls.

use super::super::text::LOOKUP_HEADER;
use super::*;

/// The kernel calls and the lookups of a split, as texts, with the counts of the lookups.
fn with_lookups(simulation: &Simulation, split: Split) -> (String, String, LookupSummary) {
    let (mut calls, mut lookups) = (Vec::new(), Vec::new());
    let (_, summary) = simulation
        .write_split_with_lookups(split, &mut calls, &mut lookups)
        .unwrap();
    let [calls, lookups] = [calls, lookups].map(|bytes| String::from_utf8(bytes).unwrap());
    (calls, lookups, summary)
}

fn fleet() -> Simulation {
    Simulation::of_fleet(8, 4, 42).unwrap()
}

/// Returns the number of seconds since the recording began.
fn seconds(time: &str) -> u64 {
    let clock = time
        .strip_prefix("2026-03-02T")
        .and_then(|clock| clock.strip_suffix('Z'));
    let parts = clock.expect(time).split(':');
    parts.fold(0, |sum, part| 60 * sum + part.parse::<u64>().unwrap())
}

/// Returns the fields of the rows below the header.
fn messages(text: &str) -> Vec<Vec<String>> {
    let body = text
        .strip_prefix(LOOKUP_HEADER)
        .expect("the header is exact");
    body.lines().map(fields).collect()
}

#[test]
fn the_calls_are_those_of_a_split_without_lookups() {
    for simulation in [fleet(), Simulation::new(20_000, 5).unwrap()] {
        for split in simulation.splits() {
            let (calls, _, _) = with_lookups(&simulation, *split);
            assert!(calls == written_by(&simulation, *split).0, "{split:?}");
        }
    }
}

#[test]
fn every_query_has_its_response_and_rows_are_in_the_order_of_time() {
    for split in [Split::Training, Split::Testing] {
        let (_, text, summary) = with_lookups(&fleet(), split);
        let rows = messages(&text);
        assert_eq!(rows.len() as u64, summary.messages);
        let evil = rows.iter().filter(|row| row[14] == "1").count() as u64;
        assert_eq!(evil, summary.evil);
        let mut last: BTreeMap<String, u64> = BTreeMap::new();
        for pair in rows.chunks(2) {
            let [query, response] = pair else {
                panic!("a query without a response")
            };
            for row in pair {
                assert_eq!(row.len(), 15, "{row:?}");
                let last = last.entry(row[12].clone()).or_default();
                assert!(seconds(&row[0]) >= *last, "{row:?}");
                *last = seconds(&row[0]);
            }
            let own = query[12].strip_prefix("ip-").unwrap().replace('-', ".");
            assert_eq!([&query[1], &query[2]], [&own, "10.20.0.2"]);
            assert_eq!([&response[1], &response[2]], ["10.20.0.2", &own]);
            assert_eq!(query[3], query[6]);
            for place in [3, 6, 7, 8, 12, 13, 14] {
                assert_eq!(query[place], response[place], "{query:?}");
            }
            assert_eq!(
                [&query[4], &query[5], &query[9], &query[10]],
                ["", "", "0", "0"]
            );
            let count: usize = response[9].parse().unwrap();
            for place in [4, 5] {
                let text = response[place].as_str();
                let texts = text.matches('\'').count();
                assert_eq!(texts, 2 * count, "{response:?}");
            }
            assert!(["0", "3"].contains(&response[10].as_str()), "{response:?}");
        }
    }
}

#[test]
fn labelled_lookups_are_those_of_the_intruder_s_processes() {
    let (calls, text, summary) = with_lookups(&fleet(), Split::Testing);
    let mut evil: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    let mut begins: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows(&calls) {
        let begins = *begins.entry(row.host.clone()).or_insert(row.micros);
        if row.label == (1, 1) {
            let seconds = evil.entry(row.host).or_default();
            seconds.insert((row.micros - begins) / 1_000_000);
        }
    }
    assert!(summary.evil > 100);
    let asked: Vec<Vec<String>> = messages(&text)
        .into_iter()
        .filter(|row| row[14] == "1")
        .collect();
    for (host, calls) in &evil {
        let times = asked.iter().filter(|row| row[12] == *host);
        let times: Vec<u64> = times.map(|row| seconds(&row[0])).collect();
        // The first call of a host is some time after the begin of its recording, which calls do not tell.
        let is_in_step = (0..180).any(|shift| {
            times.iter().all(|time| {
                let time = time.saturating_sub(shift);
                calls.range(time.saturating_sub(2)..=time + 2).count() > 0
            })
        });
        assert!(is_in_step, "{host}");
    }
    let mut domains: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in &asked {
        let labels: Vec<&str> = row[3].rsplitn(3, '.').collect();
        let domain = format!("{}.{}", labels[1], labels[0]);
        domains.entry(row[12].clone()).or_default().insert(domain);
    }
    // Each of the three hosts that are broken into has lookups of its own.
    assert_eq!(domains.len(), 3, "{domains:?}");
    let all: BTreeSet<&str> = domains.values().flatten().map(String::as_str).collect();
    for domain in [
        "freshassets.example",
        "northpeer.example",
        "xmrgrid.example",
        "quickdrop.example",
        "paperlane.example",
    ] {
        assert!(all.contains(domain), "{domain}");
    }
    let (_, _, training) = with_lookups(&fleet(), Split::Training);
    assert_eq!((training.sus, training.evil), (0, 0));
}

#[test]
fn the_bytes_of_lookups_are_the_same_on_every_machine() {
    let fingerprints = [Split::Training, Split::Testing]
        .map(|split| fingerprint(&with_lookups(&fleet(), split).1));
    // Only a change of the scenario may change these numbers, never a compiler, a processor or a dependency.
    assert_eq!(fingerprints, [343034229518716625, 13537236243772634790]);
    let other = Simulation::of_fleet(8, 4, 43).unwrap();
    let other = fingerprint(&with_lookups(&other, Split::Testing).1);
    assert_ne!(other, fingerprints[1]);
}
