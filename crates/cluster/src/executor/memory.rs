//! The memory that tasks may use: a share of the machine's memory or, if that is lower, of the limit of a service or a
//! container.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ballista_executor::runtime_cache::MemoryPoolPolicy;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;

/// The share of memory for groups and sorts, which the engine reserves. The rest is for batches on their way between
/// operators and for network buffers, which are not reserved.
const SHARE: f64 = 0.7;
/// The memory per slot in bytes if the size of the machine's memory is unknown.
const PER_SLOT_UNKNOWN: u64 = 1 << 30;

/// Returns the default memory for all tasks together, in bytes.
pub(super) fn default_budget(slots: usize) -> u64 {
    let machine = fs::read_to_string("/proc/meminfo");
    let machine = machine.ok().and_then(|text| total_of(&text));
    let group = fs::read_to_string("/proc/self/cgroup");
    let group = group
        .ok()
        .and_then(|text| limit_of(&text, Path::new("/sys/fs/cgroup")));
    match machine.into_iter().chain(group).min() {
        // `f64` represents integers below 2^53 exactly, so the product is exact to a few bytes.
        Some(bytes) => (bytes as f64 * SHARE) as u64,
        None => PER_SLOT_UNKNOWN.saturating_mul(slots as u64),
    }
}

/// Reads `MemTotal` from `/proc/meminfo` (proc_meminfo(5)) and returns it in bytes.
fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Returns the lowest `memory.max` of a process's control group and its ancestors (cgroups(7), version 2), in bytes.
fn limit_of(membership: &str, root: &Path) -> Option<u64> {
    let group = membership
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))?;
    let limits = Path::new(group).ancestors().filter_map(|group| {
        let limit = fs::read_to_string(root.join(group).join("memory.max")).ok()?;
        limit.trim().parse::<u64>().ok()
    });
    limits.min()
}

/// Returns the policy that gives each task `budget / slots` bytes for every slot that it takes.
pub(super) fn policy(budget: u64, slots: usize) -> MemoryPoolPolicy {
    let per_slot = usize::try_from(budget / slots.max(1) as u64).unwrap_or(usize::MAX);
    Arc::new(move |base, _config, slots_taken| {
        let bytes = per_slot.saturating_mul(slots_taken.max(1) as usize);
        RuntimeEnvBuilder::from_runtime_env(&base)
            .with_memory_pool(Arc::new(FairSpillPool::new(bytes)))
            .build_arc()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::execution::memory_pool::MemoryLimit;
    use datafusion::execution::runtime_env::RuntimeEnv;
    use datafusion::prelude::SessionConfig;

    #[test]
    fn the_total_is_in_kibibytes() {
        let text = "MemFree: 7 kB\nMemTotal:       16384 kB\nMemAvailable: 9 kB\n";
        assert_eq!(total_of(text), Some(16 << 20));
        assert_eq!(total_of("MemTotal: many"), None);
    }

    #[test]
    fn the_tightest_group_counts() {
        let root = tempfile::tempdir().unwrap();
        let service = root.path().join("system.slice/executor.service");
        fs::create_dir_all(&service).unwrap();
        let membership = "0::/system.slice/executor.service\n";
        assert_eq!(limit_of(membership, root.path()), None);
        fs::write(root.path().join("system.slice/memory.max"), "4096\n").unwrap();
        fs::write(service.join("memory.max"), "max\n").unwrap();
        assert_eq!(limit_of(membership, root.path()), Some(4096));
        fs::write(service.join("memory.max"), "1024\n").unwrap();
        assert_eq!(limit_of(membership, root.path()), Some(1024));
    }

    #[test]
    fn a_task_gets_its_slots_share() {
        let policy = policy(4000, 4);
        for (slots, expected) in [(0, 1000), (1, 1000), (3, 3000)] {
            let runtime = policy(
                Arc::new(RuntimeEnv::default()),
                &SessionConfig::new(),
                slots,
            );
            let limit = runtime.unwrap().memory_pool.memory_limit();
            assert!(
                matches!(limit, MemoryLimit::Finite(bytes) if bytes == expected),
                "{slots}"
            );
        }
    }

    #[test]
    fn this_machine_has_memory() {
        assert!(default_budget(1) > 64 << 20);
    }
}
