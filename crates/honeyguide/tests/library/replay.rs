//! A replay gives what the batch commands give, to the bit, whatever the batches, the inputs and the threads, and after
//! restarts at any place; and what a restart goes on from is stored at the price of what has changed.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::Path;

use honeyguide::incident::{
    Kept, KeptBatch, KeptChanges, KeptKey, KeptPart, LiveEvents, LiveIncidents, LiveOptions,
    WATERMARK,
};
use honeyguide::{Engine, Model, ReadOptions};
use proptest::prelude::*;

use crate::common::engine;
use crate::live::{Replay, Replayed};

/// The longest time in seconds from the first to the last event of a batch of several inputs: less than the watermark, so that
/// no event is late.
const BATCH_SECONDS: f64 = 1.5;

/// What a store of the state holds.
#[derive(Default)]
struct Store {
    parts: HashMap<KeptKey, String>,
    waiting: BTreeMap<u64, KeptBatch>,
}

impl Store {
    fn take(&mut self, changes: KeptChanges) {
        if changes.is_anew {
            self.parts.clear();
            self.waiting.clear();
        }
        self.parts
            .retain(|key, _| !changes.forgotten.contains(&key.host));
        for (key, value) in changes.parts {
            match value {
                Some(value) => self.parts.insert(key, value),
                None => self.parts.remove(&key),
            };
        }
        for batch in changes.waiting {
            self.waiting.insert(batch.number, batch);
        }
        for number in changes.over {
            self.waiting.remove(&number);
        }
    }

    fn kept(&self) -> Kept {
        let parts = self.parts.iter();
        Kept {
            parts: parts
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            waiting: self.waiting.values().cloned().collect(),
        }
    }
}

/// How a log is replayed.
#[derive(Debug, Clone)]
struct Way {
    /// The numbers of events of the batches, over and over.
    sizes: Vec<usize>,
    /// The inputs over which the events are spread, and what draws the input of each.
    inputs: usize,
    draw: usize,
    /// A state is stored after each so many batches, and the replay goes on from it after each so many states.
    stored: usize,
    restarts: usize,
    threads: usize,
}

fn ways() -> impl Strategy<Value = Way> {
    let sizes = proptest::collection::vec(1_usize..600, 1..6);
    let numbers = (
        1_usize..4,
        0_usize..10_000,
        1_usize..6,
        1_usize..6,
        1_usize..4,
    );
    (sizes, numbers).prop_map(|(sizes, (inputs, draw, stored, restarts, threads))| Way {
        sizes,
        inputs,
        draw,
        stored,
        restarts,
        threads,
    })
}

/// A log of two hosts whose events come side by side, many of them at the same time.
struct Fleet {
    header: String,
    /// The records with their times.
    records: Vec<(f64, String)>,
}

impl Fleet {
    /// Returns the log, which is also written to `fleet.csv`.
    fn of(test: &Replay) -> Self {
        let text = test.folder.text("today.csv");
        let (header, rows) = text.split_once('\n').expect("a header");
        let mut records = Vec::new();
        for row in rows.lines() {
            let (time, rest) = row.split_once(',').expect("a time");
            let time = time.parse::<f64>().expect("a time");
            let host = rest.split(',').nth(6).expect("a host");
            for (name, step) in [(host.to_owned(), 20.0), (format!("{host}-b"), 5.0)] {
                let time = (time * step).floor() / step;
                let rest = rest.replacen(host, &name, 1);
                records.push((time, format!("{time},{rest}")));
            }
        }
        records.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut csv = format!("{header}\n");
        for (_, record) in &records {
            let _ = writeln!(csv, "{record}");
        }
        test.folder.write("fleet.csv", csv);
        Self {
            header: header.to_owned(),
            records,
        }
    }

    fn inputs(&self, engine: &Engine, model: &Model, count: usize) -> Vec<LiveEvents> {
        let mut first = format!("{}\n", self.header);
        for (_, record) in self.records.iter().take(500) {
            let _ = writeln!(first, "{record}");
        }
        let open = |_| {
            let named = (Path::new("stream"), first.as_bytes());
            let (read, options) = (ReadOptions::default(), LiveOptions::default());
            LiveEvents::open(engine, model, named, &read, &options).expect("events")
        };
        (0..count).map(open).collect()
    }

    /// Returns the end of the batch of at most `size` records that begins at `from`.
    fn batch_end(&self, from: usize, size: usize) -> usize {
        let until = self.records[from].0 + BATCH_SECONDS;
        let end = self.records.len().min(from + size);
        let is_later = |at: &usize| self.records[*at].0 > until;
        (from..end).find(is_later).unwrap_or(end)
    }
}

/// A replay that is stored and goes on from what was stored.
struct Run {
    inputs: Vec<LiveEvents>,
    live: LiveIncidents,
    store: Store,
    replayed: Replayed,
    /// The scores of all events, by their places in the log.
    scores: Vec<u64>,
    now: f64,
}

impl Run {
    /// Takes a batch, whose records are given to the inputs that `input_of` names.
    fn take(
        &mut self,
        fleet: &Fleet,
        batch: std::ops::Range<usize>,
        input_of: impl Fn(usize) -> usize,
    ) {
        self.now += 0.1;
        for (number, input) in self.inputs.iter_mut().enumerate() {
            let places: Vec<usize> = batch.clone().filter(|at| input_of(*at) == number).collect();
            for at in &places {
                let pushed = input.push(fleet.records[*at].1.as_bytes());
                pushed.expect("an event");
            }
            let Some(scored) = input.score().expect("scores") else {
                continue;
            };
            assert_eq!(scored.len(), places.len());
            for (at, score) in places.iter().zip(scored.scores()) {
                self.scores[*at] = score.to_bits();
            }
            self.replayed.anomalous += scored.anomalous();
            self.live.add(&scored, self.now).expect("incidents");
        }
        self.replayed.changes.extend(self.live.changes(self.now));
    }

    fn store(&mut self) {
        self.live.take_grown();
        self.live.take_events();
        self.live.take_merged();
        let inputs: Vec<_> = self.inputs.iter().map(Some).collect();
        self.store
            .take(self.live.take_changes(&inputs).expect("changes"));
    }

    /// Goes on from what was stored, as a new process does.
    fn restart(&mut self, inputs: Vec<LiveEvents>) {
        self.inputs = inputs;
        let inputs: Vec<_> = self.inputs.iter().map(Some).collect();
        let restored = LiveIncidents::restored(WATERMARK, self.store.kept(), &inputs, 0.0);
        (self.live, self.now) = (restored.expect("a state"), 0.0);
    }
}

impl Way {
    fn replay(&self, fleet: &Fleet, model: &Model) -> (Replayed, Vec<u64>) {
        let engine = engine(self.threads);
        let inputs = || fleet.inputs(&engine, model, self.inputs);
        let mut run = Run {
            inputs: inputs(),
            live: LiveIncidents::new(WATERMARK),
            store: Store::default(),
            replayed: Replayed::default(),
            scores: vec![0; fleet.records.len()],
            now: 0.0,
        };
        run.live.track();
        let input_of = |at: usize| (at + self.draw).wrapping_mul(7919) / 13 % self.inputs;
        let (mut from, mut sizes, mut batches) = (0, self.sizes.iter().cycle(), 0);
        while from < fleet.records.len() {
            let to = fleet.batch_end(from, *sizes.next().expect("a size"));
            run.take(fleet, from..to, input_of);
            (from, batches) = (to, batches + 1);
            if batches % self.stored == 0 {
                run.store();
                if (batches / self.stored).is_multiple_of(self.restarts) {
                    run.restart(inputs());
                }
            }
        }
        let last = run.live.finish(run.now).expect("incidents");
        run.replayed.changes.extend(last);
        run.replayed.counts = run.live.counts();
        run.store();
        let left = run
            .store
            .parts
            .keys()
            .all(|key| key.part == KeptPart::Counts);
        assert!(left && run.store.waiting.is_empty(), "nothing is open");
        (run.replayed, run.scores)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_replay_gives_what_the_batch_commands_give() {
    let mut test = Replay::new().await;
    let fleet = Fleet::of(&test);
    for threshold in [None, Some(0.5)] {
        if let Some(threshold) = threshold {
            // Now many events are anomalous, and processes have incidents before their parents are known.
            test.model = crate::common::with_threshold(&test.model, threshold);
        }
        let expected = test.batch("fleet.csv").await;
        let scores = test.scores("fleet.csv").await;
        assert!(!expected.is_empty());
        let algorithm = proptest::test_runner::RngAlgorithm::ChaCha;
        let mut runner = proptest::test_runner::TestRunner::new_with_rng(
            ProptestConfig::with_cases(5),
            proptest::test_runner::TestRng::deterministic_rng(algorithm),
        );
        let ran = runner.run(&ways(), |way| {
            let (replayed, found) = way.replay(&fleet, &test.model);
            assert_eq!(found, scores, "{way:?}");
            assert_eq!(replayed.closed(), expected, "{way:?}");
            let events: u64 = expected.values().map(|incident| incident.events).sum();
            assert_eq!(
                (replayed.anomalous, replayed.counts.anomalous),
                (events, events)
            );
            assert_eq!(replayed.counts.folded, scores.len() as u64);
            assert_eq!((replayed.counts.late, replayed.counts.early), (0, 0));
            Ok(())
        });
        ran.expect("the same for every way");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_of_an_event_does_not_grow_with_what_is_known() {
    let test = Replay::new().await;
    let fleet = Fleet::of(&test);
    let mut run = Run {
        inputs: fleet.inputs(&test.engine, &test.model, 1),
        live: LiveIncidents::new(WATERMARK),
        store: Store::default(),
        replayed: Replayed::default(),
        scores: vec![0; fleet.records.len()],
        now: 0.0,
    };
    run.live.track();
    let take = |run: &mut Run, records: &[String]| {
        for record in records {
            run.inputs[0].push(record.as_bytes()).expect("an event");
        }
        run.now += 10.0;
        let scored = run.inputs[0].score().expect("scores").expect("events");
        run.live.add(&scored, run.now).expect("incidents");
        run.live.end_silences(run.now, 0.0).expect("incidents");
        run.live.changes(run.now);
        let changes = run.live.take_changes(&[Some(&run.inputs[0])]);
        changes.expect("changes")
    };
    // Two thousand hosts have some processes each.
    let of_host = |host: usize, at: usize| {
        let record = &fleet.records[at].1;
        let name = record.split(',').nth(7).expect("a host");
        record.replacen(name, &format!("host-{host}"), 1)
    };
    let many: Vec<String> = (0..8000).map(|at| of_host(at % 2000, at / 400)).collect();
    let all = take(&mut run, &many).parts.len();
    assert!(all > 8000, "{all}");
    let one = take(&mut run, &[of_host(7, 30)]);
    assert!(one.parts.len() < 20, "{one:?}");
    assert_eq!(one.over.len() + one.waiting.len(), 0, "nothing waits");
    let inputs = [Some(&run.inputs[0])];
    let none = run.live.take_changes(&inputs).expect("changes");
    let parts: Vec<KeptPart> = none.parts.iter().map(|(key, _)| key.part).collect();
    assert_eq!(parts, [KeptPart::Counts]);
}
