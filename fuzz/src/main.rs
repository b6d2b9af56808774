//! The program of the fuzz targets: libFuzzer, which calls the target that the argument `--target=NAME` names.
//!
//! It is one program, because every program links the query engine. The targets are in `honeyguide::fuzzing`,
//! `honeyguide_watch::fuzzing` and `honeyguide_cluster::fuzzing`, which exist only if the code is compiled for fuzzing, as
//! `cargo xtask fuzz` does.
#![cfg_attr(fuzzing, no_main)]

#[cfg(not(fuzzing))]
compile_error!("run `cargo xtask fuzz`, which compiles this program as fuzzing needs it");

#[cfg(fuzzing)]
mod fuzzing {
    use std::panic;
    use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

    use honeyguide::fuzzing::{TARGETS, Target};
    use libfuzzer_sys::fuzz_target;

    /// The targets of other crates than the library.
    const FURTHER: [Target; 2] = [
        Target::new("body", honeyguide_watch::fuzzing::body),
        Target::new("plan", honeyguide_cluster::fuzzing::plan),
    ];

    static TARGET: OnceLock<&Target> = OnceLock::new();

    fuzz_target!(
        init: {
            TARGET.get_or_init(named_target);
            // libFuzzer would end at every panic, also at those of arrow-rs and parquet, which the product catches.
            panic::set_hook(Box::new(|info| *last_panic() = Some(info.to_string())));
        },
        |input: &[u8]| run(input)
    );

    /// Runs the target. A panic that it does not catch is a fault, at which libFuzzer keeps the input.
    fn run(input: &[u8]) {
        let target = TARGET.get_or_init(named_target);
        if panic::catch_unwind(|| target.run(input)).is_err() {
            let why = last_panic().take();
            eprintln!("{}", why.unwrap_or_else(|| "a panic".to_owned()));
            std::process::abort();
        }
    }

    fn last_panic() -> MutexGuard<'static, Option<String>> {
        static LAST: Mutex<Option<String>> = Mutex::new(None);
        LAST.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
