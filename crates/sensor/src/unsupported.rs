//! The sensor on machines on which it cannot run.

use std::convert::Infallible;

use crate::{Counts, Event, Filter, Result, SensorError};

/// A sensor. On this machine there can be none.
#[derive(Debug)]
pub struct Sensor(Infallible);

impl Sensor {
    /// Always fails: the sensor runs on Linux on x86-64 only.
    ///
    /// # Errors
    /// Always.
    pub fn start(_: &Filter) -> Result<Self> {
        Err(SensorError::new("the sensor runs on Linux on x86-64 only"))
    }

    /// Gives up what the sensor needs no more.
    ///
    /// # Errors
    /// Never, as there is no sensor.
    pub fn drop_capabilities(&self, _: bool) -> Result<()> {
        match self.0 {}
    }

    /// Hands out what has arrived.
    pub fn read(&mut self, _: &mut impl FnMut(&Event<'_>)) -> u64 {
        match self.0 {}
    }

    /// Returns the counts of each processor.
    ///
    /// # Errors
    /// Never, as there is no sensor.
    pub fn counts(&self) -> Result<Vec<Counts>> {
        match self.0 {}
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// Never, as there is no sensor.
    pub fn finish(&mut self, _: &mut impl FnMut(&Event<'_>)) -> Result<Vec<Counts>> {
        match self.0 {}
    }

    /// Returns the events of BETH that this kernel does not give.
    #[must_use]
    pub fn absent_events(&self) -> &[&'static str] {
        match self.0 {}
    }
}
