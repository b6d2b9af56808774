//! What a process needs that runs parts of plans for others: the functions, models and files that plans name.

use std::sync::Arc;

use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::logical_expr::ScalarUDF;

use crate::error::Result;
use crate::functions;
use crate::model_functions;
pub use crate::model_functions::KeptModels;
use crate::source::NodeStores;
use crate::storage::StorageOptions;

/// The SQL functions that plans know by their names.
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    functions::functions().map(Arc::new).into()
}

/// The object stores where plans find their files, opened with `options`.
pub fn object_stores(options: &StorageOptions) -> Arc<dyn ObjectStoreRegistry> {
    Arc::new(NodeStores::new(options.clone()))
}

/// A function of a model as bytes for another process; none for a function that is known by its name.
///
/// # Errors
/// The model is in no file that another process could read.
pub fn encode_function(function: &ScalarUDF) -> Result<Option<Vec<u8>>> {
    model_functions::encode(function)
}

/// The function that another process made these bytes of. Its model is read when it is first called.
///
/// # Errors
/// The bytes are nothing that [`encode_function`] makes.
pub fn decode_function(sent: &[u8], kept: &Arc<KeptModels>) -> Result<ScalarUDF> {
    model_functions::decode(sent, kept)
}
