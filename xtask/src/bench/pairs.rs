//! The pairs of programs whose times are compared, and their goals.

use super::Extent;

/// A piece of work that our program and a peer do.
pub struct Pair {
    pub name: &'static str,
    pub ours: Work,
    pub peer: Work,
    /// The time that is compared.
    pub time: Time,
    /// The peer's name in the table.
    pub peer_name: &'static str,
    /// The goal for our time.
    pub goal: Goal,
    /// The number of times that both run.
    pub rounds: usize,
}

/// The goal of a pair.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// Our time is at most the peer's time divided by this number.
    OneIn(f64),
    /// Our time is at most this many nanoseconds, whatever the peer's time.
    AtMost(f64),
    /// There is none: the times show what something costs.
    None,
}

/// One of the programs of a subject.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Program {
    /// Our crate `learn`.
    Ours,
    /// Our Python package, which gets arrays of NumPy and returns them.
    Package,
    /// Another library.
    Peer,
}

/// An algorithm, for which there are one program of ours and one for the peers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Subject {
    /// Isolation forests.
    Forest,
    /// Embeddings.
    Umap,
}

impl Subject {
    pub const ALL: [Self; 2] = [Self::Forest, Self::Umap];

    /// Returns the example of the crate `learn` that times our code.
    pub const fn example(self) -> &'static str {
        match self {
            Self::Forest => "bench_forest",
            Self::Umap => "bench_umap",
        }
    }

    /// Returns the Python script that times the peers.
    pub const fn script(self) -> &'static str {
        match self {
            Self::Forest => "bench/peers.py",
            Self::Umap => "bench/umap_peers.py",
        }
    }
}

/// The work of one run of a program.
pub struct Work {
    pub program: Program,
    /// The work's name in the program.
    pub name: &'static str,
    pub data: Data,
    /// The number of rows to process, or `None` for all. Forests are always fitted on all rows.
    limit: Option<usize>,
    pub threads: usize,
    /// The number of repetitions in the run.
    pub repeat: usize,
}

impl Work {
    const fn ours(name: &'static str, data: Data, repeat: usize) -> Self {
        Self {
            program: Program::Ours,
            name,
            data,
            limit: None,
            threads: 1,
            repeat,
        }
    }

    const fn peer(name: &'static str, data: Data, repeat: usize) -> Self {
        Self {
            program: Program::Peer,
            ..Self::ours(name, data, repeat)
        }
    }

    const fn package(name: &'static str, data: Data, repeat: usize) -> Self {
        Self {
            program: Program::Package,
            ..Self::ours(name, data, repeat)
        }
    }

    const fn limit(self, rows: usize) -> Self {
        Self {
            limit: Some(rows),
            ..self
        }
    }

    const fn threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }
}

/// A set of rows that `bench/data.py` writes.
#[derive(Debug, Clone, Copy)]
pub enum Data {
    /// Independent standard normal features, so that all rows are distinct.
    Normal,
    /// Seven features as in BETH, with a few hundred distinct rows.
    BethLike,
    /// Two standard-scaled samples of the rows of `BethLike`: one to fit and one of new rows.
    BethSample,
    /// Two samples of a mixture of twelve normal distributions: one to fit and one of new rows.
    Mixture,
}

impl Data {
    pub const ALL: [Self; 4] = [
        Self::Normal,
        Self::BethLike,
        Self::BethSample,
        Self::Mixture,
    ];

    pub const fn subject(self) -> Subject {
        match self {
            Self::Normal | Self::BethLike => Subject::Forest,
            Self::BethSample | Self::Mixture => Subject::Umap,
        }
    }

    pub const fn file(self) -> &'static str {
        match self {
            Self::Normal => "normal.f64",
            Self::BethLike => "beth_like.f64",
            Self::BethSample => "beth_sample.f64",
            Self::Mixture => "mixture.f64",
        }
    }

    /// Returns the name of the file with new rows, which the model is not fitted on.
    pub const fn new_file(self) -> Option<&'static str> {
        match self {
            Self::Normal | Self::BethLike => None,
            Self::BethSample => Some("beth_sample_new.f64"),
            Self::Mixture => Some("mixture_new.f64"),
        }
    }

    pub const fn features(self) -> usize {
        match self {
            Self::Normal | Self::Mixture => 10,
            Self::BethLike | Self::BethSample => 7,
        }
    }

    const fn rows(self) -> usize {
        match self {
            Self::Normal => 1_000_000,
            Self::BethLike => 763_144,
            Self::BethSample | Self::Mixture => 25_000,
        }
    }
}

/// The time to read from a line `work,rows,features,threads,CPU ns per row,wall ns per row`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Time {
    /// The CPU time per row.
    CpuPerRow,
    /// The wall time per row.
    WallPerRow,
    /// The CPU time for all rows.
    Cpu,
}

impl Time {
    /// Reads the time in nanoseconds. Returns `None` if the line does not have this form.
    pub fn read(self, line: &str) -> Option<f64> {
        let fields: Vec<&str> = line.split(',').collect();
        let [_, rows, _, _, cpu, wall] = fields[..] else {
            return None;
        };
        match self {
            Self::CpuPerRow => cpu.parse().ok(),
            Self::WallPerRow => wall.parse().ok(),
            Self::Cpu => Some(cpu.parse::<f64>().ok()? * rows.parse::<f64>().ok()?),
        }
    }
}

impl Goal {
    /// Returns whether the goal is met. `ratio` is our time divided by the peer's, and `ours` is our time in nanoseconds.
    pub fn is_met(self, ratio: f64, ours: f64) -> bool {
        match self {
            Self::OneIn(parts) => ratio <= 1.0 / parts,
            Self::AtMost(nanoseconds) => ours <= nanoseconds,
            Self::None => true,
        }
    }
}

impl Work {
    /// Returns the number of rows to process, or `None` for all. A quick run processes a tenth of them.
    pub fn rows(&self, extent: Extent) -> Option<usize> {
        match extent {
            Extent::Full => self.limit,
            Extent::Quick => Some(self.limit.unwrap_or(self.data.rows()) / 10),
        }
    }
}

/// The pairs, in the order of the table.
pub const PAIRS: &[Pair] = &[
    Pair {
        name: "score 1,000,000 × 10 continuous rows, per row",
        ours: Work::ours("score", Data::Normal, 3),
        peer: Work::peer("sklearn-score", Data::Normal, 1),
        time: Time::CpuPerRow,
        peer_name: "scikit-learn",
        goal: Goal::OneIn(10.0),
        rounds: 5,
    },
    Pair {
        name: "score 1,000,000 × 10 continuous rows with novelty `range`, per row",
        ours: Work::ours("score-range", Data::Normal, 3),
        peer: Work::peer("sklearn-score", Data::Normal, 1),
        time: Time::CpuPerRow,
        peer_name: "scikit-learn",
        goal: Goal::OneIn(8.0),
        rounds: 5,
    },
    Pair {
        name: "written without tricks: score 100,000 × 10 rows with novelty `range`, per row",
        ours: Work::ours("score-range-simply", Data::Normal, 3).limit(100_000),
        peer: Work::ours("score-plain-simply", Data::Normal, 3).limit(100_000),
        time: Time::CpuPerRow,
        peer_name: "the plain form, written so",
        goal: Goal::None,
        rounds: 3,
    },
    Pair {
        name: "written without tricks: the same with a box of all columns in every node, per row",
        ours: Work::ours("score-box-simply", Data::Normal, 3).limit(100_000),
        peer: Work::ours("score-range-simply", Data::Normal, 3).limit(100_000),
        time: Time::CpuPerRow,
        peer_name: "novelty `range`, written so",
        goal: Goal::None,
        rounds: 3,
    },
    Pair {
        name: "score 763,144 × 7 rows, 542 distinct, per row",
        ours: Work::ours("score", Data::BethLike, 5),
        peer: Work::peer("sklearn-score", Data::BethLike, 1),
        time: Time::CpuPerRow,
        peer_name: "scikit-learn",
        goal: Goal::OneIn(100.0),
        rounds: 5,
    },
    Pair {
        name: "score one row in one call",
        ours: Work::ours("one-row", Data::Normal, 5),
        peer: Work::peer("sklearn-one-row", Data::Normal, 3),
        time: Time::CpuPerRow,
        peer_name: "scikit-learn",
        goal: Goal::AtMost(10_000.0),
        rounds: 3,
    },
    Pair {
        name: "fit on 763,144 × 7 rows",
        ours: Work::ours("fit", Data::BethLike, 15),
        peer: Work::peer("isotree-fit", Data::BethLike, 15),
        time: Time::Cpu,
        peer_name: "isotree",
        goal: Goal::OneIn(2.0),
        rounds: 5,
    },
    Pair {
        name: "fit on the same rows as 542 distinct rows with counts",
        ours: Work::ours("fit-distinct", Data::BethLike, 15),
        peer: Work::peer("isotree-fit", Data::BethLike, 15),
        time: Time::Cpu,
        peer_name: "isotree",
        goal: Goal::OneIn(4.0),
        rounds: 5,
    },
    Pair {
        name: "explain 10,000 × 10 rows, per row",
        ours: Work::ours("explain", Data::Normal, 3).limit(10_000),
        peer: Work::peer("shap-explain", Data::Normal, 1).limit(10_000),
        time: Time::CpuPerRow,
        peer_name: "shap",
        goal: Goal::OneIn(20.0),
        rounds: 3,
    },
    Pair {
        name: "explain 10,000 × 10 rows with novelty `range`, per row",
        ours: Work::ours("explain-range", Data::Normal, 3).limit(10_000),
        peer: Work::peer("shap-explain", Data::Normal, 1).limit(10_000),
        time: Time::CpuPerRow,
        peer_name: "shap (plain)",
        goal: Goal::OneIn(4.0),
        rounds: 3,
    },
    Pair {
        name: "score 1,000,000 × 10 rows with two threads, wall time per row",
        ours: Work::ours("score", Data::Normal, 5).threads(2),
        peer: Work::ours("score", Data::Normal, 5),
        time: Time::WallPerRow,
        peer_name: "honeyguide, one thread",
        goal: Goal::OneIn(1.8),
        rounds: 5,
    },
    Pair {
        name: "embed 25,000 × 7 rows, a few hundred distinct",
        ours: Work::ours("fit", Data::BethSample, 3),
        peer: Work::peer("fit", Data::BethSample, 1),
        time: Time::Cpu,
        peer_name: "umap-learn",
        goal: Goal::OneIn(50.0),
        rounds: 3,
    },
    Pair {
        name: "embed 25,000 × 10 continuous rows",
        ours: Work::ours("fit", Data::Mixture, 1),
        peer: Work::peer("fit", Data::Mixture, 1),
        time: Time::Cpu,
        peer_name: "umap-learn",
        goal: Goal::OneIn(3.0),
        rounds: 3,
    },
    Pair {
        name: "place 25,000 × 7 new rows in the embedding of the former",
        ours: Work::ours("transform", Data::BethSample, 3),
        peer: Work::peer("transform", Data::BethSample, 3),
        time: Time::Cpu,
        peer_name: "umap-learn",
        goal: Goal::OneIn(5.0),
        rounds: 3,
    },
    Pair {
        name: "place 25,000 × 10 new rows in the embedding of the latter",
        ours: Work::ours("transform", Data::Mixture, 3),
        peer: Work::peer("transform", Data::Mixture, 3),
        time: Time::Cpu,
        peer_name: "umap-learn",
        goal: Goal::OneIn(5.0),
        rounds: 3,
    },
    Pair {
        name: "in Python: score 1,000,000 × 10 continuous rows, per row",
        ours: Work::package("score", Data::Normal, 3),
        peer: Work::peer("sklearn-score", Data::Normal, 1),
        time: Time::CpuPerRow,
        peer_name: "scikit-learn",
        goal: Goal::OneIn(9.0),
        rounds: 5,
    },
    Pair {
        name: "in Python: score 763,144 × 7 rows, 542 distinct, per row",
        ours: Work::package("score", Data::BethLike, 5),
        peer: Work::peer("sklearn-score", Data::BethLike, 1),
        time: Time::CpuPerRow,
        peer_name: "scikit-learn",
        goal: Goal::OneIn(90.0),
        rounds: 5,
    },
    Pair {
        name: "in Python: score one row in one call",
        ours: Work::package("one-row", Data::Normal, 5),
        peer: Work::peer("sklearn-one-row", Data::Normal, 3),
        time: Time::CpuPerRow,
        peer_name: "scikit-learn",
        goal: Goal::AtMost(50_000.0),
        rounds: 3,
    },
    Pair {
        name: "in Python: fit on 763,144 × 7 rows",
        ours: Work::package("fit", Data::BethLike, 5),
        peer: Work::peer("isotree-fit", Data::BethLike, 15),
        time: Time::Cpu,
        peer_name: "isotree",
        goal: Goal::OneIn(1.8),
        rounds: 5,
    },
    Pair {
        name: "in Python: fit on 763,144 × 7 rows",
        ours: Work::package("fit", Data::BethLike, 5),
        peer: Work::peer("sklearn-fit", Data::BethLike, 3),
        time: Time::Cpu,
        peer_name: "scikit-learn",
        goal: Goal::OneIn(1.0),
        rounds: 5,
    },
    Pair {
        name: "in Python: explain 10,000 × 10 rows, per row",
        ours: Work::package("explain", Data::Normal, 3).limit(10_000),
        peer: Work::peer("shap-explain", Data::Normal, 1).limit(10_000),
        time: Time::CpuPerRow,
        peer_name: "shap",
        goal: Goal::OneIn(18.0),
        rounds: 3,
    },
    Pair {
        name: "in Python: embed 25,000 × 7 rows, a few hundred distinct",
        ours: Work::package("fit-transform", Data::BethSample, 3),
        peer: Work::peer("fit", Data::BethSample, 1),
        time: Time::Cpu,
        peer_name: "umap-learn",
        goal: Goal::OneIn(45.0),
        rounds: 3,
    },
    Pair {
        name: "in Python: embed 25,000 × 10 continuous rows",
        ours: Work::package("fit-transform", Data::Mixture, 1),
        peer: Work::peer("fit", Data::Mixture, 1),
        time: Time::Cpu,
        peer_name: "umap-learn",
        goal: Goal::OneIn(2.7),
        rounds: 3,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gives_the_time_that_is_asked_for() {
        let line = "score,200,10,1,12.5,13.0";
        assert_eq!(Time::CpuPerRow.read(line), Some(12.5));
        assert_eq!(Time::WallPerRow.read(line), Some(13.0));
        assert_eq!(Time::Cpu.read(line), Some(2500.0));
        assert_eq!(Time::Cpu.read("score,200,10,1,12.5"), None);
        assert_eq!(Time::Cpu.read("score,many,10,1,12.5,13.0"), None);
    }

    #[test]
    fn a_goal_limits_the_ratio_or_the_time() {
        assert!(Goal::OneIn(10.0).is_met(0.1, 1e9) && !Goal::OneIn(10.0).is_met(0.11, 1.0));
        assert!(Goal::AtMost(10.0).is_met(5.0, 10.0) && !Goal::AtMost(10.0).is_met(0.1, 11.0));
        assert!(!Goal::OneIn(10.0).is_met(f64::NAN, f64::NAN));
    }

    #[test]
    fn a_quick_run_takes_a_tenth_of_the_rows() {
        let works = PAIRS.iter().flat_map(|pair| [&pair.ours, &pair.peer]);
        for work in works {
            let full = work.rows(Extent::Full).unwrap_or(work.data.rows());
            assert_eq!(work.rows(Extent::Quick), Some(full / 10));
        }
    }
}
