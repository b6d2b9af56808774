//! A pool of connections to other executors. Each result is fetched with a separate call, and a new connection for each
//! call would use up the ports of a machine.

use std::collections::HashMap;
use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ballista_core::client::BallistaClient;
use ballista_core::client_pool::{BallistaClientPool, PooledClient};
use ballista_core::error::Result;
use ballista_core::extension::BallistaConfigGrpcEndpoint;
use ballista_core::utils::GrpcClientConfig;

/// The time for which an unused connection is kept.
const KEEP: Duration = Duration::from_secs(30);

type Key = (String, u16, GrpcClientConfig);
type Idle = HashMap<Key, Vec<(BallistaClient, Instant)>>;

/// The connections that are not in use.
#[derive(Clone, Default)]
pub(super) struct Connections(Arc<Mutex<Idle>>);

impl Debug for Connections {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Connections")
    }
}

impl Connections {
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, key: &Key) -> Option<BallistaClient> {
        let kept = self.idle().get_mut(key)?.pop()?;
        (kept.1.elapsed() < KEEP).then_some(kept.0)
    }

    fn give_back(&self, key: Key, connection: BallistaClient) {
        let mut idle = self.idle();
        idle.retain(|_, kept| {
            kept.retain(|(_, since)| since.elapsed() < KEEP);
            !kept.is_empty()
        });
        let kept = idle.entry(key).or_default();
        kept.push((connection, Instant::now()));
    }
}

#[async_trait]
impl BallistaClientPool for Connections {
    async fn acquire(
        &self,
        host: &str,
        port: u16,
        config: &GrpcClientConfig,
        customize_endpoint: Option<Arc<BallistaConfigGrpcEndpoint>>,
    ) -> Result<PooledClient> {
        let key = (host.to_owned(), port, config.clone());
        let connection = match self.take(&key) {
            Some(connection) => connection,
            None => {
                BallistaClient::try_new(
                    host,
                    port,
                    config.max_message_size,
                    config.use_tls,
                    customize_endpoint,
                    config.io_retries_times,
                    config.io_retry_wait_time_ms,
                    config.initial_connection_window_size,
                    config.initial_stream_window_size,
                )
                .await?
            }
        };
        let connections = self.clone();
        Ok(PooledClient::new(
            connection,
            Box::new(move |connection| connections.give_back(key, connection)),
        ))
    }

    async fn evict_idle(&self) {
        self.idle().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_connection_that_was_given_back_is_used_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = tonic::service::Routes::default().into_axum_router();
        let server = tokio::spawn(axum::serve(listener, router).into_future());
        let connections = Connections::default();
        let config = GrpcClientConfig::default();
        let kept = || connections.idle().values().map(Vec::len).sum::<usize>();
        let acquire = || connections.acquire("127.0.0.1", port, &config, None);

        let [first, second] = [acquire().await.unwrap(), acquire().await.unwrap()];
        assert_eq!(kept(), 0);
        drop(first);
        second.discard();
        assert_eq!(kept(), 1, "a discarded connection is not kept");
        let again = acquire().await.unwrap();
        assert_eq!(kept(), 0);
        server.abort();
        drop(again);
        connections.evict_idle().await;
        assert_eq!(kept(), 0);
    }
}
