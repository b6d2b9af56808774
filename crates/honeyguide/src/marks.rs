//! The marks by which files written by honeyguide are recognised.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The name of the file that marks the data beside it as simulated.
pub const SIMULATED: &str = "SIMULATED.txt";

/// The content of [`SIMULATED`].
pub const SIMULATED_TEXT: &str = "The logs in this folder are simulated by honeyguide. \
    Results measured on them say nothing about real hosts.\n";

/// The first bytes of a model file, whose writer puts no spaces between tokens.
const MODEL_START: &[u8] = b"{\"format\":\"honeyguide-model\"";

/// Returns whether the first bytes of a file are those of a model.
pub(crate) fn is_model_file(path: &Path) -> bool {
    let mut start = [0; MODEL_START.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == MODEL_START
}
