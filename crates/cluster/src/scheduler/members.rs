//! The executors that have joined, and the secrets by which the scheduler knows them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::access::Secret;

/// The greatest number of executors.
const MAX_MEMBERS: usize = 4096;
/// The greatest length of an executor's id in bytes.
const MAX_ID_BYTES: usize = 64;

/// The secrets of executors.
#[derive(Debug, Default)]
pub(super) struct Members(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The secret of each executor, by its id.
    known: HashMap<String, Secret>,
    /// The secret of the executor that joined last at each `HOST:PORT`. It outlives the executor's membership, because
    /// the scheduler tells removed executors that they are removed.
    at: HashMap<String, Secret>,
}

impl Members {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether an executor asks in its own name. An executor with a new id joins with the secret that it shows;
    /// from then on, its calls must show the same one. `address` is the `HOST:PORT` at which the executor is reached.
    pub(super) fn admit(&self, id: &str, shown: Option<&str>, address: &str) -> bool {
        let Some(secret) = shown.and_then(Secret::from_executor) else {
            return false;
        };
        let mut state = self.state();
        if let Some(known) = state.known.get(id) {
            return shown.is_some_and(|shown| known.is(shown));
        }
        if state.known.len() >= MAX_MEMBERS || id.is_empty() || id.len() > MAX_ID_BYTES {
            return false;
        }
        if state.at.len() >= 2 * MAX_MEMBERS {
            state.at.clear();
        }
        state.at.insert(address.to_owned(), secret.clone());
        state.known.insert(id.to_owned(), secret);
        true
    }

    /// Returns whether a call in the name of the executor `id`, which has joined before, shows its secret.
    pub(super) fn knows(&self, id: &str, shown: Option<&str>) -> bool {
        let state = self.state();
        let known = state.known.get(id);
        known.is_some_and(|known| shown.is_some_and(|shown| known.is(shown)))
    }

    /// Returns the secret of the executor at `address`, with which the scheduler makes itself known to it.
    pub(super) fn secret_at(&self, address: &str) -> Option<Secret> {
        self.state().at.get(address).cloned()
    }

    /// Forgets an executor that was removed.
    pub(super) fn forget(&self, id: &str) {
        self.state().known.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_speaks_in_the_name_of_another() {
        let members = Members::default();
        let [own, other] = ["a".repeat(73), "b".repeat(73)];
        assert!(!members.knows("one", Some(&own)), "it has not joined");
        assert!(!members.admit("one", None, "h:1"));
        assert!(!members.admit("one", Some("short"), "h:1"));
        assert!(members.admit("one", Some(&own), "h:1"));
        assert!(members.admit("one", Some(&own), "h:1"));
        assert!(!members.admit("one", Some(&other), "h:1"));
        assert!(members.knows("one", Some(&own)));
        assert!(!members.knows("one", Some(&other)));
        assert!(!members.knows("one", None));
        assert!(members.secret_at("h:1").unwrap().is(&own));
        members.forget("one");
        assert!(!members.knows("one", Some(&own)));
        assert!(!members.admit(&"x".repeat(65), Some(&own), "h:1"));
    }

    #[test]
    fn a_flood_of_executors_is_bounded() {
        let members = Members::default();
        let secret = "a".repeat(73);
        let joined = (0..MAX_MEMBERS + 10)
            .filter(|number| members.admit(&number.to_string(), Some(&secret), "h:1"))
            .count();
        assert_eq!(joined, MAX_MEMBERS);
    }
}
