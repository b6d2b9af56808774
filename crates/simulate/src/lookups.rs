//! Lookups of names by the processes of a host.

use super::host::Host;
use super::process::Task;
use super::resolver::{Kind, Reply};

impl Host<'_, '_> {
    /// Looks up the addresses of a name, of both versions, of which the name has so many of version 4.
    pub(super) fn look_up(&mut self, task: Task, name: &str, addresses: u32) {
        self.ask(task, name, Kind::A, Reply::Addresses(addresses));
        self.ask(task, name, Kind::Aaaa, Reply::Empty);
    }

    /// Looks up addresses of a name that does not exist.
    pub(super) fn look_up_in_vain(&mut self, task: Task, name: &str) {
        self.ask(task, name, Kind::A, Reply::NoSuchName);
        self.ask(task, name, Kind::Aaaa, Reply::NoSuchName);
    }

    /// Asks for a name on behalf of `task`, unless the answer is known, and writes the query and its response.
    pub(super) fn ask(&mut self, task: Task, name: &str, kind: Kind, reply: Reply<'_>) {
        let now = self.now();
        if self.done() {
            return;
        }
        let Some(out) = self.rows.lookups() else {
            return;
        };
        let (_, label) = self.tasks.row_parts(task);
        self.resolver.ask(out, (now, label), (name, kind), reply);
    }
}
