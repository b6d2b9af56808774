//! Live events: replaying data gives the scores, verdicts and incidents of the batch commands, to the bit, whatever the
//! batches; and what is bad or late is counted and does no harm.

use std::collections::BTreeMap;
use std::path::Path;

use honeyguide::incident::{
    Change, ChangeKind, Incident, IncidentOptions, LiveCounts, LiveEvents, LiveIncidents,
    LiveOptions, WATERMARK, incidents,
};
use honeyguide::score::{ScoreOptions, score_to_file};
use honeyguide::{
    Engine, ErrorKind, Model, ReadOptions, Recipe, Source, Unread, record_end, train,
};
use proptest::prelude::*;

use crate::break_in::break_in;
use crate::common::{Folder, engine, failed, small_forest, with_threshold};

/// A model of benign hosts, and the events of the host that is broken into.
pub struct Replay {
    pub folder: Folder,
    pub engine: Engine,
    pub model: Model,
}

/// What a replay gave.
#[derive(Default)]
pub struct Replayed {
    pub scores: Vec<u64>,
    pub anomalous: u64,
    pub changes: Vec<Change>,
    pub counts: LiveCounts,
}

impl Replay {
    pub async fn new() -> Self {
        let (folder, model) = break_in().await;
        Self {
            folder,
            engine: engine(2),
            model,
        }
    }

    /// The incidents that the batch command finds, by id.
    pub async fn batch(&self, name: &str) -> BTreeMap<String, Incident> {
        let options = IncidentOptions {
            limit: 10_000,
            ..IncidentOptions::default()
        };
        let mut source = self.folder.source(&[name]);
        let found = incidents(&self.engine, &self.model, &mut source, &options).await;
        by_id(found.expect("incidents").incidents)
    }

    /// The bits of the scores that the batch command writes.
    pub async fn scores(&self, name: &str) -> Vec<u64> {
        let path = self.folder.path("scored.csv");
        let mut source = self.folder.source(&[name]);
        let options = ScoreOptions::default();
        let written = score_to_file(&self.engine, &self.model, &mut source, &path, options).await;
        written.expect("a table");
        let mut reader = csv::Reader::from_path(&path).expect("a table");
        let header = reader.headers().expect("a header");
        let at = header.iter().position(|name| name == "score");
        let at = at.expect("a column");
        let rows = reader.records().map(|row| row.expect("a row"));
        rows.map(|row| row[at].parse::<f64>().expect("a number").to_bits())
            .collect()
    }

    /// Replays `text`; each batch has as many records as `sizes` say, over and over.
    fn live(&self, text: &[u8], sizes: &[usize], options: &LiveOptions) -> Replayed {
        let first = &text[..text.len().min(1 << 16)];
        let whole = first
            .iter()
            .rposition(|byte| *byte == b'\n')
            .expect("a line")
            + 1;
        let read = ReadOptions::default();
        let first = (Path::new("stream"), &first[..whole]);
        let events = LiveEvents::open(&self.engine, &self.model, first, &read, options);
        let mut events = events.expect("events");
        let mut live = LiveIncidents::new(WATERMARK);
        let mut replayed = Replayed::default();
        let (mut rest, mut sizes, mut now) = (text, sizes.iter().cycle(), 0.0);
        while !rest.is_empty() {
            for _ in 0..*sizes.next().expect("a size") {
                let Some(end) = record_end(rest, events.is_csv()) else {
                    break;
                };
                match events.push(&rest[..end - 1]) {
                    Ok(()) | Err(Unread::NoEvent(_)) => {}
                    Err(Unread::Malformed(why)) => panic!("{why}"),
                }
                rest = &rest[end..];
                if events.is_full() {
                    break;
                }
            }
            now += 0.1;
            if let Some(scored) = events.score().expect("scores") {
                assert_eq!(scored.unusable, None);
                replayed
                    .scores
                    .extend(scored.scores().iter().map(|score| score.to_bits()));
                replayed.anomalous += scored.anomalous();
                live.add(&scored, now).expect("incidents");
            }
            replayed.changes.extend(live.changes(now));
        }
        replayed
            .changes
            .extend(live.finish(now).expect("incidents"));
        replayed.counts = live.counts();
        assert_eq!((live.waiting(), live.open_incidents()), (0, 0));
        replayed
    }
}

fn by_id(incidents: impl IntoIterator<Item = Incident>) -> BTreeMap<String, Incident> {
    let named = incidents
        .into_iter()
        .map(|incident| (incident.id.clone(), incident));
    named.collect()
}

impl Replayed {
    /// The incidents as they were closed, of which every one must have been opened once and closed last.
    pub fn closed(&self) -> BTreeMap<String, Incident> {
        let mut revisions: BTreeMap<&str, u64> = BTreeMap::new();
        for change in &self.changes {
            let revision = revisions.entry(&change.incident.id).or_default();
            *revision += 1;
            assert_eq!(change.revision, *revision);
            assert_eq!(
                change.kind == ChangeKind::Opened,
                *revision == 1,
                "{change:?}"
            );
        }
        let last: BTreeMap<&str, &Change> = self
            .changes
            .iter()
            .map(|change| (change.incident.id.as_str(), change))
            .collect();
        assert!(
            last.values()
                .all(|change| change.kind == ChangeKind::Closed)
        );
        assert_eq!(self.counts.opened, last.len() as u64);
        let last = last.values().filter(|change| change.merged_into.is_none());
        by_id(last.map(|change| change.incident.clone()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_gives_what_the_batch_commands_give() {
    let test = Replay::new().await;
    let (expected, scores) = (
        test.batch("today.csv").await,
        test.scores("today.csv").await,
    );
    assert!(!expected.is_empty());
    let text = test.folder.read("today.csv");
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        ProptestConfig::with_cases(6),
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    let sizes = proptest::collection::vec(1_usize..3000, 1..6);
    runner
        .run(&sizes, |sizes| {
            let replayed = test.live(&text, &sizes, &LiveOptions::default());
            assert_eq!(replayed.scores, scores, "batches of {sizes:?}");
            assert_eq!(replayed.closed(), expected, "batches of {sizes:?}");
            let events: u64 = expected.values().map(|incident| incident.events).sum();
            assert_eq!(replayed.anomalous, events);
            assert_eq!(replayed.counts.anomalous, events);
            assert_eq!(replayed.counts.folded, scores.len() as u64);
            assert_eq!(replayed.counts.late, 0);
            Ok(())
        })
        .expect("the same for all batches");
    let json = as_json(&test.folder.path("today.csv"));
    let replayed = test.live(json.as_bytes(), &[8192], &LiveOptions::default());
    assert_eq!(replayed.scores, scores);
    assert_eq!(replayed.closed(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn incidents_that_are_merged_are_those_of_the_batch_command() {
    let mut test = Replay::new().await;
    // Enough events are anomalous that several processes have incidents before their parents are known.
    test.model = with_threshold(&test.model, 0.5);
    let expected = test.batch("children_first.csv").await;
    let text = test.folder.read("children_first.csv");
    for size in [20, 8192] {
        let replayed = test.live(&text, &[size], &LiveOptions::default());
        assert_eq!(replayed.closed(), expected, "batches of {size}");
        let merged = replayed.changes.iter();
        let merged: Vec<_> = merged
            .filter_map(|change| change.merged_into.as_ref())
            .collect();
        assert!(
            size > 20 || !merged.is_empty(),
            "none was told before it was merged"
        );
        assert!(merged.iter().all(|into| {
            replayed
                .changes
                .iter()
                .any(|change| change.incident.id == **into)
        }));
    }
}

/// The rows of a file of CSV as lines of JSON, with numbers for the columns that hold numbers.
fn as_json(path: &Path) -> String {
    let texts = [
        "processName",
        "hostName",
        "eventName",
        "stackAddresses",
        "args",
    ];
    let mut reader = csv::Reader::from_path(path).expect("a file");
    let names = reader.headers().expect("a header").clone();
    let rows = reader.records().map(|row| {
        let row = row.expect("a row");
        let fields = names.iter().zip(&row).map(|(name, value)| {
            let value = match texts.contains(&name) {
                true => serde_json::Value::from(value),
                false => serde_json::from_str(value).expect("a number"),
            };
            (name.to_owned(), value)
        });
        serde_json::Value::Object(fields.collect()).to_string() + "\n"
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_in_slight_disorder_give_the_same_incidents_and_late_ones_are_counted() {
    let test = Replay::new().await;
    let expected = test.batch("today.csv").await;
    let text = String::from_utf8(test.folder.read("today.csv")).expect("text");
    let (header, rows) = text.split_once('\n').expect("a header");
    let time = |row: &str| {
        row.split(',')
            .next()
            .expect("a time")
            .parse::<f64>()
            .expect("a time")
    };
    let mut rows: Vec<&str> = rows.lines().collect();
    assert!(
        rows.iter().all(|row| row.matches('"').count() % 2 == 0),
        "one row is one line"
    );
    // A row moves by less than the watermark.
    let shifted = |(at, row): (usize, &&str)| time(row) + ((at * 7919) % 1000) as f64 / 600.0;
    let mut order: Vec<(f64, usize)> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| (shifted((at, row)), at))
        .collect();
    order.sort_by(|left, right| left.0.total_cmp(&right.0));
    let disordered: Vec<&str> = order.iter().map(|(_, at)| rows[*at]).collect();
    assert_ne!(disordered, rows);
    let disordered = format!("{header}\n{}\n", disordered.join("\n"));
    let replayed = test.live(disordered.as_bytes(), &[500], &LiveOptions::default());
    assert_eq!(replayed.closed(), expected);
    assert_eq!(replayed.counts.late, 0);

    // The first events of a host come last.
    let late = rows.len() / 20;
    rows.rotate_left(late);
    let rotated = format!("{header}\n{}\n", rows.join("\n"));
    let replayed = test.live(rotated.as_bytes(), &[500], &LiveOptions::default());
    let found = replayed.closed();
    let events: u64 = found.values().map(|incident| incident.events).sum();
    assert_eq!(
        events,
        expected
            .values()
            .map(|incident| incident.events)
            .sum::<u64>()
    );
    assert!(replayed.counts.late > 0 && replayed.counts.late <= late as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_records_are_refused_with_a_reason_and_the_others_go_on() {
    let test = Replay::new().await;
    let text = String::from_utf8(test.folder.read("today.csv")).expect("text");
    let first: String = text.split_inclusive('\n').take(50).collect();
    let (read, options) = (ReadOptions::default(), LiveOptions::default());
    let open = |first: &str| {
        let first = (Path::new("stream"), first.as_bytes());
        LiveEvents::open(&test.engine, &test.model, first, &read, &options)
    };
    let mut events = open(&first).expect("events");
    let lines: Vec<&str> = first.lines().collect();
    assert!(matches!(
        events.push(lines[0].as_bytes()),
        Err(Unread::NoEvent(_))
    ));
    events.push(lines[1].as_bytes()).expect("an event");
    let cut = &lines[2][..lines[2].len() / 3];
    assert!(matches!(
        events.push(cut.as_bytes()),
        Err(Unread::Malformed(_))
    ));
    let (_, rest) = lines[2].split_once(',').expect("a field");
    let no_time = format!("yesterday,{rest}");
    let refused = events.push(no_time.as_bytes());
    assert_eq!(
        refused,
        Err(Unread::Malformed("`timestamp`: expected a number".into()))
    );
    events.push(lines[3].as_bytes()).expect("an event");
    assert_eq!(events.score().expect("scores").expect("events").len(), 2);
    assert!(events.score().expect("no scores").is_none());

    for (first, says) in [
        ("a,b\n1,2\n", "the data has no column"),
        ("[1]\n", "JSON"),
        ("{\"eventName\":\n", "JSON"),
    ] {
        let error = failed(open(first));
        assert!(
            error.kind() == ErrorKind::Usage || error.kind() == ErrorKind::Data,
            "{error}"
        );
        assert!(!says.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_a_name_gets_one() {
    let folder = Folder::new();
    let row = |n: usize| format!("{},{},{},openat,{}\n", n, 100 + n % 3, 1, n % 5);
    let rows: String = (0..200).map(row).collect();
    let text = format!("timestamp,processId,parentProcessId,eventName,returnValue\n{rows}");
    folder.write("calls.csv", &text);
    let recipe =
        Recipe::from_toml("name = \"r\"\n[[feature]]\nname = \"r\"\nexpr = \"returnValue\"\n");
    let engine = engine(1);
    let mut source: Source = folder.source(&["calls.csv"]);
    let model = train(
        &engine,
        &mut source,
        &recipe.expect("a recipe"),
        &small_forest(),
    )
    .await;
    let model = model.expect("a model");
    let odd = format!("{text}300,200,1,openat,-999\n");
    let options = LiveOptions {
        host_name: Some("web-1".into()),
        ..LiveOptions::default()
    };
    let test = Replay {
        folder,
        engine,
        model,
    };
    let replayed = test.live(odd.as_bytes(), &[64], &options);
    let closed = replayed.closed();
    assert!(!closed.is_empty());
    assert!(
        closed
            .values()
            .all(|incident| incident.host.as_deref() == Some("web-1")),
        "{closed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_goes_back_spoils_a_hundred_events_at_most() {
    let test = Replay::new().await;
    let text = test.folder.text("today.csv");
    let (header, rows) = text.split_once('\n').expect("a header");
    let mut rows: Vec<&str> = rows.lines().collect();
    let undisturbed = test.live(text.as_bytes(), &[500], &LiveOptions::default());
    assert_eq!(undisturbed.counts.clock_jumps, 0);
    // One event of each host has a time that is far in the future.
    let hosts: std::collections::BTreeSet<&str> = rows
        .iter()
        .map(|row| row.split(',').nth(7).expect("a host"))
        .collect();
    let wrong: Vec<String> = hosts
        .iter()
        .map(|host| {
            let of_host = |row: &&&str| row.split(',').nth(7) == Some(*host);
            let row = rows.iter().find(of_host).expect("a row");
            format!("9999999{}", &row[row.find('.').expect("a time")..])
        })
        .collect();
    rows.splice(1..1, wrong.iter().map(String::as_str));
    let text = format!("{header}\n{}\n", rows.join("\n"));
    let replayed = test.live(text.as_bytes(), &[50], &LiveOptions::default());
    assert_eq!(replayed.counts.clock_jumps, hosts.len() as u64);
    // A batch is taken as a whole.
    let spoilt = 150 * hosts.len() as u64;
    assert!(
        (100..=spoilt).contains(&replayed.counts.late),
        "{:?}",
        replayed.counts
    );
    assert_eq!(replayed.counts.folded, rows.len() as u64);
    let events = |replayed: &Replayed| -> u64 {
        replayed
            .closed()
            .values()
            .map(|incident| incident.events)
            .sum()
    };
    let found = events(&replayed);
    assert!(
        found.abs_diff(events(&undisturbed)) <= hosts.len() as u64,
        "{found}"
    );
}
