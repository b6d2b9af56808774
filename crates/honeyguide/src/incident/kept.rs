//! The state of live incidents as a text, so that a watch that was ended goes on where it was.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
