//! Whom the client believes over TLS: the authorities of a file, or those of the system.
//!
//! There is no way to believe everybody. Called by `arguments` before the first request, so that a
//! file that cannot be used is wrong usage.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::client::ClientError;

/// Where systems keep the authorities that they believe; the first one that is there counts.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// What other programs take for the file of authorities as well.
const BUNDLE_VARIABLE: &str = "SSL_CERT_FILE";

/// Who speaks TLS and believes the authorities of that file, or else those of the system.
///
/// # Errors
/// When there is no such file, or no authority in it.
pub(super) fn connector(file: Option<&Path>) -> Result<TlsConnector, ClientError> {
    let path = file.map_or_else(system_bundle, Path::to_path_buf);
    let refuse =
        |problem: String| ClientError::Authorities { path: path.display().to_string(), problem };
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&path)
        .and_then(Iterator::collect)
        .map_err(|error| refuse(error.to_string()))?;
    let mut authorities = RootCertStore::empty();
    let (believed, _) = authorities.add_parsable_certificates(certificates);
    if believed == 0 {
        return Err(refuse("it holds no certificate in PEM".to_owned()));
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse(error.to_string()))?
        .with_root_certificates(authorities)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn system_bundle() -> PathBuf {
    let named = std::env::var_os(BUNDLE_VARIABLE).filter(|path| !path.is_empty());
    named.map(PathBuf::from).unwrap_or_else(|| {
        let there = BUNDLES.iter().find(|path| Path::new(path).is_file());
        PathBuf::from(there.unwrap_or(&BUNDLES[0]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_authority_is_wrong_usage() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.crt");
        let refused = |file: &Path| connector(Some(file)).map(drop).unwrap_err();
        assert!(refused(&file).is_usage());
        std::fs::write(&file, "no certificate").unwrap();
        assert!(refused(&file).to_string().contains("holds no certificate in PEM"));
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["scribed.example".to_owned()];
        let params = rcgen::CertificateParams::new(names).unwrap();
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        connector(Some(&file)).map(drop).unwrap();
    }
}
