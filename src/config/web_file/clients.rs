//! Who checks the certificate of a client, and what stands in it.
//!
//! The issuer is checked by rustls; here the alternative names are compared with those that are
//! allowed, as the toolkit does: DNS names, e-mail addresses, IP addresses and URIs, letter by
//! letter. A certificate that cannot be read has no allowed name. Called by `tls`.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::server::{NoClientAuth, WebPkiClientVerifier};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::ClientCertificates;
use crate::domain::Name;

/// What is asked of clients, `client_auth_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// Nothing.
    Nobody,
    /// A certificate, though none is needed and nobody checks it.
    Request,
    /// A certificate that nobody checks.
    RequireAny,
    /// A certificate that one of the authorities issued, or none.
    VerifyIfGiven,
    /// A certificate that one of the authorities issued.
    RequireAndVerify,
}

impl Policy {
    /// The toolkit's words.
    pub(super) const WORDS: [(&'static str, Self); 5] = [
        ("NoClientCert", Self::Nobody),
        ("RequestClientCert", Self::Request),
        ("RequireAnyClientCert", Self::RequireAny),
        ("VerifyClientCertIfGiven", Self::VerifyIfGiven),
        ("RequireAndVerifyClientCert", Self::RequireAndVerify),
    ];
}

/// Who checks, and what a certificate that was let through says.
pub(super) type Clients = (Arc<dyn ClientCertVerifier>, ClientCertificates);

/// Who checks the certificates of clients.
pub(super) fn verifier(
    policy: Policy,
    authorities: Vec<CertificateDer<'static>>,
    allowed_names: Vec<String>,
    provider: &Arc<CryptoProvider>,
) -> Result<Clients, String> {
    let says = match policy {
        Policy::Nobody => return Ok((Arc::new(NoClientAuth), ClientCertificates::Unverified)),
        Policy::Request | Policy::RequireAny => ClientCertificates::Unverified,
        Policy::VerifyIfGiven => ClientCertificates::VerifiedIfShown,
        Policy::RequireAndVerify => ClientCertificates::Required,
    };
    let mut issuers = None;
    if says != ClientCertificates::Unverified {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots
                .add(authority)
                .map_err(|error| format!("holds a certificate that cannot be used: {error}"))?;
        }
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let built = builder.allow_unauthenticated().build();
        issuers = Some(built.map_err(|error| format!("cannot be used: {error}"))?);
    }
    let is_needed = matches!(policy, Policy::RequireAny | Policy::RequireAndVerify);
    let algorithms = provider.signature_verification_algorithms;
    Ok((Arc::new(Verifier { issuers, is_needed, allowed_names, algorithms }), says))
}

/// Checks the certificate of a client.
#[derive(Debug)]
struct Verifier {
    /// Checks who issued it, where that matters.
    issuers: Option<Arc<dyn ClientCertVerifier>>,
    is_needed: bool,
    /// Of which a certificate must have one, unless there are none.
    allowed_names: Vec<String>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_needed
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.issuers.as_ref().map_or(&[], |issuers| issuers.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(issuers) = &self.issuers {
            issuers.verify_client_cert(certificate, intermediates, now)?;
        }
        let is_allowed = |name: &String| self.allowed_names.contains(name);
        if self.allowed_names.is_empty() || names(certificate).iter().any(is_allowed) {
            return Ok(ClientCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What to call the owner of a certificate: its first alternative name, or its subject.
pub(super) fn name_of(certificate: &CertificateDer<'_>) -> Name {
    let name = names(certificate).into_iter().next();
    let subject = || {
        let parsed = Certificate::from_der(certificate).ok()?;
        Some(parsed.tbs_certificate().subject().to_string()).filter(|text| !text.is_empty())
    };
    let name = name.or_else(subject).unwrap_or_else(|| "a client's certificate".to_owned());
    Name::from(name.as_str())
}

/// The alternative names of a certificate, as text; none when it cannot be read.
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(parsed) = Certificate::from_der(certificate) else { return Vec::new() };
    let Ok(Some((_, SubjectAltName(names)))) = parsed.tbs_certificate().get_extension() else {
        return Vec::new();
    };
    names.iter().filter_map(text_of).collect()
}

fn text_of(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(text)
        | GeneralName::Rfc822Name(text)
        | GeneralName::UniformResourceIdentifier(text) => Some(text.to_string()),
        GeneralName::IpAddress(octets) => {
            let bytes = octets.as_bytes();
            let short = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).to_string());
            let long = <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).to_string());
            short.or(long).ok()
        }
        GeneralName::OtherName(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EdiPartyName(_)
        | GeneralName::RegisteredId(_) => None,
    }
}
