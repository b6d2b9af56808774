//! Checks of fleets, which record hours instead of a number of events.

use super::*;

fn fleet(hours: u64, hosts: u64, seed: u64, split: Split) -> (String, Summary) {
    written_by(&Simulation::of_fleet(hours, hosts, seed).unwrap(), split)
}

/// The times of labelled events of a host, in microseconds.
#[derive(Default)]
struct Labelled {
    suspicious: Vec<u64>,
    evil: Vec<u64>,
}

#[test]
fn rows_are_consistent_and_every_host_records_the_time() {
    for split in [Split::Training, Split::Testing] {
        let (text, summary) = fleet(4, 4, 21, split);
        let mut trees: BTreeMap<String, ProcessTree> = BTreeMap::new();
        let mut times: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for row in rows(&text) {
            let times = times.entry(row.host.clone()).or_insert((row.micros, 0));
            assert!(row.micros > times.1, "time goes on");
            times.1 = row.micros;
            let tree = trees.entry(row.host.clone()).or_default();
            tree.check_and_apply(&row);
        }
        assert_eq!((times.len(), summary.hosts), (4, 4));
        for (host, (first, last)) in times {
            let minutes = (last - first) / 60_000_000;
            assert!((230..=240).contains(&minutes), "{host}: {minutes} minutes");
        }
    }
}

#[test]
fn three_test_hosts_are_broken_into_and_nothing_else_is_labelled() {
    let training = fleet(6, 5, 22, Split::Training).1;
    assert_eq!((training.sus, training.evil), (0, 0));
    for seed in 23..26 {
        let (text, summary) = fleet(6, 5, seed, Split::Testing);
        let mut hosts: BTreeMap<String, Labelled> = BTreeMap::new();
        for row in rows(&text) {
            match row.label {
                (1, 1) => hosts.entry(row.host).or_default().evil.push(row.micros),
                (1, 0) => hosts
                    .entry(row.host)
                    .or_default()
                    .suspicious
                    .push(row.micros),
                _ => {}
            }
        }
        let found = hosts
            .values()
            .map(|host| host.evil.len() as u64)
            .sum::<u64>();
        assert_eq!(found, summary.evil);
        let hosts: Vec<&Labelled> = hosts.values().collect();
        let [web_shell, scanner, exfiltration] = hosts[..] else {
            panic!("{} hosts are broken into", hosts.len());
        };
        let minutes = |times: &[u64]| (times[times.len() - 1] - times[0]) / 60_000_000;
        assert!((10..60).contains(&minutes(&web_shell.evil)));
        assert!((45..75).contains(&minutes(&exfiltration.evil)));
        assert!(minutes(&scanner.evil) > 110);
        assert!((80_000..140_000).contains(&scanner.evil.len()));
        for quiet in [web_shell, exfiltration] {
            assert!(
                (1_000..6_000).contains(&quiet.evil.len()),
                "{}",
                quiet.evil.len()
            );
        }
        for host in hosts {
            let begins = host.evil[0].min(host.suspicious[0]) / 3_600_000;
            assert!(begins >= 1_500, "a quarter of the time is quiet: {begins}");
        }
    }
}

#[test]
fn a_break_in_leaves_traces_of_its_kind() {
    let (text, _) = fleet(6, 3, 27, Split::Testing);
    let evil = |row: &Row| row.label.1 == 1;
    let by_web_server = |row: &Row| evil(row) && row.user == 33;
    let by_administrator = |row: &Row| evil(row) && row.user == 1_000;
    let count = |which: &dyn Fn(&Row) -> bool| rows(&text).filter(|row| which(row)).count();
    assert!(count(&|row| by_web_server(row) && row.event == "connect") >= 2);
    assert!(count(&|row| by_administrator(row) && row.args.contains("203.0.113.24")) >= 8);
    assert_eq!(
        count(&|row| by_administrator(row) && row.event == "lchown"),
        0
    );
}

#[test]
fn a_longer_recording_has_more_of_everything_but_break_ins() {
    let (short, long) = (
        fleet(6, 3, 28, Split::Testing).1,
        fleet(24, 3, 28, Split::Testing).1,
    );
    let benign = |summary: Summary| summary.events - summary.sus;
    let times = benign(long) as f64 / benign(short) as f64;
    assert!((3.0..5.0).contains(&times), "{times}");
    assert!(long.evil < 2 * short.evil);
}

#[test]
fn the_bytes_are_the_same_on_every_machine() {
    let fingerprints =
        [Split::Training, Split::Testing].map(|split| fingerprint(&fleet(3, 3, 42, split).0));
    // Only a change of the scenario may change these numbers, never a compiler, a processor or a dependency.
    assert_eq!(fingerprints, [980530149184427775, 11143364635783508687]);
}

#[test]
fn hours_and_hosts_must_be_within_the_limits() {
    assert_eq!(
        Simulation::of_fleet(0, 8, 0),
        Err(SimulateError::Hours { hours: 0 })
    );
    assert_eq!(
        Simulation::of_fleet(24, 2, 0),
        Err(SimulateError::Hosts { hosts: 2 })
    );
    let fleet = Simulation::of_fleet(1, 3, 0).unwrap();
    assert_eq!(fleet.splits(), [Split::Training, Split::Testing]);
    assert_eq!(fleet.split_events(Split::Training), None);
}
