//! Events of Tracee in its structured form (API version v1beta1, on its main branch since November 2025), read into the
//! cells of BETH's columns.
//!
//! What older forms say at the top of an event, this one says of its `workload`: a process, its thread and its ancestors.
//! The arguments and the value that a call returned are in `data`, each under the name of its type; numbers of 64 bits are
//! texts there.

use std::borrow::Cow;

use chrono::DateTime;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

use super::cell::{Cell, Literal, Value};
use super::field::Field;
use crate::log::{Notation, tracee};

/// The name of the entry of `data` that is no argument.
const RETURN_VALUE: &str = "returnValue";

/// A reader of events. Its cells are those of the columns that are wanted.
pub(super) struct StructuredReader {
    columns: Vec<String>,
    cells: Vec<Cell>,
    path_is_empty: bool,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(default)]
    timestamp: Json,
    #[serde(default)]
    id: Json,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(default)]
    policies: Option<Policies>,
    #[serde(default)]
    workload: Option<Workload>,
    #[serde(default)]
    data: Data,
}

#[derive(Deserialize)]
struct Policies {
    #[serde(default)]
    matched: Json,
}

#[derive(Default, Deserialize)]
struct Workload {
    #[serde(default)]
    process: Option<Process>,
    #[serde(default)]
    container: Option<Container>,
}

#[derive(Default, Deserialize)]
struct Process {
    #[serde(default)]
    executable: Option<Executable>,
    #[serde(default)]
    host_pid: Json,
    #[serde(default)]
    pid: Json,
    #[serde(default)]
    real_user: Option<User>,
    #[serde(default)]
    thread: Option<Thread>,
    /// The ancestors, the parent first. The sensor says little more of them than their ids.
    #[serde(default)]
    ancestors: Vec<Ancestor>,
}

#[derive(Deserialize)]
struct Executable {
    #[serde(default)]
    path: Json,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    id: Json,
}

#[derive(Default, Deserialize)]
struct Ancestor {
    #[serde(default)]
    host_pid: Json,
    #[serde(default)]
    pid: Json,
}

#[derive(Default, Deserialize)]
struct Thread {
    #[serde(default)]
    name: Json,
    #[serde(default)]
    host_tid: Json,
    #[serde(default)]
    tid: Json,
    #[serde(default)]
    syscall: Json,
    #[serde(default)]
    user_stack_trace: Option<StackTrace>,
}

#[derive(Deserialize)]
struct StackTrace {
    #[serde(default)]
    addresses: Vec<Address>,
}

#[derive(Deserialize)]
struct Address {
    #[serde(default)]
    address: Json,
}

#[derive(Deserialize)]
struct Container {
    #[serde(default)]
    id: Json,
}

/// The arguments of an event and what it returned.
#[derive(Default)]
struct Data {
    /// The arguments as BETH writes them.
    args: String,
    n_args: i64,
    return_value: Option<String>,
    has_empty_path: bool,
}

impl StructuredReader {
    pub fn new(fields: &[Field]) -> Self {
        Self {
            columns: fields.iter().map(|field| field.key.clone()).collect(),
            cells: fields.iter().map(|_| Cell::default()).collect(),
            path_is_empty: false,
        }
    }

    /// Returns the cells of the last event that was read, and whether its argument `pathname` is an empty text.
    pub fn cells(&mut self) -> (&mut [Cell], Option<bool>) {
        (&mut self.cells, Some(self.path_is_empty))
    }

    /// Reads one event.
    ///
    /// # Errors
    /// Fails when the line is not a JSON object, or not of this form.
    pub fn read(&mut self, line: &[u8]) -> serde_json::Result<()> {
        let event: Event = serde_json::from_slice(line)?;
        for (column, cell) in self.columns.iter().zip(&mut self.cells) {
            event.fill(column, cell);
        }
        self.path_is_empty = event.data.has_empty_path;
        Ok(())
    }
}

impl Event<'_> {
    /// Sets the cell of a column.
    fn fill(&self, column: &str, cell: &mut Cell) {
        let process = self.workload.as_ref().and_then(|all| all.process.as_ref());
        let thread = process.and_then(|process| process.thread.as_ref());
        let parent = process.and_then(|process| process.ancestors.first());
        let container = self
            .workload
            .as_ref()
            .and_then(|all| all.container.as_ref());
        let user = process.and_then(|process| process.real_user.as_ref());
        let found = match column {
            "timestamp" => return self.fill_time(cell),
            "eventId" => Some(&self.id),
            "eventName" => return cell.set_text(&self.name),
            "processId" => process.map(|process| &process.pid),
            "hostProcessId" => process.map(|process| &process.host_pid),
            "threadId" => thread.map(|thread| &thread.tid),
            "hostThreadId" => thread.map(|thread| &thread.host_tid),
            "parentProcessId" => parent.map(|parent| &parent.pid),
            "hostParentProcessId" => parent.map(|parent| &parent.host_pid),
            "userId" => user.map(|user| &user.id),
            "processName" => thread.map(|thread| &thread.name),
            "syscall" => thread.map(|thread| &thread.syscall),
            "executable" => process
                .and_then(|process| process.executable.as_ref())
                .map(|executable| &executable.path),
            "containerId" => container.map(|container| &container.id),
            "matchedPolicies" => self.policies.as_ref().map(|policies| &policies.matched),
            "stackAddresses" => return cell.set_text(&stack(thread)),
            "args" => return cell.set_text(&format!("[{}]", self.data.args)),
            "argsNum" => {
                cell.value = Value::Integer(self.data.n_args);
                return;
            }
            "returnValue" => match &self.data.return_value {
                Some(value) => return cell.set_text(value),
                None => None,
            },
            _ => None,
        };
        set(cell, found.unwrap_or(&Json::Null));
    }

    /// Sets the cell of the time to seconds.
    fn fill_time(&self, cell: &mut Cell) {
        let text = self.timestamp.as_str();
        let time = text.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        match time.and_then(|time| time.timestamp_nanos_opt()) {
            Some(nanoseconds) => cell.value = Value::Number(tracee::seconds(nanoseconds)),
            None => set(cell, &self.timestamp),
        }
    }
}

fn set(cell: &mut Cell, value: &Json) {
    match value {
        Json::Null => cell.value = Value::Null,
        Json::Bool(boolean) => cell.value = Value::Boolean(*boolean),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => cell.value = Value::Integer(integer),
            (None, Some(number)) => cell.value = Value::Number(number),
            (None, None) => cell.set_text(&number.to_string()),
        },
        Json::String(text) => cell.set_text(text),
        Json::Array(_) | Json::Object(_) => {
            let mut text = String::new();
            write(value, Notation::Json, &mut text);
            cell.set_text(&text);
        }
    }
}

/// Writes a value in `notation`.
fn write(value: &Json, notation: Notation, out: &mut String) {
    // A value that was parsed is valid, and writing to a string cannot fail.
    let _ = serde::de::DeserializeSeed::deserialize(Literal { out, notation }, value);
}

/// Returns the addresses of a thread's stack as BETH writes them.
fn stack(thread: Option<&Thread>) -> String {
    let trace = thread.and_then(|thread| thread.user_stack_trace.as_ref());
    let addresses = trace.into_iter().flat_map(|trace| &trace.addresses);
    let addresses: Vec<String> = addresses.map(|one| one.address.to_string()).collect();
    format!("[{}]", addresses.join(", "))
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(EachEntry)
    }
}

struct EachEntry;

impl<'de> Visitor<'de> for EachEntry {
    type Value = Data;

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("a list of values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Data, A::Error> {
        let mut data = Data::default();
        while let Some(entry) = list.next_element::<Entry>()? {
            data.add(entry);
        }
        Ok(data)
    }
}

/// An entry of `data`: its name, the name of its type, and its value as a literal of Python.
#[derive(Default)]
struct Entry {
    name: String,
    kind: String,
    value: String,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntryParts)
    }
}

struct EntryParts;

impl<'de> Visitor<'de> for EntryParts {
    type Value = Entry;

    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("a value with its name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Entry, A::Error> {
        let mut entry = Entry::default();
        while let Some(key) = object.next_key::<String>()? {
            if key == "name" {
                entry.name = object.next_value()?;
            } else {
                entry.value.clear();
                object.next_value_seed(Literal {
                    out: &mut entry.value,
                    notation: Notation::Python,
                })?;
                entry.kind = key;
            }
        }
        Ok(entry)
    }
}

impl Entry {
    /// Returns the value as older forms have it: a list without the object around it, and numbers of 64 bits as numbers.
    fn plain_value(&self) -> Cow<'_, str> {
        let mut value = Cow::Borrowed(self.value.as_str());
        if self.kind.ends_with("_array") || self.kind == "timespec" {
            let inner = value.strip_prefix("{'value': ");
            let inner = inner.and_then(|inner| inner.strip_suffix('}'));
            value = inner.unwrap_or("[]").to_owned().into();
        }
        match self.kind.as_str() {
            "int64" | "u_int64" | "u_int64_array" | "pointer" => value.replace('\'', "").into(),
            _ => value,
        }
    }
}

impl Data {
    fn add(&mut self, entry: Entry) {
        let value = entry.plain_value();
        if entry.name == RETURN_VALUE {
            self.return_value = Some(value.into_owned());
            return;
        }
        self.has_empty_path |= entry.name == "pathname" && value == "''";
        if self.n_args > 0 {
            self.args.push_str(", ");
        }
        self.n_args += 1;
        self.args.push_str("{'name': ");
        self.quote(&entry.name);
        self.args.push_str(", 'type': ");
        self.quote(&entry.kind);
        self.args.push_str(", 'value': ");
        self.args.push_str(&value);
        self.args.push('}');
    }

    fn quote(&mut self, text: &str) {
        let (out, notation) = (&mut self.args, Notation::Python);
        Literal { out, notation }.quoted(text);
    }
}
