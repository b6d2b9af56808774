//! honeyguide finds the events in the logs of a Linux host that do not belong there, and says why.
//!
//! It learns what the kernel calls of a host normally look like, scores every call with an isolation forest (Liu et al.
//! 2008), and explains each score by the features of the call. Any table of events will do as data: CSV, JSON, Parquet or
//! Arrow in files, folders, object stores and web servers, and record batches of a program.
//!
//! This program learns from one log, and prints the five most anomalous events of another with the reasons:
//!
//! ```standalone_crate
//! use std::num::NonZero;
//!
//! use honeyguide::score::{Listing, most_anomalous};
//! use honeyguide::{Engine, Recipe, Source, TrainOptions, train};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #   let folder = tempfile::tempdir()?;
//! #   std::env::set_current_dir(folder.path())?;
//! #   for (split, name) in [(simulate::Split::Training, "usual.csv"), (simulate::Split::Testing, "today.csv")] {
//! #       simulate::Simulation::new(20_000, 1)?.write_split(split, &mut std::fs::File::create(name)?)?;
//! #   }
//!     let engine = Engine::new(NonZero::new(4).expect("4 is not 0"))?;
//!
//!     let mut usual = Source::open(["usual.csv"])?;
//!     let recipe = Recipe::default_for(usual.log());
//!     let model = train(&engine, &mut usual, &recipe, &TrainOptions::default()).await?;
//!     println!("events are anomalous above {}", model.threshold());
//!
//!     let mut today = Source::open(["today.csv"])?;
//!     let found = most_anomalous(&engine, &model, &mut today, Listing::top(5)).await?;
//!     for anomaly in &found.anomalies {
//!         println!("{:.4} {}", anomaly.score, anomaly.event);
//!         for reason in &anomaly.reasons {
//!             println!("       {}", reason.text);
//!         }
//!     }
//! #   assert_eq!(found.anomalies.len(), 5);
//! #   assert!(found.anomalies.iter().all(|anomaly| anomaly.anomalous && !anomaly.reasons.is_empty()));
//! #   assert!(found.anomalies.iter().all(|anomaly| anomaly.event.get("sus") == Some("1")));
//!     Ok(())
//! }
//! ```
//!
//! # What leads where
//!
//! ```text
//! Source ── Recipe ──> distinct feature rows with counts ── train ──> Model ── save ──> model file
//! Source, Model ── score, evaluate, report, drift ──> scores, verdicts, figures
//! RecordBatch ── Scorer ──> scores, verdicts, reasons
//! ```
//!
//! - A [`Source`] finds data and knows which [`log`] it is: its columns, their types and their roles.
//! - A [`Recipe`] says which features an event has, as SQL over the columns.
//! - [`train()`] makes a [`Model`]. A [`ThresholdPolicy`] says how its threshold is set; [`calibrate`] sets it again.
//! - [`score`], [`evaluate`](mod@evaluate) and [`report`] apply a model to a source. A [`Scorer`] applies it to Arrow
//!   batches.
//! - [`inspect`], [`drift`], [`sample`], [`convert`], [`embed`](mod@embed) and [`sql`] look at data.
//! - An [`Engine`] runs the scans, on the threads of this machine or on those of a cluster.
//!
//! The library prints nothing, reads no environment and no clock, and takes the seed from its caller. The same data gives
//! the same bits for any number of threads. An [`Error`] says what failed, where, and what to do next.
#![warn(missing_docs)]

mod caught;
mod cells;
mod clock;
pub mod convert;
mod cross_validation;
mod distil;
pub mod drift;
pub mod embed;
mod engine;
mod error;
pub mod evaluate;
pub mod event;
pub mod explain;
mod feature_source;
mod features;
mod forest;
mod functions;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod groups;
mod import;
pub mod incident;
pub mod inspect;
mod labels;
mod leakage;
mod leftover;
pub mod log;
pub mod marks;
mod model;
mod model_functions;
mod naming;
pub mod node;
pub mod output;
pub mod prometheus;
pub mod read;
mod recipe;
pub mod recording;
pub mod report;
pub mod reproduce;
pub mod sample;
mod scan;
pub mod score;
mod scored;
mod scorer;
mod secret;
mod source;
pub mod sql;
mod storage;
mod tail;
mod token;
mod train;
mod whole;
pub mod wording;

pub use caught::panics_are_caught;
pub use cross_validation::MIN_HOSTS;
pub use datafusion::arrow;
pub use distil::budget_rows;
pub use engine::{Distribute, Engine, Progress, Silent};
pub use error::{Error, ErrorKind, Result, cause_of};
pub use feature_source::FeatureSource;
pub use features::MAX_CATEGORIES;
pub use import::{ForestExport, import};
pub use leakage::{PossibleLabel, possible_labels};
pub use learn::iforest::{
    Contamination, IsolationForest, MAX_ESTIMATORS, MaxFeatures, MaxSamples, Novelty,
};
pub use leftover::remove_leftovers;
pub use model::{
    BlockRate, Distribution, FeatureProfile, HostIncidents, HostRate, Imported, MAX_MODEL_BYTES,
    Model, ModelOrigin, Threshold, ThresholdMethod, Training,
};
pub use naming::Named;
pub use recipe::{
    Feature, Kind, MAX_FEATURES, Nulls, NumericColumns, Rarity, Recipe, Transform, builtin,
    builtins,
};
pub use scorer::{Contributions, Scorer, Scores};
pub use secret::redacted;
pub use source::{
    Column, Compression, DataFile, Format, Intake, MAX_RECORD_BYTES, ReadOptions, ReplacedTexts,
    ScanCounts, Source, TraceeEvents, Unread, are_csv, record_end, text_start,
};
pub use storage::{StorageOptions, follow_when_sending, is_url, until_stopped};
pub use token::{Token, secret_in};
pub use train::{
    Calibration, FALSE_POSITIVE_RATE, INCIDENTS_PER_HOST_DAY, ThresholdPolicy, TrainOptions,
    calibrate, train,
};
