//! Tests of the library through its public interface. They are one program, because every program links the query engine.

mod common;
mod context;
mod convert;
mod drift;
mod inputs;
mod inspect;
mod log;
mod origin;
mod parquet_types;
mod sample;
mod scorer;
