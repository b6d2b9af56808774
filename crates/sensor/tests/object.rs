//! The compiled object belongs to the sources beside it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

#[test]
fn the_object_is_compiled_from_these_sources() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("bpf");
    let hashes = fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    let mut files = Vec::new();
    for line in hashes.lines() {
        let (expected, file) = line.split_once("  ").expect("a hash and a file");
        let content = fs::read(folder.join(file)).unwrap();
        let mut hash = String::new();
        for byte in Sha256::digest(content) {
            write!(hash, "{byte:02x}").unwrap();
        }
        assert_eq!(
            hash, expected,
            "{file} has changed: `cargo xtask bpf` compiles the object and records the hashes"
        );
        files.push(file);
    }
    assert_eq!(files, ["kernel.h", "sensor.bpf.c", "sensor.bpf.o"]);
}
