//! Mutual TLS: each side of a connection shows a certificate that the authority of the cluster has signed.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use honeyguide::{Error, Result, cause_of};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// The most bytes of a file with certificates or a key.
const MAX_PEM_BYTES: u64 = 1 << 20;
/// The protocols that a port and a client offer, as ALPN names them.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
pub(crate) const SCHEME: &str = "https";

/// The certificate of a node or a client, its key, and the authority that has signed those of the others.
#[derive(Clone)]
pub struct Tls(Arc<Configs>);

struct Configs {
    server: Arc<ServerConfig>,
    client: ClientConfig,
    calls: ClientTlsConfig,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(…)")
    }
}

impl Tls {
    /// Reads files in PEM: a certificate, which may be followed by those between it and the authority, its private key,
    /// and the certificates of the authority. Only those are trusted, not the ones of the system.
    ///
    /// # Errors
    /// Fails when a file cannot be read or holds nothing of the kind, and when the key is not that of the certificate.
    pub fn read(certificate: &Path, key: &Path, authority: &Path) -> Result<Self> {
        let [certificate_pem, key_pem, authority_pem] = [certificate, key, authority].map(pem);
        let (certificate_pem, key_pem, authority_pem) =
            (certificate_pem?, key_pem?, authority_pem?);
        let chain = certificates(certificate, &certificate_pem)?;
        let private =
            PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_| nothing(key, "private key"))?;
        let mut roots = RootCertStore::empty();
        for root in certificates(authority, &authority_pem)? {
            roots
                .add(root)
                .map_err(|error| invalid(authority, &error))?;
        }
        let roots = Arc::new(roots);
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider());
        let verifier = verifier
            .build()
            .map_err(|error| invalid(authority, &error))?;
        let wrong = |error: rustls::Error| invalid(certificate, &error);
        let mut server = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(wrong)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), private.clone_key())
            .map_err(wrong)?;
        server.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        let client = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(wrong)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, private)
            .map_err(wrong)?;
        let calls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(authority_pem))
            .identity(Identity::from_pem(certificate_pem, key_pem));
        Ok(Self(Arc::new(Configs {
            server: Arc::new(server),
            client,
            calls,
        })))
    }

    /// Returns what accepts connections of a port.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.0.server))
    }

    /// Returns the settings of a client for web pages.
    pub(crate) fn client(&self) -> ClientConfig {
        self.0.client.clone()
    }

    /// Returns the endpoint for calls over TLS. One whose URL says `http` loses its other settings.
    pub(super) fn over(
        &self,
        endpoint: Endpoint,
    ) -> std::result::Result<Endpoint, tonic::transport::Error> {
        let endpoint = match endpoint.uri().scheme_str() {
            Some(SCHEME) => endpoint,
            _ => {
                let address = endpoint.uri().authority();
                let address = address.map_or("", |address| address.as_str());
                Endpoint::from_shared(format!("{SCHEME}://{address}"))?
            }
        };
        endpoint.tls_config(self.0.calls.clone())
    }
}

/// Returns what TLS says of a failed connection.
pub(crate) fn cause(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    cause_of::<rustls::Error>(error).map(ToString::to_string)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn pem(path: &Path) -> Result<Vec<u8>> {
    let failed = |error| Error::io("read", path, error);
    let mut text = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_PEM_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MAX_PEM_BYTES {
        let what = format!("{}: more than {MAX_PEM_BYTES} bytes", path.display());
        return Err(Error::usage(what)
            .hint("a file with a certificate or a key in PEM has a few thousand bytes"));
    }
    Ok(text)
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(nothing(path, "certificate")),
    }
}

fn nothing(path: &Path, what: &str) -> Error {
    Error::usage(format!("{}: no {what} in PEM", path.display()))
        .hint("such a file has lines with -----BEGIN and -----END; openssl converts other forms")
}

fn invalid(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::usage(format!("{}: {why}", path.display())).hint(
        "--tls-cert and --tls-key belong to each other, and --tls-ca has signed the certificate",
    )
}
