//! Fuzz targets: for each parser of bytes from outside, a function that takes any bytes and panics at a fault.
//!
//! This module exists only in tests and in code that is compiled for fuzzing. `cargo xtask fuzz` calls the targets with
//! inputs that libFuzzer makes, and a test calls them with the inputs in `fuzz/corpus`. A fault is a panic anywhere, an
//! internal error, an answer that differs from that of another parser, or an answer that depends on how the input is
//! divided.

mod arg;
mod batches;
mod common;
mod csv;
mod domain;
mod events;
mod json;
mod model;
mod path;
mod recipe;
mod sql;
mod stored;
mod tracee;
mod url;

/// A parser of bytes from outside, as fuzzing calls it.
#[derive(Debug)]
pub struct Target {
    /// The name of the target, and of the folder of its inputs.
    pub name: &'static str,
    run: fn(&[u8]),
}

impl Target {
    /// Calls the parser with any bytes.
    ///
    /// # Panics
    /// If the parser has a fault.
    pub fn run(&self, input: &[u8]) {
        (self.run)(input);
    }
}

/// The targets.
pub const TARGETS: [Target; 13] = [
    target("arg", arg::run),
    target("arrow", stored::run_arrow),
    target("batches", batches::run),
    target("csv", csv::run),
    target("domain", domain::run),
    target("json", json::run),
    target("model", model::run),
    target("parquet", stored::run_parquet),
    target("path", path::run),
    target("recipe", recipe::run),
    target("sql", sql::run),
    target("tracee", tracee::run),
    target("url", url::run),
];

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn corpus() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus"))
    }

    #[test]
    fn every_target_has_inputs_and_passes_them() {
        for target in &TARGETS {
            let mut inputs = 0;
            for entry in fs::read_dir(corpus().join(target.name)).expect(target.name) {
                let path = entry.unwrap().path();
                // Shown only if the target panics.
                println!("{}", path.display());
                target.run(&fs::read(&path).unwrap());
                inputs += 1;
            }
            assert!(inputs > 0, "{}", target.name);
        }
    }

    #[test]
    fn every_folder_of_inputs_belongs_to_a_target() {
        let folders = fs::read_dir(corpus()).unwrap();
        let folders: BTreeSet<_> = folders.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(
            folders,
            TARGETS.iter().map(|target| target.name.into()).collect()
        );
    }
}
