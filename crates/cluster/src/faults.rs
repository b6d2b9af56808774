//! Passes errors of an executor on to the client.

use ballista_core::error::BallistaError;
use datafusion::error::DataFusionError;
use honeyguide::Error;

/// Prepares an error of `executor` for the client. Ballista transmits only the text of an error. Therefore an error of
/// honeyguide is written in a form in which the client can find it in the text.
pub(crate) fn passed_on(error: DataFusionError, executor: &str) -> DataFusionError {
    match own(&error) {
        Some(own) => DataFusionError::Execution(own.at(&format!("executor {executor}")).carried()),
        None => error,
    }
}

/// Finds the error of honeyguide that caused `error`. Ballista's errors do not return their causes as `source`, so this
/// looks into them.
fn own(error: &DataFusionError) -> Option<Error> {
    Error::own(error).or_else(|| {
        let chain = std::iter::successors(Some(error as &dyn std::error::Error), |error| {
            error.source()
        });
        let mut behind = chain.filter_map(|error| match error.downcast_ref() {
            Some(BallistaError::DataFusionError(behind)) => own(behind),
            _ => None,
        });
        behind.next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_finds_the_sentence_of_the_executor() {
        let own = Error::data("m.json: not a honeyguide model").hint("copy it again");
        let text = passed_on(own.into(), "10.0.0.7:50051").to_string();
        let found =
            Error::carried_in(&format!("Job 1 failed: Task failed: {text}; aborted")).unwrap();
        assert_eq!(
            found.message(),
            "executor 10.0.0.7:50051: m.json: not a honeyguide model"
        );
        assert_eq!(found.hint_text().as_deref(), Some("copy it again"));
        let shared = DataFusionError::External(Box::new(BallistaError::DataFusionError(Box::new(
            Error::data("m.json: not a honeyguide model").into(),
        ))));
        let text = passed_on(DataFusionError::Shared(shared.into()), "e").to_string();
        let found = Error::carried_in(&text).unwrap().to_string();
        assert_eq!(found, "executor e: m.json: not a honeyguide model");
        let other = passed_on(DataFusionError::Execution("x".into()), "e").to_string();
        assert_eq!(other, "Execution error: x");
    }
}
