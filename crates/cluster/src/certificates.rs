//! Clusters with mutual TLS: who has no certificate of the authority gets no answer, and gives none.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use honeyguide::sql::{Database, TextFormat};
use honeyguide::{Engine, Source, StorageOptions};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use tempfile::TempDir;

use crate::local_nodes::{Nodes, with_token};
use crate::{Access, Cluster, Tls, Token};

const TOKEN: &str = "0123456789abcdef";

/// An authority, and the folder of its files.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority");
        let folder = tempfile::tempdir().unwrap();
        let own = params.self_signed(&key).unwrap();
        fs::write(folder.path().join("ca.pem"), own.pem()).unwrap();
        let issuer = Issuer::new(params, key);
        Self { folder, issuer }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Signs a certificate for this machine that is valid up to the end of `last_year`.
    fn sign(&self, last_year: i32) -> [PathBuf; 2] {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        params.not_after = date_time_ymd(last_year, 12, 31);
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        let paths = ["cert", "key"].map(|what| self.path(&format!("{what}-{last_year}.pem")));
        fs::write(&paths[0], signed.pem()).unwrap();
        fs::write(&paths[1], key.serialize_pem()).unwrap();
        paths
    }

    /// Returns the certificates of a node or a client that trusts this authority.
    fn tls(&self, last_year: i32) -> Tls {
        let [certificate, key] = self.sign(last_year);
        Tls::read(&certificate, &key, &self.path("ca.pem")).unwrap()
    }
}

fn access(tls: Tls, token: Option<&str>) -> Access {
    Access {
        token: token.and_then(Token::new),
        tls: Some(tls),
    }
}

/// Counts the rows of a file on the cluster.
async fn count(cluster: Cluster, folder: &Path) -> String {
    let path = folder.join("data.csv");
    fs::write(&path, "a\n1\n2\n3\n").unwrap();
    let engine = Engine::distributed(Arc::new(cluster)).unwrap();
    let mut database = Database::new(&engine, None, StorageOptions::default()).unwrap();
    let source = Source::open([path.to_str().unwrap()]).unwrap();
    database.add("events", source).unwrap();
    let mut text = String::new();
    let query = "SELECT a, count(*) AS n FROM events GROUP BY a ORDER BY a";
    let mut rows = database.text(query, TextFormat::Csv).await.unwrap();
    rows.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_and_clients_of_one_authority_work_together() {
    let authority = Authority::new();
    let nodes = Nodes::start(access(authority.tls(2200), Some(TOKEN))).await;
    let cluster = nodes.client(access(authority.tls(2201), Some(TOKEN))).await;
    let answer = count(cluster.unwrap(), nodes.folder.path()).await;
    assert_eq!(answer, "a,n\n1,1\n2,1\n3,1\n");
    let refused = nodes.client(access(authority.tls(2202), None)).await;
    let refused = refused.unwrap_err();
    assert!(
        refused.hint_text().unwrap().contains("--token-file"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_without_a_certificate_of_the_authority_are_refused() {
    let authority = Authority::new();
    let nodes = Nodes::start(access(authority.tls(2200), None)).await;
    nodes
        .client(access(authority.tls(2200), None))
        .await
        .unwrap();
    let other = Authority::new();
    let [certificate, key] = other.sign(2200);
    // It trusts the cluster, which does not trust it.
    let intruder = Tls::read(&certificate, &key, &authority.path("ca.pem")).unwrap();
    // A node refuses a client's certificate after the client has found the connection made. The client learns the reason
    // unless the connection is closed before it reads it.
    for (stranger, says) in [
        (access(other.tls(2200), None), ["certificate"; 2]),
        (
            access(authority.tls(2000), None),
            ["xpired", "connection broke off"],
        ),
        (access(intruder, None), ["TLS", "connection broke off"]),
        (with_token(None), ["connection"; 2]),
    ] {
        let error = nodes.client(stranger).await.unwrap_err().to_string();
        assert!(
            says.iter().any(|says| error.contains(says)),
            "{says:?}: {error}"
        );
    }
    let trusting = reqwest::Client::builder()
        .no_proxy()
        .add_root_certificate(root(&authority))
        .build()
        .unwrap();
    for node in [nodes.scheduler, nodes.executor] {
        for page in ["healthz", "metrics"] {
            let asked = trusting.get(format!("https://{node}/{page}")).send().await;
            assert!(
                asked.is_err(),
                "{page} is shown to somebody without a certificate"
            );
        }
    }
    assert!(nodes.refused("scheduler", "certificate").await >= 6.0);
    assert!(nodes.refused("executor", "certificate").await >= 2.0);
}

fn root(authority: &Authority) -> reqwest::Certificate {
    reqwest::Certificate::from_pem(&fs::read(authority.path("ca.pem")).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_valid_certificate_is_believed_by_nobody() {
    let authority = Authority::new();
    let expired = Nodes::start(access(authority.tls(2000), None)).await;
    let error = expired
        .client(access(authority.tls(2200), None))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("xpired"), "{error}");
    let plain = Nodes::start(with_token(Some(TOKEN))).await;
    let error = plain
        .client(access(authority.tls(2200), Some(TOKEN)))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}

#[test]
fn files_that_are_no_certificates_are_refused_by_name() {
    let authority = Authority::new();
    let [certificate, key] = authority.sign(2200);
    let [other, other_key] = authority.sign(2300);
    let root = authority.path("ca.pem");
    let empty = authority.path("empty.pem");
    fs::write(&empty, "").unwrap();
    let gone = authority.path("gone.pem");
    for (certificate, key, root, says) in [
        (&empty, &key, &root, "empty.pem: no certificate"),
        (&certificate, &empty, &root, "empty.pem: no private key"),
        (&certificate, &key, &empty, "empty.pem: no certificate"),
        (&gone, &key, &root, "gone.pem"),
        (&certificate, &other_key, &root, "cert-2200.pem"),
        (&other, &key, &root, "cert-2300.pem"),
    ] {
        let error = Tls::read(certificate, key, root).unwrap_err().to_string();
        assert!(error.contains(says), "{says}: {error}");
        assert!(!error.contains("PRIVATE"), "{error}");
    }
}
