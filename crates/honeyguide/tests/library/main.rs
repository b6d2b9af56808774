//! Tests of the library through its public interface. They are one program, because every program links the query engine.

mod bad_calls;
mod bad_input;
mod common;
mod context;
mod convert;
mod drift;
mod formats;
mod incidents;
mod inputs;
mod inspect;
mod log;
mod model_file;
mod novelty;
mod odd_but_fine;
mod odd_text;
mod origin;
mod parquet;
mod parquet_types;
mod remote;
mod same_answer;
mod sample;
mod scorer;
mod sql;
mod tracee;
