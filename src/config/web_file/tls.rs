//! `tls_server_config`: certificates, key and words become what rustls serves with.
//!
//! What rustls does not have (old versions, old suites, other curves) is refused by name. Called by
//! the parent.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    Error, ProtocolVersion, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion,
};

use super::super::document::{Document, Node};
use super::super::lists::{Lists, Object};
use super::super::problem::{Report, quote};
use super::super::scalar;
use super::super::values::resolve;
use super::clients::{self, Policy};
use super::{Tls, Watched};

const KEYS: [&str; 13] = [
    "cert_file",
    "key_file",
    "cert",
    "key",
    "client_auth_type",
    "client_ca_file",
    "client_ca",
    "client_allowed_sans",
    "min_version",
    "max_version",
    "cipher_suites",
    "prefer_server_cipher_suites",
    "curve_preferences",
];
/// What a client is told that we speak, the best first.
const ALPN_WITH_HTTP2: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Reads the section; `None` with problems in the report when it does not hold.
pub(super) fn read(
    document: &Document,
    node: &Node,
    has_http2: bool,
    watched: &mut Watched,
    report: &mut Report,
) -> Option<Tls> {
    let mut lists = Lists::new(document, report);
    let object = lists.object(node, "tls_server_config".to_owned(), &KEYS)?;
    let mut section = Section { document, lists, object, watched };

    let certificates = section.certificates("cert_file", "cert");
    let key = section.key();
    let provider = section.provider();
    let versions = section.versions();
    let ignores_client_order = section
        .lists
        .optional(&section.object, "prefer_server_cipher_suites", scalar::truth)
        .unwrap_or(true);
    let clients = section.clients(&provider);
    let (certificates, key, versions, (verifier, clients)) =
        (certificates?, key?, versions?, clients?);

    let built = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .and_then(|builder| {
            builder.with_client_cert_verifier(verifier).with_single_cert(certificates, key)
        });
    let mut server = built.map_err(|error| section.note_unusable(&error)).ok()?;
    server.ignore_client_order = ignores_client_order;
    let offered = if has_http2 { &ALPN_WITH_HTTP2[..] } else { &ALPN_WITH_HTTP2[1..] };
    server.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
    Some(Tls { server: Arc::new(server), clients })
}

/// The section while it is read.
struct Section<'a> {
    document: &'a Document,
    lists: Lists<'a>,
    object: Object<'a>,
    watched: &'a mut Watched,
}

impl Section<'_> {
    /// The text behind one of two keys, of which the first names a file and the second holds the
    /// text itself; `None` when neither is set or it cannot be read.
    fn pem(&mut self, file: &'static str, inline: &'static str) -> Option<(&'static str, Vec<u8>)> {
        let Some(node) = self.object.get(file) else {
            let text = self.lists.optional(&self.object, inline, |text| Ok(text.to_owned()))?;
            return Some((inline, text.into_bytes()));
        };
        if self.object.get(inline).is_some() {
            let text = format!("stands beside {inline}; keep one");
            self.lists.note(node.mark, &self.object.path_of(file), text);
        }
        let place = self.document.place(node.mark);
        let path = self
            .lists
            .optional(&self.object, file, scalar::filled)
            .map(|text| resolve(&place, &text))?;
        match self.watched.read(&path) {
            Ok(bytes) => Some((file, bytes)),
            Err(problem) => {
                self.lists.note(node.mark, &self.object.path_of(file), problem);
                None
            }
        }
    }

    fn is_set(&self, file: &str, inline: &str) -> bool {
        self.object.get(file).is_some() || self.object.get(inline).is_some()
    }

    /// Notes a problem with the value of a key, or with the section when it has none.
    fn note(&mut self, key: &str, text: impl Into<String>) {
        let mark = self.object.get(key).map_or(self.object.mark, |node| node.mark);
        self.lists.note(mark, &self.object.path_of(key), text.into());
    }

    fn certificates(
        &mut self,
        file: &'static str,
        inline: &'static str,
    ) -> Option<Vec<CertificateDer<'static>>> {
        if !self.is_set(file, inline) {
            self.note(file, "is missing; write the path of a file with certificates (PEM)");
        }
        let (key, bytes) = self.pem(file, inline)?;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        match read {
            Ok(certificates) if !certificates.is_empty() => Some(certificates),
            Ok(_) => {
                self.note(key, "holds no certificate; it begins with BEGIN CERTIFICATE");
                None
            }
            Err(error) => {
                self.note(key, format!("cannot be read as PEM: {error}"));
                None
            }
        }
    }

    fn key(&mut self) -> Option<PrivateKeyDer<'static>> {
        if !self.is_set("key_file", "key") {
            self.note("key_file", "is missing; write the path of a file with the key (PEM)");
        }
        let (key, bytes) = self.pem("key_file", "key")?;
        let read = PrivateKeyDer::from_pem_slice(&bytes).ok();
        if read.is_none() {
            self.note(
                key,
                "holds no private key; write one without a passphrase that begins with BEGIN \
                 PRIVATE KEY",
            );
        }
        read
    }

    /// The suites and curves to choose from.
    fn provider(&mut self) -> Arc<CryptoProvider> {
        let mut provider = ring::default_provider();
        let all = provider.cipher_suites.clone();
        let suites = self.lists.many(&self.object, "cipher_suites", |text| suite(&all, text));
        if !suites.is_empty() {
            // As in Go, where the list is about TLS 1.2 and the suites of 1.3 are always there.
            let has_modern = suites.iter().any(is_modern);
            provider.cipher_suites.retain(|suite| !has_modern && is_modern(suite));
            provider.cipher_suites.extend(suites);
        }
        let curves = self.lists.many(&self.object, "curve_preferences", curve);
        if !curves.is_empty() {
            provider.kx_groups = curves;
        }
        Arc::new(provider)
    }

    fn versions(&mut self) -> Option<Vec<&'static SupportedProtocolVersion>> {
        let least = self.lists.optional(&self.object, "min_version", version);
        let most = self.lists.optional(&self.object, "max_version", version);
        let has_old = least != Some(ProtocolVersion::TLSv1_3);
        let has_new = most != Some(ProtocolVersion::TLSv1_2);
        if !has_old && !has_new {
            self.note("max_version", "is below min_version; raise it or remove it");
            return None;
        }
        let both = [(has_new, &TLS13), (has_old, &TLS12)];
        Some(both.into_iter().filter(|(has, _)| *has).map(|(_, version)| version).collect())
    }

    /// Who checks the certificates of clients, and what they then say.
    fn clients(&mut self, provider: &Arc<CryptoProvider>) -> Option<clients::Clients> {
        let policy = self
            .lists
            .optional(&self.object, "client_auth_type", |text| scalar::word(text, &Policy::WORDS))
            .unwrap_or(Policy::Nobody);
        let allowed = self.lists.many(&self.object, "client_allowed_sans", scalar::filled);
        let has_authorities = self.is_set("client_ca_file", "client_ca");
        match policy {
            Policy::Nobody if has_authorities || !allowed.is_empty() => {
                self.note(
                    "client_auth_type",
                    "asks no client for a certificate, though it is told which ones are good; \
                     write RequireAndVerifyClientCert",
                );
                return None;
            }
            Policy::Nobody | Policy::Request | Policy::RequireAny => {}
            Policy::VerifyIfGiven | Policy::RequireAndVerify if has_authorities => {}
            Policy::VerifyIfGiven | Policy::RequireAndVerify => {
                self.note("client_ca_file", "is missing; who else should tell whom to believe?");
                return None;
            }
        }
        let authorities = if has_authorities {
            self.certificates("client_ca_file", "client_ca")?
        } else {
            Vec::new()
        };
        match clients::verifier(policy, authorities, allowed, provider) {
            Ok(verifier) => Some(verifier),
            Err(problem) => {
                self.note("client_ca_file", problem);
                None
            }
        }
    }

    /// Why rustls does not take what was read.
    fn note_unusable(&mut self, error: &Error) {
        match error {
            Error::InconsistentKeys(_) => {
                self.note(
                    "key_file",
                    "is not the key of the certificate; name the two that belong together",
                );
            }
            Error::InvalidCertificate(problem) => {
                self.note(
                    "cert_file",
                    format!("holds a certificate that cannot be used: {problem}"),
                );
            }
            // The only others are a key of a kind that cannot sign, and suites that fit no version.
            Error::General(problem) if problem.contains("key") => {
                self.note("key_file", format!("cannot be used: {problem}"));
            }
            other => self.note("cipher_suites", format!("cannot be served: {other}")),
        }
    }
}

fn is_modern(suite: &SupportedCipherSuite) -> bool {
    suite.version().version == ProtocolVersion::TLSv1_3
}

/// A cipher suite by its official name.
fn suite(all: &[SupportedCipherSuite], text: &str) -> Result<SupportedCipherSuite, String> {
    let name = |suite: &SupportedCipherSuite| {
        let name = suite.suite().as_str().unwrap_or_default();
        name.replace("TLS13_", "TLS_")
    };
    all.iter().find(|suite| name(suite) == text).copied().ok_or_else(|| {
        let known: Vec<String> = all.iter().map(name).collect();
        format!("{} is not supported; write some of {}", quote(text), known.join(", "))
    })
}

/// A curve by the name that Go gives it.
fn curve(text: &str) -> Result<&'static dyn SupportedKxGroup, String> {
    match text {
        "X25519" => Ok(ring::kx_group::X25519),
        "CurveP256" => Ok(ring::kx_group::SECP256R1),
        "CurveP384" => Ok(ring::kx_group::SECP384R1),
        _ => Err(format!(
            "{} is not supported; write some of X25519, CurveP256, CurveP384",
            quote(text)
        )),
    }
}

/// A version by the toolkit's name.
fn version(text: &str) -> Result<ProtocolVersion, String> {
    match text {
        "TLS12" => Ok(ProtocolVersion::TLSv1_2),
        "TLS13" => Ok(ProtocolVersion::TLSv1_3),
        "TLS10" | "TLS11" => {
            Err(format!("{text} is too old to be safe; write TLS12 or TLS13, or remove it"))
        }
        _ => Err(format!("{} is unknown; write TLS12 or TLS13", quote(text))),
    }
}
