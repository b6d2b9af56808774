//! The programs whose lines are read as the columns of a log.

use std::fmt;

/// A program that writes the events of a log as lines in a form of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The sensor Tracee, in any of its versions: kernel calls.
    Tracee,
    /// Suricata's EVE: the events of type `dns` become lookups.
    Eve,
    /// Zeek's `dns.log`, as JSON or in Zeek's own format: lookups.
    Zeek,
}

impl Dialect {
    /// All dialects.
    pub const ALL: [Self; 3] = [Self::Tracee, Self::Eve, Self::Zeek];

    /// Returns the name by which the format of such lines is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tracee => "tracee",
            Self::Eve => "eve",
            Self::Zeek => "zeek",
        }
    }

    /// Returns what the lines are that hold an event, in words.
    #[must_use]
    pub fn events(self) -> &'static str {
        match self {
            Self::Tracee => "events of Tracee",
            Self::Eve => "DNS events of Suricata",
            Self::Zeek => "lines of Zeek's dns.log",
        }
    }

    /// Returns whether most lines must hold an event. Suricata writes all kinds of events to one file.
    pub(crate) fn needs_most_lines(self) -> bool {
        self != Self::Eve
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
