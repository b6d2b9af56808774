//! honeyguide: which of these millions of kernel calls do not belong?
//!
//! The library behind the command `honeyguide`. Data flows one way:
//!
//! ```text
//! source → events → recipe → distinct feature rows with counts → forest → model file
//!                                                     model + events → scores, verdicts, evaluation
//! ```
//!
//! [`Source`] finds the data, [`Recipe`] says what the features are, [`train()`] makes a [`Model`], [`calibrate`] sets its
//! threshold on benign events, and [`score`], [`evaluate()`] and [`reproduce()`] use it. An [`Engine`] runs the scans.
//! The library prints nothing, reads no environment and no clock, and takes the seed from its caller.
#![warn(missing_docs)]

mod cells;
pub mod convert;
mod distil;
pub mod drift;
pub mod embed;
mod engine;
mod error;
pub mod evaluate;
pub mod event;
pub mod explain;
mod features;
mod functions;
mod groups;
pub mod inspect;
mod labels;
mod leave_one_out;
pub mod log;
pub mod marks;
mod model;
mod model_functions;
mod naming;
pub mod node;
pub mod output;
mod recipe;
pub mod report;
pub mod reproduce;
pub mod sample;
mod scan;
pub mod score;
mod scored;
mod scorer;
mod source;
pub mod sql;
mod storage;
mod tail;
mod train;
pub mod wording;

pub use distil::budget_rows;
pub use engine::{Distribute, Engine, Progress, Silent};
pub use error::{Error, ErrorKind, Result};
pub use features::MAX_CATEGORIES;
pub use learn::iforest::{Contamination, IsolationForest, MAX_ESTIMATORS, MaxFeatures, MaxSamples};
pub use leave_one_out::MIN_HOSTS;
pub use model::{
    Distribution, FeatureProfile, HostRate, MAX_MODEL_BYTES, Model, ModelOrigin, Threshold,
    ThresholdMethod, Training,
};
pub use naming::Named;
pub use recipe::{
    Feature, Kind, MAX_FEATURES, Nulls, NumericColumns, Recipe, Transform, builtin, builtins,
};
pub use scorer::{Scorer, Scores};
pub use source::{
    Column, Compression, DataFile, Format, Intake, ReadOptions, ScanCounts, Source, TraceeEvents,
};
pub use storage::{StorageOptions, is_url, redacted, until_stopped};
pub use train::{
    FALSE_POSITIVE_RATE, ThresholdPolicy, TrainOptions, calibrate, train, why_not_held_out,
};
