//! The program of the fuzz targets: libFuzzer, which calls the target that the argument `--target=NAME` names.
//!
//! It is one program, because every program links the query engine. The targets are in `honeyguide::fuzzing` and
//! `honeyguide_watch::fuzzing`, which exist only if the code is compiled for fuzzing, as `cargo xtask fuzz` does.
#![cfg_attr(fuzzing, no_main)]

#[cfg(not(fuzzing))]
compile_error!("run `cargo xtask fuzz`, which compiles this program as fuzzing needs it");

#[cfg(fuzzing)]
mod fuzzing {
    use std::sync::OnceLock;

    use honeyguide::fuzzing::{TARGETS, Target};
    use libfuzzer_sys::fuzz_target;

    /// The targets of other crates than the library.
    const FURTHER: [Target; 1] = [Target::new("body", honeyguide_watch::fuzzing::body)];

    static TARGET: OnceLock<&Target> = OnceLock::new();

    fuzz_target!(
        init: {
            TARGET.get_or_init(named_target);
        },
        |input: &[u8]| TARGET.get_or_init(named_target).run(input)
    );

    /// Returns the target that the arguments name. libFuzzer ignores arguments with two hyphens.
    fn named_target() -> &'static Target {
        let name = std::env::args().find_map(|argument| {
            let name = argument.strip_prefix("--target=")?;
            Some(name.to_owned())
        });
        let targets = || TARGETS.iter().chain(&FURTHER);
        let target = targets().find(|target| Some(target.name) == name.as_deref());
        target.unwrap_or_else(|| {
            let names: Vec<_> = targets().map(|target| target.name).collect();
            eprintln!(
                "error: no such target; write --target=NAME, with one of {}",
                names.join(", ")
            );
            std::process::exit(2);
        })
    }
}
