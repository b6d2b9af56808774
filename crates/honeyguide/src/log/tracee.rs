//! Events of the sensor Tracee in the columns of a log of kernel calls.
//!
//! BETH was recorded with Tracee in 2021 (Highnam et al. 2021); that release's JSON has BETH's columns under BETH's names.
//! Later releases renumbered the events, count other arguments and give the time in nanoseconds; and a newer C library
//! makes other calls for the same purposes. Here an event is known by its name.

use datafusion::arrow::datatypes::DataType;
use serde_json::Value;

use super::Log;
use crate::whole::whole;

/// The key of an event's name.
pub(crate) const EVENT_NAME: &str = "eventName";
/// The key of an event's number.
pub(crate) const EVENT_ID: &str = "eventId";
/// The key of the number of arguments.
pub(crate) const ARGS_NUM: &str = "argsNum";
/// The key of the time.
pub(crate) const TIMESTAMP: &str = "timestamp";

/// Keys of events that came after 2021, when the time became nanoseconds.
const LATER_KEYS: [&str; 4] = [
    "threadStartTime",
    "processorId",
    "contextFlags",
    "matchedPolicies",
];
/// What later releases say beyond BETH's columns.
const LATER_COLUMNS: &[(&str, DataType)] = &[
    ("hostProcessId", DataType::Int64),
    ("hostThreadId", DataType::Int64),
    ("hostParentProcessId", DataType::Int64),
    ("pidNamespace", DataType::Int64),
    ("containerId", DataType::Utf8),
    ("executable", DataType::Utf8),
    ("syscall", DataType::Utf8),
    ("matchedPolicies", DataType::Utf8),
];

/// The columns that the structured form has no value for.
const UNSTRUCTURED: [&str; 3] = ["hostName", "mountNamespace", "pidNamespace"];

/// Numbers that an event unknown to BETH keeps: those of x86-64 system calls, which never change. The others were
/// renumbered between releases, so they are moved behind all of BETH's.
const SYSTEM_CALLS: i64 = 600;
/// Added to the sensor's number of any other event that BETH does not have.
const UNKNOWN_OFFSET: i64 = 100_000;
/// The number of nanoseconds in a second.
const NANOSECONDS: i64 = 1_000_000_000;

/// An event of BETH: (eventName, eventId, argsNum). The last is the same in every row of an event.
type Known = (&'static str, i64, i64);

/// The events of BETH by name. System calls have their x86-64 number.
const EVENTS: [Known; 38] = [
    ("accept", 43, 3),
    ("accept4", 288, 4),
    ("access", 21, 2),
    ("bind", 49, 3),
    ("cap_capable", 1003, 1),
    ("clone", 56, 5),
    ("close", 3, 1),
    ("connect", 42, 3),
    ("dup", 32, 1),
    ("dup2", 33, 2),
    ("dup3", 292, 3),
    ("execve", 59, 2),
    ("fchmod", 91, 2),
    ("fstat", 5, 2),
    ("getdents64", 217, 3),
    ("getsockname", 51, 3),
    ("kill", 62, 2),
    ("lchown", 94, 3),
    ("listen", 50, 2),
    ("lstat", 6, 2),
    ("openat", 257, 4),
    ("prctl", 157, 5),
    ("sched_process_exit", 1010, 0),
    ("security_bprm_check", 1004, 3),
    ("security_file_open", 1005, 4),
    ("security_inode_unlink", 1006, 1),
    ("setfsgid", 123, 1),
    ("setfsuid", 122, 1),
    ("setgid", 106, 1),
    ("setregid", 114, 2),
    ("setreuid", 113, 2),
    ("setuid", 105, 1),
    ("socket", 41, 3),
    ("stat", 4, 2),
    ("symlink", 88, 2),
    ("umount", 166, 2),
    ("unlink", 87, 1),
    ("unlinkat", 263, 3),
];

/// What newer C libraries and kernels call, and newer releases name, otherwise: (their name, BETH's). `newfstatat`
/// without a path is `fstat`: see [`recognise`].
const ALIASES: [(&str, &str); 8] = [
    ("clone3", "clone"),
    ("faccessat", "access"),
    ("faccessat2", "access"),
    ("newfstatat", "stat"),
    ("openat2", "openat"),
    ("statx", "stat"),
    ("symlinkat", "symlink"),
    ("umount2", "umount"),
];

/// A form in which Tracee writes events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// That of 2021, with times in seconds: BETH's columns and no others.
    Of2021,
    /// Those of later releases, with times in nanoseconds and further keys.
    Later,
    /// That of the API version v1beta1, which says most things in an object `workload`.
    Structured,
}

impl Form {
    /// Returns the form of an event, of which `get` finds the value of a key; `None` for any other object of JSON. In the
    /// older forms arguments are a list; in tables of BETH's columns they are text.
    pub fn of<'a>(get: impl Fn(&str) -> Option<&'a Value>) -> Option<Self> {
        let is_structured = Self::Structured.missing(&get).is_empty()
            && get(TIMESTAMP).is_some_and(Value::is_string)
            && (get("workload").is_some_and(Value::is_object)
                || get("data").is_some_and(Value::is_array));
        if is_structured {
            return Some(Self::Structured);
        }
        let has = |key| get(key).is_some();
        let is_event =
            has(EVENT_NAME) && has("processId") && get("args").is_some_and(Value::is_array);
        is_event.then(|| Self::unstructured(get))
    }

    /// Returns which of the older forms an event has.
    pub fn unstructured<'a>(get: impl Fn(&str) -> Option<&'a Value>) -> Self {
        match LATER_KEYS.iter().any(|key| get(key).is_some()) {
            true => Self::Later,
            false => Self::Of2021,
        }
    }

    /// Returns the columns that every event has a value for, with the keys of these values.
    pub fn required(self) -> [(&'static str, &'static str); 3] {
        match self {
            Self::Of2021 | Self::Later => {
                [TIMESTAMP, "processId", EVENT_NAME].map(|column| (column, column))
            }
            Self::Structured => [
                (TIMESTAMP, TIMESTAMP),
                (EVENT_ID, "id"),
                (EVENT_NAME, "name"),
            ],
        }
    }

    /// Returns the required keys that an object lacks.
    pub fn missing<'a>(self, get: impl Fn(&str) -> Option<&'a Value>) -> Vec<&'static str> {
        let keys = self.required().into_iter().map(|(_, key)| key);
        keys.filter(|key| get(key).is_none_or(Value::is_null))
            .collect()
    }

    /// Returns the columns of events, with their types. The structured form does not name the host, nor the namespaces of
    /// a process.
    pub fn columns(self) -> impl Iterator<Item = &'static (&'static str, DataType)> {
        let later = (self != Self::Of2021).then_some(LATER_COLUMNS);
        let all = Log::kernel_calls().sensed_columns();
        all.chain(later.into_iter().flatten())
            .filter(move |(name, _)| self != Self::Structured || !UNSTRUCTURED.contains(name))
    }
}

/// Returns what an object that lacks `keys` is not, in words.
pub(crate) fn no_event(keys: &[&str]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    format!(
        "not an event of Tracee: there is no {}",
        keys.join(" and no ")
    )
}

/// Returns the key within the object that an event has for `column`, where it is an object of which one value counts.
pub(crate) fn member(column: &str) -> Option<&'static str> {
    (column == "executable").then_some("path")
}

/// The result of looking an event up by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recognised {
    /// BETH has it.
    Mapped { id: i64, args_num: i64 },
    /// BETH has its cousin.
    Aliased {
        name: &'static str,
        id: i64,
        args_num: i64,
    },
    /// BETH does not have it.
    Unknown,
}

/// Finds an event's name among BETH's. `has_empty_path` is asked only where the path matters: C libraries since glibc
/// 2.33 make `fstat` of `newfstatat` with an empty path (`AT_EMPTY_PATH`, see stat(2)).
pub(crate) fn recognise(name: &str, has_empty_path: impl FnOnce() -> bool) -> Recognised {
    if let Some((_, id, args_num)) = known(name) {
        return Recognised::Mapped { id, args_num };
    }
    let cousin = match ALIASES.iter().find(|(alias, _)| *alias == name) {
        Some((_, "stat")) if has_empty_path() => "fstat",
        Some((_, cousin)) => cousin,
        None => return Recognised::Unknown,
    };
    known(cousin).map_or(Recognised::Unknown, |(name, id, args_num)| {
        Recognised::Aliased { name, id, args_num }
    })
}

fn known(name: &str) -> Option<Known> {
    let found = EVENTS.binary_search_by(|(known, ..)| known.cmp(&name));
    found.ok().map(|index| EVENTS[index])
}

/// Returns the number of an event that BETH does not have, from the sensor's number in this form. In 2021 the numbers
/// were BETH's. The structured form counts system calls from 1 and without the gap before the newer ones.
pub(crate) fn unknown_id(form: Form, id: i64) -> i64 {
    match (form, id) {
        (Form::Of2021, _) => id,
        (Form::Later, 0..SYSTEM_CALLS) => id,
        (Form::Structured, 1..=335) => id - 1,
        (Form::Structured, 336..=360) => id + 88,
        _ => id.saturating_add(UNKNOWN_OFFSET),
    }
}

/// Returns the seconds that a text of nanoseconds stands for; `None` if it is no number.
pub(crate) fn seconds_of_text(nanoseconds: &str) -> Option<f64> {
    let nanoseconds = nanoseconds.trim();
    let number: f64 = nanoseconds.parse().ok()?;
    Some(match whole_part(nanoseconds) {
        Some(whole) => seconds(whole),
        None => seconds_of_float(number),
    })
}

/// Returns the digits before the point of a decimal number, which may have an exponent; `None` if there are too many. A
/// fraction of a nanosecond is less than a time can hold.
fn whole_part(number: &str) -> Option<i64> {
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let shift = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let power = 10_i128.checked_pow(shift.unsigned_abs());
    let whole = match (shift >= 0, power) {
        (true, power) => digits.checked_mul(power?)?,
        (false, Some(power)) => digits / power,
        (false, None) => 0,
    };
    i64::try_from(whole).ok()
}

/// Returns the seconds that a number of nanoseconds stands for.
pub(crate) fn seconds_of_float(nanoseconds: f64) -> f64 {
    match whole(nanoseconds.trunc()) {
        Some(whole) => seconds(whole),
        None => nanoseconds / NANOSECONDS as f64,
    }
}

/// Returns a time in seconds, the unit of BETH. Whole seconds are converted apart, since nanoseconds since 1970 exceed
/// a float's 53 bits.
pub(crate) fn seconds(nanoseconds: i64) -> f64 {
    let [whole, rest] = [nanoseconds / NANOSECONDS, nanoseconds % NANOSECONDS];
    whole as f64 + rest as f64 / NANOSECONDS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_sorted_and_aliases_lead_to_them() {
        assert!(EVENTS.is_sorted_by(|left, right| left.0 < right.0));
        for (alias, cousin) in ALIASES {
            assert!(known(alias).is_none() && known(cousin).is_some(), "{alias}");
        }
    }

    #[test]
    fn names_count_and_numbers_do_not() {
        let mapped = recognise("security_file_open", || unreachable!());
        assert_eq!(
            mapped,
            Recognised::Mapped {
                id: 1005,
                args_num: 4
            }
        );
        for (is_empty, name, id) in [(true, "fstat", 5), (false, "stat", 4)] {
            let aliased = recognise("newfstatat", || is_empty);
            assert_eq!(
                aliased,
                Recognised::Aliased {
                    name,
                    id,
                    args_num: 2
                }
            );
        }
        assert_eq!(recognise("io_uring_enter", || false), Recognised::Unknown);
        for (form, id, expected) in [
            (Form::Of2021, 1013, 1013),
            (Form::Later, 426, 426),
            (Form::Later, 1005, 101_005),
            // read, rseq, pidfd_send_signal and process_mrelease on x86-64, and an event that is no system call.
            (Form::Structured, 1, 0),
            (Form::Structured, 335, 334),
            (Form::Structured, 336, 424),
            (Form::Structured, 360, 448),
            (Form::Structured, 700, 100_700),
        ] {
            assert_eq!(unknown_id(form, id), expected, "{form:?} {id}");
        }
    }

    #[test]
    fn nanoseconds_are_the_same_time_in_any_type() {
        let expected: f64 = "1760000000.123456789".parse().unwrap();
        for (text, float) in [
            ("1760000000123456789", 1_760_000_000_123_456_789.0),
            (" 1760000000123456789 ", 1_760_000_000_123_456_789.0),
            ("1760000000123456789.0", 1_760_000_000_123_456_789.0),
            ("1.760000000123456789e18", 1_760_000_000_123_456_789.0),
        ] {
            assert_eq!(seconds_of_text(text), Some(expected), "{text}");
            assert_eq!(seconds_of_float(float), expected);
        }
        assert_eq!(seconds_of_text("-1500000000"), Some(-1.5));
        assert_eq!(seconds_of_text("2025-01-01"), None);
    }
}
