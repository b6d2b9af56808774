//! Tests of a model's origin: the file that it was read from, until the model is changed.

use std::num::NonZeroUsize;
use std::path::Path;

use honeyguide::{Engine, Model, Source, TrainOptions, builtin, calibrate, train};
use sha2::{Digest, Sha256};

fn events(path: &Path) -> Source {
    let rows = (0..50).map(|row| format!("{},{}\n", row % 7, row % 3));
    std::fs::write(path, rows.fold("a,b\n".to_owned(), |text, row| text + &row)).unwrap();
    Source::open(&[path.display().to_string()]).unwrap()
}

fn bytes(model: &Model) -> Vec<u8> {
    let mut bytes = Vec::new();
    model.write_json(&mut bytes).unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_has_its_file_as_its_origin_until_it_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::new(NonZeroUsize::MIN).unwrap();
    let mut source = events(&folder.path().join("a.csv"));
    let recipe = builtin("raw").unwrap();
    let options = TrainOptions {
        n_estimators: 3,
        ..TrainOptions::default()
    };
    let made = train(&engine, &mut source, &recipe, &options)
        .await
        .unwrap();
    assert_eq!(made.origin(), None);
    let path = folder.path().join("m.json");
    made.save(&path).unwrap();

    let mut read = Model::load(&path).unwrap();
    let origin = read.origin().unwrap();
    assert_eq!(origin.uri, path.display().to_string());
    let digest: String = Sha256::digest(std::fs::read(&path).unwrap())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(origin.sha256, digest);
    assert_eq!(bytes(&read), std::fs::read(&path).unwrap());

    calibrate(&engine, &mut read, &mut source, 0.1)
        .await
        .unwrap();
    assert_eq!(read.origin(), None);
}

#[test]
fn a_relative_path_becomes_an_absolute_one() {
    let fixture = "tests/library/fixtures/model-v1.json";
    let model = Model::load(Path::new(fixture)).unwrap();
    let uri = &model.origin().unwrap().uri;
    assert!(Path::new(uri).is_absolute() && uri.ends_with("model-v1.json"));
}
