//! The sensor as an input of a watch.

#[cfg(feature = "sensor")]
pub use with::{read, remark};
#[cfg(not(feature = "sensor"))]
pub use without::{read, remark};

/// What never runs, since nothing can have been started.
#[cfg(not(feature = "sensor"))]
mod without {
    use honeyguide_watch::Feed;

    use crate::context::Context;
    use crate::sensing::Started;

    pub fn remark(_: &Context, started: &Started) {
        match started.0 {}
    }

    pub fn read(started: Started, _: Feed) {
        match started.0 {}
    }
}

#[cfg(feature = "sensor")]
mod with {
    use honeyguide::Error;
    use honeyguide::recording::write_json;
    use honeyguide_watch::Feed;

    use crate::context::Context;
    use crate::sensing::{PERIOD, Started, absent_events, boot_id, values};

    /// Says what the sensor does not see.
    pub fn remark(context: &Context, Started(sensor): &Started) {
        context.remark(&absent_events(sensor));
    }

    /// Hands over what the sensor sees until the watch ends.
    pub fn read(started: Started, mut feed: Feed) {
        let outcome = hand_over(started, &mut feed);
        feed.end(outcome);
    }

    fn hand_over(Started(mut sensor): Started, feed: &mut Feed) -> Result<(), Error> {
        let boot_id = boot_id()?;
        loop {
            let (mut lost, mut written) = (0, Ok(()));
            let read = sensor.read(&mut |event| {
                if event.name == sensor::LOST_EVENTS {
                    lost += event.returned.unsigned_abs();
                } else if written.is_ok() {
                    let values = values(event, &boot_id);
                    feed.add(|bytes| written = write_json(values, bytes));
                }
            });
            written?;
            feed.add_lost(lost);
            if !feed.offer() {
                return Ok(());
            }
            if read == 0 {
                std::thread::sleep(PERIOD);
            }
        }
    }
}
