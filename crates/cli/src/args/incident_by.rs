//! What tells incidents apart.

use clap::Args as ClapArgs;

#[derive(Debug, Clone, ClapArgs)]
pub struct IncidentBy {
    /// A column whose values tell the incidents of a host apart, instead of its processes; can be given several times
    #[arg(long, value_name = "COLUMN")]
    pub incident_by: Vec<String>,
}
