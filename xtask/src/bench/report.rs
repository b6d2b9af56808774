//! Writes the page with the results.

use std::fmt::Write as _;

use super::machine::Machine;
use super::pairs::{Goal, Pair, Time};
use super::{Extent, PairResult};
use crate::statistics::median;

const HEADER: &str = "\
| work | compared with | its time | honeyguide's time | times as fast | lowest – highest | goal | result |
|---|---|--:|--:|--:|---|---|---|
";

const PROTOCOL: &str = "\
`cargo xtask bench` writes this page. It builds the forest and the embedding in the release profile, installs the other
libraries with the versions in `bench/requirements.txt` into a separate environment, and writes simulated rows
(`bench/data.py`).

Every forest has 100 trees of 256 samples. Embeddings have the defaults of umap-learn. Times are CPU times on one
thread, unless the table says otherwise. Forests that score or explain are fitted on all rows of the file before the
measurement. umap-learn compiles its functions on 5,000 rows before the measurement. Reading, checking and laying out
the rows is not measured: each library gets the rows in a layout that it accepts without a copy. The rows of the table
that begin with \"in Python\" are measured through our Python package, from an array of NumPy to an array of NumPy: checks
of the rows, copies and the sorting of the rows before a fit are in our times. The goals of these rows are nine tenths of those
of the work itself.

Two rows show what the forms of novelty cost if all are written without tricks (`crates/learn/examples/common/forms.rs`). The
box of all columns in every node is not in the product ([decision 0017](decisions/0017-novelty-by-ranges.md) says why). Its row
compares it with novelty `range`: \"times as fast\" below 1 means slower.

honeyguide and the other library run in turn, each in a process of its own. The time of a process is the median of its
repetitions. The times below are medians over the rounds. \"Times as fast\" is the median of the rounds' ratios, and the
lowest and the highest ratio follow it.
";

/// Where the section of live detection begins.
const LIVE: &str = "\n## Live detection\n";

/// Returns the page in Markdown.
pub fn report(results: &[PairResult], machine: &Machine, extent: Extent) -> String {
    let mut page = format!("# Speed compared with other libraries\n\n{PROTOCOL}\n");
    if extent == Extent::Quick {
        page += "This was a quick run: a tenth of the rows, one round. It shows that everything runs, not how fast.\n\n";
    }
    page += HEADER;
    for result in results {
        page += &row(result, machine.is_quiet());
        page.push('\n');
    }
    write!(page, "\n{}", environment(machine)).expect("a string takes every write");
    page
}

/// Returns the section of a page that `bench/watch.py` measures, which stands at its end.
pub fn live_section(page: &str) -> &str {
    page.find(LIVE).map_or("", |at| &page[at..])
}

/// Returns a pair's row of the table. On a busy machine, a goal for wall time stays open.
pub fn row(result: &PairResult, is_quiet: bool) -> String {
    let PairResult { pair, rounds } = result;
    let Pair {
        name,
        peer_name,
        goal,
        ..
    } = pair;
    let ours = median(&rounds.iter().map(|round| round.ours).collect::<Vec<_>>());
    let peer = median(&rounds.iter().map(|round| round.peer).collect::<Vec<_>>());
    let speedups: Vec<_> = rounds.iter().map(|round| round.peer / round.ours).collect();
    let speedup = median(&speedups);
    let lowest = speedups.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = speedups.iter().copied().fold(0.0, f64::max);
    let verdict = match goal.is_met(1.0 / speedup, ours) {
        _ if pair.time == Time::WallPerRow && !is_quiet => "open: the machine was busy",
        true if matches!(goal, Goal::None) => "–",
        true => "met",
        false => "missed",
    };
    format!(
        "| {name} | {peer_name} | {} | {} | **{}** | {} – {} | {} | {verdict} |",
        duration(peer),
        duration(ours),
        times(speedup),
        times(lowest),
        times(highest),
        goal_text(*goal),
    )
}

/// Formats a ratio with one decimal, or with two if it is below 1.
fn times(ratio: f64) -> String {
    if ratio < 0.995 {
        format!("{ratio:.2}")
    } else {
        format!("{ratio:.1}")
    }
}

fn goal_text(goal: Goal) -> String {
    match goal {
        Goal::OneIn(times) => format!("≥ {times}"),
        Goal::AtMost(nanoseconds) => format!("≤ {}", duration(nanoseconds)),
        Goal::None => "–".to_owned(),
    }
}

/// Formats a time in nanoseconds with three digits and a suitable unit.
fn duration(nanoseconds: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    let (size, unit) = units
        .into_iter()
        .find(|(size, _)| nanoseconds >= *size)
        .unwrap_or((1.0, "ns"));
    let value = nanoseconds / size;
    let decimals = match value {
        value if value >= 99.95 => 0,
        value if value >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {unit}")
}

fn environment(machine: &Machine) -> String {
    let Machine {
        processor,
        processors,
        kernel,
        rustc,
        python,
        load,
        ..
    } = machine;
    format!(
        "## Measured on\n\n\
         - {processor}, {processors} processors ({}), Linux {kernel}\n\
         - {rustc}; {python}; {}\n\
         - load average before the measurements: {load}\n",
        machine.instruction_sets.join(", "),
        machine.packages.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::super::Round;
    use super::super::pairs::PAIRS;
    use super::*;

    fn result(time: Time, rounds: &[(f64, f64)]) -> PairResult {
        let rounds = rounds.iter().map(|&(ours, peer)| Round { ours, peer });
        PairResult {
            pair: PAIRS.iter().find(|pair| pair.time == time).unwrap(),
            rounds: rounds.collect(),
        }
    }

    #[test]
    fn a_row_shows_medians_the_spread_and_whether_the_goal_is_met() {
        let rounds = [(400.0, 4400.0), (500.0, 5000.0), (390.0, 4680.0)];
        let row = row(&result(Time::CpuPerRow, &rounds), false);
        let end = "| scikit-learn | 4.68 µs | 400 ns | **11.0** | 10.0 – 12.0 | ≥ 10 | met |";
        assert!(row.ends_with(end), "{row}");
    }

    #[test]
    fn the_section_of_live_detection_is_kept() {
        let page = include_str!("../../../docs/benchmarks.md");
        assert!(live_section(page).starts_with("\n## Live detection\n"));
        assert_eq!(live_section("# Speed\n"), "");
    }

    #[test]
    fn a_pair_without_a_goal_has_no_verdict() {
        let rounds = [Round {
            ours: 400.0,
            peer: 100.0,
        }];
        let pair = PAIRS.iter().find(|pair| matches!(pair.goal, Goal::None));
        let result = PairResult {
            pair: pair.unwrap(),
            rounds: rounds.to_vec(),
        };
        assert!(row(&result, true).ends_with("| **0.25** | 0.25 – 0.25 | – | – |"));
    }

    #[test]
    fn a_missed_goal_is_called_missed() {
        let result = result(Time::CpuPerRow, &[(500.0, 4900.0)]);
        assert!(row(&result, true).ends_with("| missed |"));
    }

    #[test]
    fn wall_times_count_on_a_quiet_machine_only() {
        let result = result(Time::WallPerRow, &[(10.0, 19.0)]);
        assert!(row(&result, true).ends_with("| met |"));
        assert!(row(&result, false).ends_with("| open: the machine was busy |"));
    }

    #[test]
    fn durations_have_three_digits_and_a_unit() {
        let shown = [0.5, 31.04, 999.0, 1000.0, 99_960.0, 4.8e6, 2.5e9].map(duration);
        assert_eq!(
            shown,
            [
                "0.50 ns", "31.0 ns", "999 ns", "1.00 µs", "100 µs", "4.80 ms", "2.50 s"
            ]
        );
    }
}
