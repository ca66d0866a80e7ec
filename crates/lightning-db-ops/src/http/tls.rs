//! TLS in front of the endpoint.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::{Error, Result};

/// The certificate and private key that an endpoint shows its clients, read once: for another one,
/// start the endpoint anew. TLS 1.2 and 1.3.
#[derive(Clone)]
pub struct TlsIdentity(Arc<ServerConfig>);

impl TlsIdentity {
    /// From PEM: the chain of certificates, that of the endpoint first, and its private key.
    ///
    /// # Errors
    /// [`Error::Tls`] if either is not there or cannot be read, or the key is another one's.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self> {
        let chain = CertificateDer::pem_slice_iter(certificates).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| tls("read the certificates", error))?;
        if chain.is_empty() {
            return Err(tls("read the certificates", "there are none in it"));
        }
        let key = PrivateKeyDer::from_pem_slice(key);
        let key = key.map_err(|error| tls("read the private key", error))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key));
        let mut config = config.map_err(|error| tls("use the certificate with its key", error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// From files, as [`from_pem`](Self::from_pem).
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Tls`].
    pub fn from_files(certificates: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| Error::Io {
                action: "read",
                path: path.to_owned(),
                source,
            })
        };
        Self::from_pem(&read(certificates.as_ref())?, &read(key.as_ref())?)
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.0))
    }
}

fn tls(what: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Tls { what, source: source.into() }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpStream};
    use std::time::Duration;

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

    use super::*;
    use crate::http::{Endpoint, EndpointOptions};
    use crate::metrics::{MetricsOptions, lint};
    use crate::{Coordinator, Health};

    struct Generated {
        identity: TlsIdentity,
        certificate: CertificateDer<'static>,
        pem: [String; 2],
    }

    fn generated() -> Generated {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let pem = [cert.pem(), signing_key.serialize_pem()];
        let identity = TlsIdentity::from_pem(pem[0].as_bytes(), pem[1].as_bytes()).unwrap();
        Generated { identity, certificate: cert.der().clone(), pem }
    }

    fn start(options: EndpointOptions) -> Endpoint {
        let metrics = MetricsOptions::new().build().unwrap();
        options.start(&metrics, &Health::new(), &Coordinator::new().unwrap()).unwrap()
    }

    /// What a client gets that trusts this certificate.
    fn ask(
        endpoint: &Endpoint,
        trusted: &CertificateDer<'static>,
        path: &str,
    ) -> std::io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "localhost".try_into().unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, endpoint.address().port()))?;
        let mut stream = StreamOwned::new(connection, socket);
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    #[test]
    fn clients_that_trust_the_certificate_are_served_and_others_are_not() {
        let generated = generated();
        // Where others can reach it, TLS does in the place of a token.
        let options = EndpointOptions::new((Ipv4Addr::UNSPECIFIED, 0).into());
        let endpoint = start(options.tls(generated.identity));
        let answer = ask(&endpoint, &generated.certificate, "/metrics").unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(lint(body).is_empty() && body.contains("lightningdb_metrics_"), "{body}");
        let answer = ask(&endpoint, &generated.certificate, "/nothing").unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        let stranger = self::generated();
        ask(&endpoint, &stranger.certificate, "/metrics").unwrap_err();
    }

    #[test]
    fn clients_that_speak_no_tls_or_say_nothing_are_closed() {
        let generated = generated();
        let options = EndpointOptions::new((Ipv4Addr::LOCALHOST, 0).into());
        let options = options.connections_max(2).request_timeout(Duration::from_millis(50));
        let endpoint = start(options.tls(generated.identity));
        for bytes in [&b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n"[..], b"", b"\x16\x03\x01\x02"] {
            let mut socket = TcpStream::connect(endpoint.address()).unwrap();
            socket.write_all(bytes).unwrap();
            let mut answer = Vec::new();
            // It ends, by a close or a reset; or this would wait for ever.
            let _ = socket.read_to_end(&mut answer);
            assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
        }
        assert!(ask(&endpoint, &generated.certificate, "/livez").unwrap().contains("200"));
    }

    #[test]
    fn bad_certificates_and_keys_are_refused() {
        let [certificate, key] = generated().pem;
        let [_, other_key] = generated().pem;
        let check = |certificate: &str, key: &str, expected: &str| {
            let error = TlsIdentity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap_err();
            assert!(matches!(error, Error::Tls { .. }), "{error:?}");
            assert!(error.to_string().contains(expected), "{error}");
        };
        check("", &key, "read the certificates");
        check(&certificate[..certificate.len() / 2], &key, "read the certificates");
        check(&certificate, "", "read the private key");
        check(&certificate, &certificate, "read the private key");
        check(&certificate, &other_key, "use the certificate with its key");
        let broken = certificate.replacen("MII", "AAA", 1);
        check(&broken, &key, "use the certificate with its key");
        let error = TlsIdentity::from_files("/nonexistent/a", "/nonexistent/b").unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error:?}");
    }
}
