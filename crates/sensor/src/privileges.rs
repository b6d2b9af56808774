//! The capabilities that the sensor needs, and how it gives up all others.

use caps::{CapSet, Capability, CapsHashSet};

use crate::{Result, SensorError};

/// The capabilities that are needed to load the programs.
const NEEDED: [Capability; 2] = [Capability::CAP_BPF, Capability::CAP_PERFMON];

/// Checks that the process may load the programs.
///
/// # Errors
/// Fails when a capability is missing, and names it.
pub(crate) fn check() -> Result<()> {
    let effective = caps::read(None, CapSet::Effective).map_err(unreadable)?;
    // CAP_SYS_ADMIN includes both.
    if effective.contains(&Capability::CAP_SYS_ADMIN) {
        return Ok(());
    }
    let missing: Vec<String> = NEEDED
        .iter()
        .filter(|needed| !effective.contains(needed))
        .map(ToString::to_string)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(SensorError::new(format!(
        "the sensor lacks the {} {}",
        match missing.len() {
            1 => "capability",
            _ => "capabilities",
        },
        missing.join(" and ")
    ))
    .hint(
        "run it as root, or give the program both: setcap cap_bpf,cap_perfmon+ep PATH_OF_HONEYGUIDE",
    ))
}

/// Gives up every capability of the calling thread but CAP_BPF, with which the counters are read, and those that
/// writing files as root takes if `keeps_file_access`.
///
/// # Errors
/// Fails when the kernel refuses.
pub(crate) fn drop_capabilities(keeps_file_access: bool) -> Result<()> {
    let permitted = caps::read(None, CapSet::Permitted).map_err(unreadable)?;
    let mut kept = CapsHashSet::from([Capability::CAP_BPF]);
    if keeps_file_access {
        kept.extend([Capability::CAP_DAC_OVERRIDE, Capability::CAP_FOWNER]);
    }
    let kept: CapsHashSet = kept.intersection(&permitted).copied().collect();
    let none = CapsHashSet::new();
    for (set, capabilities) in [
        (CapSet::Ambient, &none),
        (CapSet::Inheritable, &none),
        (CapSet::Effective, &kept),
        (CapSet::Permitted, &kept),
    ] {
        caps::set(None, set, capabilities)
            .map_err(|error| SensorError::new(format!("cannot give up capabilities: {error}")))?;
    }
    Ok(())
}

fn unreadable(error: impl std::fmt::Display) -> SensorError {
    SensorError::new(format!(
        "cannot read the capabilities of this process: {error}"
    ))
}
