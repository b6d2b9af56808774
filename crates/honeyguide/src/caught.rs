//! Panics of other crates' readers as values.
//!
//! Readers of binary formats take some of what a damaged file says for granted, and panic where it is not so. What is known
//! to be wrong is refused before they see it, since a request for too much memory ends the process and cannot be caught.
//! The rest ends here: a panic becomes a sentence for a message.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    /// The number of calls of [`caught`] that this thread is in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Returns whether a panic of this thread would be caught and reported as an error. A panic hook should print nothing
/// then.
pub fn panics_are_caught() -> bool {
    DEPTH.get() > 0
}

/// Runs a reader, and returns what it says if it panics. What the reader changed is not to be used afterwards.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    DEPTH.set(DEPTH.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(DEPTH.get() - 1);
    outcome.map_err(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied());
        text.unwrap_or("its reader failed").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_become_sentences() {
        assert_eq!(caught(|| 1), Ok(1));
        assert!(caught(panics_are_caught).unwrap());
        let text: Result<(), _> = caught(|| panic!("no {}", "such"));
        assert_eq!(text, Err("no such".to_owned()));
        assert!(!panics_are_caught());
    }
}
