//! Storage: local files, object stores and web servers, with the credentials for them.
//!
//! This module moves bytes and does not interpret them. It reads pieces of one version of a file, copies data that can
//! be read only once, and writes objects that appear only when they are complete.

pub(crate) mod document;
pub(crate) mod http;
pub(crate) mod listing;
mod local;
pub(crate) mod object;
mod redirect;
pub(crate) mod remote;
mod retries;
pub(crate) mod spool;
pub(crate) mod upload;
mod url;
pub(crate) mod waiting;

pub(crate) use crate::secret::redacted;
pub(crate) use local::regular_file_bytes;
pub use object::StorageOptions;
pub use redirect::follow_when_sending;
pub use url::is_url;
pub(crate) use url::{is_object_url, is_web_url};
pub use waiting::until_stopped;
