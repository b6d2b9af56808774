//! The parts of honeyguide that another process needs to run parts of a plan: its functions, models and object stores.

use std::sync::Arc;

use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

use crate::error::Result;
use crate::functions;
use crate::model_functions;
pub use crate::model_functions::KeptModels;
use crate::source::NodeStores;
use crate::storage::StorageOptions;

/// Returns the functions that plans refer to by name.
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    let all = functions::functions().into_iter();
    all.chain(functions::conversions()).map(Arc::new).collect()
}

/// Returns the aggregates that plans refer to by name.
pub fn aggregates() -> Vec<Arc<AggregateUDF>> {
    functions::aggregates().into_iter().map(Arc::new).collect()
}

/// Returns the registry that opens the object stores of a plan's files with `options`.
pub fn object_stores(options: &StorageOptions) -> Arc<dyn ObjectStoreRegistry> {
    Arc::new(NodeStores::new(options.clone()))
}

/// Encodes a function of a model as bytes for another process. Returns `None` for a function that is known by its name.
///
/// # Errors
/// Fails when the model was not read from a file, so that another process cannot read it.
pub fn encode_function(function: &ScalarUDF) -> Result<Option<Vec<u8>>> {
    model_functions::encode(function)
}

/// Decodes a function from the bytes that [`encode_function`] made in another process. Its model is read when the
/// function is first called.
///
/// # Errors
/// Fails when the bytes are not the output of [`encode_function`].
pub fn decode_function(sent: &[u8], kept: &Arc<KeptModels>) -> Result<ScalarUDF> {
    model_functions::decode(sent, kept)
}
