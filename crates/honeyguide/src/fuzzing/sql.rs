//! The target `sql`: statements, which are parsed and planned over tables of events with scores, and not run.

use std::cell::RefCell;

use super::common::{accepted_text, block_on, with_engine};
use super::events::{events, model_text};
use crate::model::Model;
use crate::source::{ReadOptions, Source};
use crate::sql::Database;
use crate::storage::StorageOptions;

thread_local! {
    static DATABASE: RefCell<Option<Database>> = const { RefCell::new(None) };
}

/// Plans the whole input as a query.
pub fn run(input: &[u8]) {
    let Ok(query) = std::str::from_utf8(input) else {
        return;
    };
    DATABASE.with_borrow_mut(|database| {
        let database = database.get_or_insert_with(database_of_events);
        accepted_text(query, block_on(database.check(query)));
    });
}

fn database_of_events() -> Database {
    let model = Model::from_json(model_text()).expect("a model");
    let events = events();
    let source = Source::from_batches(&events.schema(), [events], &ReadOptions::default());
    let storage = StorageOptions::default();
    let database = with_engine(|engine| Database::new(engine, Some(model), storage));
    let mut database = database.expect("an engine with settings of its own");
    let added = database.add("events", source.expect("batches"));
    added.expect("the only table");
    database
}
