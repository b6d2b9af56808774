//! The state of live incidents in parts, so that a watch that was ended goes on where it was, and only what has changed is
//! stored again.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::error::{Error, Result};

/// What a part of the state is. A key and a value belong to each, of which both are JSON of this release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeptPart {
    /// The counts of all hosts.
    Counts,
    /// What was reported of an incident that has not ended, by its id.
    Reported,
    /// The name of a host.
    Name,
    /// The times of a host's events.
    Times,
    /// What the fold of a host knows beside the parts below.
    Host,
    /// A process, by its identity.
    Process,
    /// An open incident, by its number.
    Open,
    /// The open incident of a process, or of values that tell incidents apart.
    Member,
    /// The open incident of the root of a session.
    Root,
    /// The incident that another one became a part of, by the number of the latter.
    Merged,
    /// The id of the last incident that has ended, by the root of its session or its values.
    Ended,
}

/// The parts with their names.
const PARTS: [(KeptPart, &str); 11] = [
    (KeptPart::Counts, "counts"),
    (KeptPart::Reported, "reported"),
    (KeptPart::Name, "name"),
    (KeptPart::Times, "times"),
    (KeptPart::Host, "host"),
    (KeptPart::Process, "process"),
    (KeptPart::Open, "open"),
    (KeptPart::Member, "member"),
    (KeptPart::Root, "root"),
    (KeptPart::Merged, "merged"),
    (KeptPart::Ended, "ended"),
];

/// Where a part of the state belongs: the number of its host, or 0 for what belongs to none; what it is; and its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeptKey {
    /// The number of the host, from 1. A number is never used again.
    pub host: u64,
    /// What the part is.
    pub part: KeptPart,
    /// Which of the parts of this kind it is.
    pub key: String,
}

/// What has changed of the state since it was taken last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptChanges {
    /// Whether nothing of what was kept before holds any longer.
    pub is_anew: bool,
    /// The numbers of the hosts of which nothing is kept any longer.
    pub forgotten: Vec<u64>,
    /// New values of parts; none for those that are gone.
    pub parts: Vec<(KeptKey, Option<String>)>,
    /// Scored events that wait for earlier ones.
    pub waiting: Vec<KeptBatch>,
    /// The numbers of the batches of which no event waits any longer.
    pub over: Vec<u64>,
}

/// Scored events of one input that wait for earlier ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBatch {
    /// The place of the input.
    pub input: usize,
    /// The number of the batch, in the order in which batches came.
    pub number: u64,
    /// The events as a stream of Arrow IPC. Those that were folded since are left out when they are read again.
    pub rows: Vec<u8>,
}

/// All of the state that was kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The values of the parts, in any order.
    pub parts: Vec<(KeptKey, String)>,
    /// Events that wait, by the numbers of their batches.
    pub waiting: Vec<KeptBatch>,
}

impl KeptPart {
    /// Returns the name under which a store knows the part.
    #[must_use]
    pub fn name(self) -> &'static str {
        let mut parts = PARTS.iter();
        parts
            .find(|(part, _)| *part == self)
            .map_or("", |(_, name)| name)
    }

    /// Returns the part with a name; `None` if there is no such part.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let mut parts = PARTS.iter();
        parts
            .find(|(_, known)| *known == name)
            .map(|(part, _)| *part)
    }
}

/// Takes the parts of a host that have changed.
pub(super) struct Parts<'a> {
    pub host: u64,
    pub parts: &'a mut Vec<(KeptKey, Option<String>)>,
}

impl Parts<'_> {
    /// Takes the value of a part; none if it is gone.
    ///
    /// # Errors
    /// Fails when it cannot be written as JSON, which is a defect.
    pub fn set<V: Serialize + ?Sized>(
        &mut self,
        part: KeptPart,
        key: &(impl Serialize + ?Sized),
        value: Option<&V>,
    ) -> Result<()> {
        let key = KeptKey {
            host: self.host,
            part,
            key: write(key)?,
        };
        self.parts.push((key, value.map(write).transpose()?));
        Ok(())
    }
}

fn write<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    let json = serde_json::to_string(value);
    json.map_err(|error| Error::internal(format!("the state of live incidents: {error}")))
}

/// Reads a key or a value.
///
/// # Errors
/// Fails when it is damaged.
pub(super) fn read<T: DeserializeOwned>(json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(damaged)
}

fn damaged(why: impl std::fmt::Display) -> Error {
    Error::data(format!("the state of live incidents: {why}"))
}

/// Returns the parts of a state that an earlier release kept as one JSON document.
///
/// # Errors
/// Fails when the document is damaged.
pub fn kept_parts(document: &str) -> Result<Vec<(KeptKey, String)>> {
    let state: Value = read(document)?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut numbers: HashMap<Value, u64> = HashMap::new();
    let mut parts = Vec::new();
    let times = list(&state["times"]).into_iter();
    let times: Vec<(Value, Value)> = times
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect();
    let hosts = list(&state["hosts"]);
    let names = hosts.iter().map(|host| &host["host"]);
    for name in names.chain(times.iter().map(|(name, _)| name)) {
        let next = numbers.len() as u64 + 1;
        if *numbers.entry(name.clone()).or_insert(next) == next {
            parts.push(part(next, KeptPart::Name, &Value::Null, name)?);
        }
    }
    for (name, times) in &times {
        parts.push(part(numbers[name], KeptPart::Times, &Value::Null, times)?);
    }
    for host in &hosts {
        let number = numbers[&host["host"]];
        let processes = &host["processes"];
        let head = serde_json::json!({
            "opened": host["opened"],
            "events": host["events"],
            "swept": host["swept"],
            "processes": {"next": processes["next"], "events": processes["events"]},
        });
        parts.push(part(number, KeptPart::Host, &Value::Null, &head)?);
        for (kind, pairs) in [
            (KeptPart::Process, &processes["known"]),
            (KeptPart::Member, &host["members"]),
            (KeptPart::Root, &host["roots"]),
            (KeptPart::Ended, &host["ended"]),
        ] {
            for pair in list(pairs) {
                parts.push(part(number, kind, &pair[0], &pair[1])?);
            }
        }
        // The keys of objects are texts, and those of parts are numbers.
        for (kind, entries) in [
            (KeptPart::Open, &host["open"]),
            (KeptPart::Merged, &host["merged"]),
        ] {
            for (key, value) in entries.as_object().into_iter().flatten() {
                parts.push(part(number, kind, &read(key)?, value)?);
            }
        }
    }
    for (id, reported) in state["reported"].as_object().into_iter().flatten() {
        parts.push(part(
            0,
            KeptPart::Reported,
            &Value::from(id.as_str()),
            reported,
        )?);
    }
    let counts = serde_json::json!({
        "late": state["late"],
        "next_host": numbers.len() as u64 + 1,
        "counts": state["counts"],
    });
    parts.push(part(0, KeptPart::Counts, &Value::Null, &counts)?);
    Ok(parts)
}

fn part(host: u64, part: KeptPart, key: &Value, value: &Value) -> Result<(KeptKey, String)> {
    let key = write(key)?;
    Ok((KeptKey { host, part, key }, write(value)?))
}

/// A map as a list of its keys and values, since the keys of JSON are texts.
pub(super) mod pairs {
    use super::{Deserialize, Deserializer, Hash, HashMap, Serialize, Serializer};

    pub fn serialize<S, K, V>(map: &HashMap<K, V>, serializer: S) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
        K: Serialize,
        V: Serialize,
    {
        serializer.collect_seq(map)
    }

    pub fn deserialize<'de, D, K, V>(deserializer: D) -> Result<HashMap<K, V>, D::Error>
    where
        D: Deserializer<'de>,
        K: Deserialize<'de> + Eq + Hash,
        V: Deserialize<'de>,
    {
        let pairs = Vec::<(K, V)>::deserialize(deserializer)?;
        Ok(pairs.into_iter().collect())
    }
}

/// A shared text that may be missing.
pub(super) mod shared_text {
    use super::{Arc, Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(
        text: &Option<Arc<str>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        text.as_deref().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Arc<str>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(text.map(Arc::from))
    }
}

/// Shared texts.
pub(super) mod shared_texts {
    use super::{Arc, Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(texts: &[Arc<str>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(texts.iter().map(|text| &**text))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Arc<str>>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        Ok(texts.into_iter().map(Arc::from).collect())
    }
}

/// A shared list.
pub(super) mod shared_list {
    use super::{Arc, Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer, T: Serialize>(
        list: &Arc<[T]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(list.iter())
    }

    pub fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
        deserializer: D,
    ) -> Result<Arc<[T]>, D::Error> {
        Ok(Vec::<T>::deserialize(deserializer)?.into())
    }
}

/// A time that is minus infinity where none is known, which JSON cannot write.
pub(super) mod time {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(time: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        Some(*time)
            .filter(|time| time.is_finite())
            .serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let time = Option::<f64>::deserialize(deserializer)?;
        Ok(time.unwrap_or(f64::NEG_INFINITY))
    }
}

/// An event with the types of its columns.
pub(super) mod event {
    use super::{Arc, Deserialize, Deserializer, Serializer};
    use crate::event::Event;

    pub fn serialize<S: Serializer>(event: &Event, serializer: S) -> Result<S::Ok, S::Error> {
        let types = event.types().iter().map(ToString::to_string);
        let columns = event.iter().zip(types);
        serializer.collect_seq(columns.map(|((name, value), data_type)| (name, value, data_type)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Event, D::Error> {
        let kept = Vec::<(String, Option<String>, String)>::deserialize(deserializer)?;
        let types = kept.iter().map(|(_, _, data_type)| data_type.parse());
        let types: Result<Arc<[_]>, _> = types.collect();
        let types = types.map_err(serde::de::Error::custom)?;
        let columns = kept.into_iter().map(|(name, value, _)| (name, value));
        Ok(Event::new(columns.collect(), types))
    }
}
