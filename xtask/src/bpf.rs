//! `cargo xtask bpf`: compiles the part of the sensor that runs in the kernel.
//!
//! The object is in the repository, so that only who changes its source needs the compiler. A file beside it holds the
//! hashes of the sources and of the object; a test of the sensor compares them.

use std::fs;

use crate::command::{command, output, root, run};
use crate::error::{Error, Result};

/// The compiler. Another version would make other bytes of the same source.
const COMPILER: &str = "clang-14";
/// What the compiler prints of its version.
const VERSION: &str = "clang version 14.0.6";
/// The folder of the sources and of the object.
const FOLDER: &str = "crates/sensor/bpf";
const OBJECT: &str = "sensor.bpf.o";
/// The files whose hashes are recorded.
const HASHED: [&str; 3] = ["kernel.h", "sensor.bpf.c", OBJECT];
/// The file with the hashes, in the form of `sha256sum`.
const HASHES: &str = "SHA256SUMS";

/// Compiles the object and records the hashes.
pub fn build() -> Result<()> {
    let version = output(&mut command(COMPILER, ["--version"]))?;
    if !version.contains(VERSION) {
        return Err(Error::Output {
            command: format!("{COMPILER} --version"),
            what: "another version than 14.0.6, which the object is compiled with",
            line: version.lines().next().unwrap_or_default().to_owned(),
        });
    }
    let folder = root().join(FOLDER);
    // The object names its source, but not the folder of this checkout.
    let prefix = format!(
        "-ffile-prefix-map={}=.",
        folder
            .canonicalize()
            .map_err(|source| Error::File {
                path: folder.clone(),
                source
            })?
            .display()
    );
    let arguments = [
        &prefix,
        "-O2",
        "-g",
        "-target",
        "bpf",
        "-mcpu=v3",
        "-D__TARGET_ARCH_x86",
        "-Wall",
        "-Werror",
        "-c",
        "sensor.bpf.c",
        "-o",
        OBJECT,
    ];
    run(command(COMPILER, arguments).current_dir(&folder))?;
    // Without DWARF, which holds the paths of this machine. What the loader needs, BTF, stays.
    run(command("llvm-strip-14", ["-g", OBJECT]).current_dir(&folder))?;
    let hashes = output(command("sha256sum", HASHED).current_dir(&folder))?;
    let place = folder.join(HASHES);
    fs::write(&place, hashes).map_err(|source| Error::File {
        path: place,
        source,
    })?;
    println!("compiled {FOLDER}/{OBJECT}");
    Ok(())
}
