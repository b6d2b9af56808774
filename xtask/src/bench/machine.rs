//! The machine and the software versions of a measurement.

use std::fs;
use std::path::Path;

use crate::command::{command, output};
use crate::error::Result;

/// The Python packages whose versions affect the peers' times.
const PACKAGES: [&str; 6] = [
    "scikit-learn",
    "isotree",
    "shap",
    "umap-learn",
    "pynndescent",
    "numpy",
];

/// A machine and its software versions.
pub struct Machine {
    /// The model name of the processor.
    pub processor: String,
    /// The number of threads that can run at once.
    pub processors: usize,
    pub instruction_sets: Vec<&'static str>,
    pub kernel: String,
    pub rustc: String,
    pub python: String,
    /// The name and version of each package of the peers.
    pub packages: Vec<String>,
    /// The load average over the minute before the measurements.
    pub load: f64,
}

impl Machine {
    /// Queries the system, the compiler and `python`.
    pub fn look(python: &Path) -> Result<Self> {
        let cpuinfo = system_text("/proc/cpuinfo");
        let load = system_text("/proc/loadavg");
        let installed = output(&mut command(
            python,
            ["-m", "pip", "list", "--format=freeze"],
        ))?;
        Ok(Self {
            processor: cpuinfo_field(&cpuinfo, "model name").unwrap_or_else(|| "unknown".into()),
            processors: std::thread::available_parallelism().map_or(1, |count| count.get()),
            instruction_sets: instruction_sets(&cpuinfo),
            kernel: system_text("/proc/sys/kernel/osrelease").trim().into(),
            rustc: output(&mut command("rustc", ["--version"]))?.trim().into(),
            python: output(&mut command(python, ["--version"]))?.trim().into(),
            packages: packages(&installed),
            load: load
                .split(' ')
                .next()
                .and_then(|field| field.parse().ok())
                .unwrap_or(f64::NAN),
        })
    }

    /// Returns whether the machine was idle before the measurements, which wall times require.
    pub fn is_quiet(&self) -> bool {
        self.load < 0.5
    }
}

/// Reads a file of the kernel. Returns an empty text if the system has no such file.
fn system_text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn cpuinfo_field(cpuinfo: &str, name: &str) -> Option<String> {
    let mut lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(key, _)| key.trim() == name)?;
    Some(value.trim().to_owned())
}

fn instruction_sets(cpuinfo: &str) -> Vec<&'static str> {
    let flags = cpuinfo_field(cpuinfo, "flags").unwrap_or_default();
    let known = [("avx2", "AVX2"), ("avx512f", "AVX-512")];
    let present = known
        .into_iter()
        .filter(|(flag, _)| flags.split(' ').any(|word| word == *flag));
    present.map(|(_, name)| name).collect()
}

/// Returns the peers in lines of `name==version`, each as `name version`.
fn packages(installed: &str) -> Vec<String> {
    let lines = installed.lines().filter_map(|line| line.split_once("=="));
    lines
        .filter(|(name, _)| PACKAGES.contains(name))
        .map(|(name, version)| format!("{name} {version}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_read_from_cpuinfo() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz\nflags\t\t: sse avx2 bmi\n\
                       processor\t: 1\nmodel name\t: Another\n";
        assert_eq!(
            cpuinfo_field(cpuinfo, "model name").unwrap(),
            "Some CPU @ 2.0GHz"
        );
        assert_eq!(instruction_sets(cpuinfo), ["AVX2"]);
        assert_eq!(instruction_sets(""), [""; 0]);
    }

    #[test]
    fn only_the_peers_are_listed() {
        assert_eq!(
            packages("numpy==2.0\npip==1.0\nshap==0.5\n"),
            ["numpy 2.0", "shap 0.5"]
        );
    }
}
