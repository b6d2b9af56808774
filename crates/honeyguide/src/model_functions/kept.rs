//! The models that a process keeps in memory for the plans of other processes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::model::{Model, ModelOrigin};
use crate::storage::StorageOptions;
use crate::storage::waiting::lock;

/// The maximum number of models that are kept. When it is reached, all are dropped.
const MAX_KEPT: usize = 16;

/// The models that functions from other processes have needed so far.
#[derive(Debug, Default)]
pub struct KeptModels {
    storage: StorageOptions,
    /// The models by the SHA-256 of their files.
    by_content: Mutex<BTreeMap<String, Arc<Slot>>>,
}

/// The slot of one model. One task reads the model while others wait at the lock, and all get the same result.
#[derive(Debug, Default)]
struct Slot {
    /// The result of the last attempt to read the model.
    read: Mutex<Option<Result<Arc<Model>>>>,
    /// The number of failed attempts.
    failures: AtomicU64,
}

impl KeptModels {
    /// Creates an empty collection. Models at URLs are read from stores with the settings `storage`.
    pub fn new(storage: StorageOptions) -> Self {
        Self {
            storage,
            ..Self::default()
        }
    }

    /// Returns the model of a file. A file is read once, and so are all files with the same content.
    ///
    /// # Errors
    /// Fails when the file cannot be read or its SHA-256 differs from that of `origin`. Tasks that waited for the
    /// attempt share its error; a later call tries again.
    pub(crate) fn get(&self, origin: &ModelOrigin) -> Result<Arc<Model>> {
        let slot = self.slot(&origin.sha256);
        let before = slot.failures.load(Ordering::SeqCst);
        let mut read = lock(&slot.read);
        let has_failed_since = slot.failures.load(Ordering::SeqCst) > before;
        match read.as_ref() {
            Some(Ok(model)) => return Ok(Arc::clone(model)),
            Some(Err(error)) if has_failed_since => return Err(error.again()),
            _ => {}
        }
        let model = self.read(origin).map(Arc::new);
        if model.is_err() {
            slot.failures.fetch_add(1, Ordering::SeqCst);
        }
        let shared = |model: &Result<Arc<Model>>| match model {
            Ok(model) => Ok(Arc::clone(model)),
            Err(error) => Err(error.again()),
        };
        *read = Some(shared(&model));
        model
    }

    /// Returns the slot of the model with this SHA-256.
    fn slot(&self, sha256: &str) -> Arc<Slot> {
        let mut slots = self
            .by_content
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MAX_KEPT && !slots.contains_key(sha256) {
            slots.clear();
        }
        Arc::clone(slots.entry(sha256.to_owned()).or_default())
    }

    /// Reads the model from its origin and checks its SHA-256.
    fn read(&self, origin: &ModelOrigin) -> Result<Model> {
        let model = Model::load_with(Path::new(&origin.uri), &self.storage)?;
        match model.origin() {
            Some(found) if found.sha256 == origin.sha256 => Ok(model),
            _ => Err(Error::data(format!(
                "{}: not the model that was asked for: its SHA-256 is not {}",
                origin.uri, origin.sha256
            ))
            .hint("copy the same model file to every node, or keep it in an object store")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::{Engine, Recipe, Source, TrainOptions, train};

    /// Writes a model file under two names, and returns the origins of both.
    async fn published(folder: &Path) -> (ModelOrigin, ModelOrigin) {
        let data = folder.join("a.csv");
        std::fs::write(&data, "a,b\n1,2\n3,4\n").unwrap();
        let mut source = Source::open(&[data.display().to_string()]).unwrap();
        let engine = Engine::new(std::num::NonZeroUsize::MIN).unwrap();
        let recipe = Recipe::load("raw").unwrap();
        let model = train(&engine, &mut source, &recipe, &TrainOptions::default()).await;
        let model = model.unwrap();
        let origins = ["m.json", "same.json"].map(|name| {
            let path = folder.join(name);
            model.save(path.as_path()).unwrap();
            Model::load(&path).unwrap().origin().unwrap().clone()
        });
        origins.into()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_model_is_read_once_for_each_content() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = published(folder.path()).await;
        assert_eq!(one.sha256, other.sha256);
        let kept = KeptModels::default();
        let first = kept.get(&one).unwrap();
        std::fs::remove_file(&one.uri).unwrap();
        for origin in [&one, &other] {
            assert!(
                Arc::ptr_eq(&first, &kept.get(origin).unwrap()),
                "{origin:?}"
            );
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn another_model_of_the_same_name_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (origin, _) = published(folder.path()).await;
        let mut text = std::fs::read_to_string(&origin.uri).unwrap();
        text.push('\n');
        std::fs::write(&origin.uri, text).unwrap();
        let error = KeptModels::default().get(&origin).unwrap_err().to_string();
        assert!(
            error.contains("m.json: not the model that was asked for"),
            "{error}"
        );
    }

    /// Starts a web server that answers every request after 300 ms. Returns its URL and the counter of requests.
    fn slow_server(status: u16, content: Vec<u8>) -> std::io::Result<(String, Arc<AtomicU64>)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}/m.json", listener.local_addr()?);
        let asked = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&asked);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 4096]);
                std::thread::sleep(Duration::from_millis(300));
                let length = content.len();
                let head = format!(
                    "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
                );
                let _ = stream.write_all(&[head.as_bytes(), &content].concat());
            }
        });
        Ok((url, asked))
    }

    /// Returns whether each of 8 concurrent tasks got the model, and the number of requests to the server, which
    /// answers with `status`.
    fn read_by_many(status: u16) -> (Vec<bool>, u64) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (mut origin, _) = runtime.block_on(published(folder.path()));
        let (url, asked) = slow_server(status, std::fs::read(&origin.uri).unwrap()).unwrap();
        origin.uri = url;
        let kept = Arc::new(KeptModels::default());
        let (sender, receiver) = mpsc::channel();
        for _ in 0..8 {
            let (kept, origin, sender) = (Arc::clone(&kept), origin.clone(), sender.clone());
            runtime.spawn(async move { sender.send(kept.get(&origin).is_ok()) });
        }
        let limit = Duration::from_secs(30);
        let read: Vec<_> = (0..8)
            .map_while(|_| receiver.recv_timeout(limit).ok())
            .collect();
        // Dropping the runtime would wait for its threads.
        runtime.shutdown_background();
        (read, asked.load(Ordering::SeqCst))
    }

    #[test]
    fn tasks_that_wait_for_a_model_do_not_block_its_reading() {
        assert_eq!(read_by_many(200), (vec![true; 8], 1));
    }

    #[test]
    fn tasks_that_wait_for_a_model_share_its_failure() {
        assert_eq!(read_by_many(404), (vec![false; 8], 1));
    }
}
