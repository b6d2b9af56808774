//! The recorded time of hosts.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{cast, ident};

use crate::clock::{Clock, TimeColumn};
use crate::engine::Engine;
use crate::error::Result;
use crate::source::Source;

/// The recorded time of some hosts.
pub(super) struct Recorded {
    /// The clock of their events.
    pub clock: Clock,
    /// The recorded time of all hosts together, in seconds. That of a host is the time from its first event to its last.
    pub seconds: f64,
}

impl Recorded {
    /// Returns the recorded time of the hosts of `source`; `None` where the data has no hosts or no times.
    ///
    /// # Errors
    /// Fails when the data cannot be read.
    pub async fn of(engine: &Engine, source: &mut Source) -> Result<Option<Self>> {
        let (Some(time), Some(host)) = (TimeColumn::of(source), source.host()) else {
            return Ok(None);
        };
        let host = cast(ident(&host.name), DataType::Utf8);
        let mut hosts = time.ranges(engine, source, Some(host)).await?;
        // The order of the sum fixes the rounding.
        hosts.sort_by(|one, other| {
            one[0]
                .total_cmp(&other[0])
                .then(one[1].total_cmp(&other[1]))
        });
        let Some([first, _]) = hosts.first().copied() else {
            return Ok(None);
        };
        let last = hosts.iter().map(|[_, last]| *last).fold(first, f64::max);
        let ticks: f64 = hosts.iter().map(|[first, last]| last - first).sum();
        Ok(Some(Self {
            clock: time.clock(first, last),
            seconds: ticks * time.seconds_per_tick(last),
        }))
    }
}
