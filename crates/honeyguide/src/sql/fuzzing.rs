//! Planning without an answer, for the fuzz target of statements.

use super::{Database, complaint, statement};
use crate::error::Result;

impl Database {
    /// Plans a query and does not run it, because a query can take any time. Models that it names are not read, because
    /// they can be anywhere.
    pub(crate) async fn check(&mut self, query: &str) -> Result<()> {
        let statement = statement::parse(&self.context, query)?;
        self.check_tables(&statement)?;
        self.register()?;
        let plan = statement::plan(&self.context, statement).await;
        plan.map_err(|error| complaint::of_planning(error, query, &self.tables))?;
        Ok(())
    }
}
