//! The severity of an incident: its score on the short scales of other products.

/// The score from which on an incident is of medium severity.
const MEDIUM: f64 = 10.0;
/// The score from which on an incident is of high severity.
const HIGH: f64 = 100.0;

/// The severity of an incident. It is its score to the nearest power of ten: the score tells more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    Low,
    Medium,
    High,
}

impl Severity {
    /// Returns the severity of an incident with this score.
    pub fn of(score: f64) -> Self {
        match score {
            score if score >= HIGH => Self::High,
            score if score >= MEDIUM => Self::Medium,
            _ => Self::Low,
        }
    }

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// Returns the priority of Falco.
    pub fn priority(self) -> &'static str {
        match self {
            Self::Low => "Notice",
            Self::Medium => "Warning",
            Self::High => "Critical",
        }
    }

    /// Returns the severity of syslog (RFC 5424, section 6.2.1): notice, warning or critical.
    pub fn syslog(self) -> u8 {
        match self {
            Self::Low => 5,
            Self::Medium => 4,
            Self::High => 2,
        }
    }

    /// Returns OCSF's `severity_id` and its caption.
    pub fn ocsf(self) -> (u8, &'static str) {
        match self {
            Self::Low => (2, "Low"),
            Self::Medium => (3, "Medium"),
            Self::High => (4, "High"),
        }
    }

    /// Returns the number that Elastic's rules give to this severity, from 0 to 100.
    pub fn elastic(self) -> u8 {
        match self {
            Self::Low => 21,
            Self::Medium => 47,
            Self::High => 73,
        }
    }

    /// Returns the severity of CEF, from 0 to 10.
    pub fn cef(self) -> u8 {
        match self {
            Self::Low => 3,
            Self::Medium => 6,
            Self::High => 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_severity_grows_with_the_score() {
        let of = |score| Severity::of(score).name();
        assert_eq!([0.0, 9.99].map(of), ["low"; 2]);
        assert_eq!([10.0, 99.0].map(of), ["medium"; 2]);
        assert_eq!([100.0, 1e9].map(of), ["high"; 2]);
    }
}
