//! The sensor in a running kernel: known work gives exactly the known events.
//!
//! These tests need root and a kernel with BTF. Where they cannot run, each says so in one line.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod work;

use std::fs;

use sensor::LOST_EVENTS;

use work::{Recorded, Recording, argument, record, shell};

/// Returns the events of a recording with a name.
fn named<'r>(recorded: &'r [Recorded], name: &str) -> Vec<&'r Recorded> {
    recorded.iter().filter(|event| event.name == name).collect()
}

#[test]
fn files_give_their_events_and_arguments() {
    let Some(recording) = Recording::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display();
    let recorded = recording.of(&shell(&format!(
        "cd {place} && echo x > made && ln -s made link && rm made && [ -e none ] || cat link none"
    )));
    let opened = named(&recorded, "openat");
    let made = opened.iter().find(|event| event.has("pathname", "'made'"));
    let made = made.expect("the shell's openat");
    assert_eq!((made.id, made.arguments_number), (257, 4));
    assert!(made.returned >= 0 && made.has("flags", "'O_WRONLY|O_CREAT|O_TRUNC'"), "{made:?}");
    assert_eq!(argument(&made.arguments, "dirfd"), Some("-100"));
    assert_eq!(made.process_name, "sh");
    let real = format!("'{place}/made'");
    let files = named(&recorded, "security_file_open");
    assert!(files.iter().any(|event| event.has("pathname", &real)), "{files:?}");
    let linked = named(&recorded, "symlink");
    assert!(linked.iter().any(|event| event.has("target", "'made'") && event.has("linkpath", "'link'")), "{linked:?}");
    let failed = opened.iter().find(|event| event.has("pathname", "'none'"));
    assert_eq!(failed.expect("cat's openat").returned, -2);
}
