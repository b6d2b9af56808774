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
mod forest;
mod json;
mod messages;
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
    /// Returns a target.
    #[must_use]
    pub const fn new(name: &'static str, run: fn(&[u8])) -> Self {
        Self { name, run }
    }

    /// Calls the parser with any bytes.
    ///
    /// # Panics
    /// If the parser has a fault.
    pub fn run(&self, input: &[u8]) {
        (self.run)(input);
    }
}

/// The targets.
pub const TARGETS: [Target; 17] = [
    Target::new("arg", arg::run),
    Target::new("arrow", stored::run_arrow),
    Target::new("batches", batches::run),
    Target::new("csv", csv::run),
    Target::new("domain", domain::run),
    Target::new("eve", messages::run_eve),
    Target::new("forest", forest::run),
    Target::new("json", json::run),
    Target::new("model", model::run),
    Target::new("parquet", stored::run_parquet),
    Target::new("path", path::run),
    Target::new("recipe", recipe::run),
    Target::new("sql", sql::run),
    Target::new("tracee", tracee::run),
    Target::new("url", url::run),
    Target::new("zeek", messages::run_zeek),
    Target::new("zeek-tsv", messages::run_zeek_tsv),
];

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
        /// The targets of other crates.
        const OTHERS: [&str; 2] = ["body", "plan"];
        let folders = fs::read_dir(corpus()).unwrap();
        let folders: BTreeSet<_> = folders.map(|entry| entry.unwrap().file_name()).collect();
        let targets = TARGETS.iter().map(|target| target.name);
        assert_eq!(folders, targets.chain(OTHERS).map(Into::into).collect());
    }
}
