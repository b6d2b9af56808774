//! Who plays what: the hosts, their ordinary work, and the break-ins.

/// What a host's recording is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Ordinary work to train on.
    Training,
    /// Ordinary work to test on.
    Testing,
    /// Ordinary work and the break-in of this name, which is that of a script in `plays/break-ins`.
    BreakIn(&'static str),
}

/// A host.
#[derive(Debug, Clone, Copy)]
pub struct Host {
    pub name: &'static str,
    pub part: Part,
    /// The jobs that the host chooses from: scripts in `plays/jobs`. One that is named twice is chosen twice as often.
    pub jobs: &'static [&'static str],
}

const WEB: &[&str] = &[
    "release", "release", "database", "report", "backup", "update", "perl", "python",
];
const DATABASE: &[&str] = &[
    "database", "database", "backup", "backup", "report", "python", "update", "package",
];
const BUILD: &[&str] = &[
    "compile", "compile", "package", "package", "perl", "python", "update", "backup",
];
const OFFICE: &[&str] = &[
    "report", "report", "python", "perl", "backup", "package", "compile", "update",
];

/// All hosts.
pub const HOSTS: &[Host] = &[
    host("web-1", Part::Training, WEB),
    host("db-1", Part::Training, DATABASE),
    host("build-1", Part::Training, BUILD),
    host("office-1", Part::Training, OFFICE),
    host("web-2", Part::Testing, WEB),
    host("db-2", Part::Testing, DATABASE),
    host("build-2", Part::Testing, BUILD),
    host("office-2", Part::Testing, OFFICE),
    host("web-3", Part::BreakIn("stolen-login"), WEB),
    host("web-4", Part::BreakIn("web-shell"), WEB),
    host("db-3", Part::BreakIn("slow-theft"), DATABASE),
    host("build-3", Part::BreakIn("fileless"), BUILD),
    host("office-3", Part::BreakIn("supply-chain"), OFFICE),
    host("office-4", Part::BreakIn("living-off-the-land"), OFFICE),
];

const fn host(name: &'static str, part: Part, jobs: &'static [&'static str]) -> Host {
    Host { name, part, jobs }
}

impl Part {
    /// Returns where the recording of a host is written, below the stage's folder.
    pub fn file(self, host: &str) -> String {
        match self {
            Self::Training => format!("training/{host}.parquet"),
            Self::Testing => format!("testing/{host}.parquet"),
            Self::BreakIn(name) => format!("break-ins/{name}.parquet"),
        }
    }
}
