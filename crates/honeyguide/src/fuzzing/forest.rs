//! The target `forest`: files of forests with categories, which are imported with events and without, and used to score events.
//!
//! An input can be a list of changes to a valid file, as in the target `model`.

use super::common::{accepted, block_on, with_engine};
use super::events::{forest_text, source};
use super::model::{changed, check, text_of};
use crate::import::{ForestExport, import};
use crate::recipe::builtin;

/// Reads the input as the file of a forest, or as changes to one.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let text = match text.starts_with('/') {
        true => changed(forest_text(), text),
        false => text.to_owned(),
    };
    let Some(export) = accepted(ForestExport::from_json(&text)) else {
        return;
    };
    let recipe = builtin("raw").expect("the recipe is built in");
    for mut training in [None, Some(source())] {
        let training = training.as_mut();
        let model =
            with_engine(|engine| block_on(import(engine, &export, &recipe, training, None)));
        if let Some(model) = accepted(model) {
            check(&text_of(&model));
        }
    }
}
