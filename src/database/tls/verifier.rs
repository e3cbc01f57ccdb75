//! Whose certificate the server may have: libpq's meaning of `sslmode` and `sslrootcert`.
//!
//! rustls-webpki builds and checks the chain. castoff adds what OpenSSL accepts and it does not: a
//! self-signed certificate that is itself among the roots, and a certificate of version 1 that a
//! root has signed.
//!
//! # Invariants
//! - Only a CA's self-signed certificate in the roots' file is an anchor, as for OpenSSL; what else is
//!   in the file helps to get to one, or is the server's own.
//! - Whatever is verified of the certificate, the handshake must be signed with its key.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use super::certificate::Certificate;
use super::error::Untrusted;
use super::name;

/// Verifies the server's certificate.
#[derive(Debug)]
pub(super) struct Verifier {
    /// Who may have signed it; absent if anybody may.
    pub(super) trusted: Option<Trusted>,
    /// The name that it must have.
    pub(super) host: Option<String>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

/// The certificates that the others are verified by.
#[derive(Debug)]
pub(super) struct Trusted {
    /// What to call them in a message.
    pub(super) name: String,
    pub(super) certificates: Vec<CertificateDer<'static>>,
    /// Anchors of which there is no certificate: those that castoff was built with.
    pub(super) built_in: &'static [rustls::pki_types::TrustAnchor<'static>],
}

impl Verifier {
    fn check_chain(
        &self,
        trusted: &Trusted,
        der: &CertificateDer<'_>,
        certificate: &Certificate<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let unknown = || {
            let roots = trusted.name.clone();
            refused(Untrusted::UnknownIssuer {
                roots,
                is_self_signed: certificate.is_self_issued(),
            })
        };
        if certificate.is_expired(now) {
            return Err(refused(Untrusted::Expired));
        }
        if certificate.begins_after(now) {
            return Err(refused(Untrusted::NotYetValid));
        }
        let algorithms = self.algorithms.all;
        let is_root = || certificate.is_signed_by(certificate, algorithms);
        if certificate.is_self_issued() && trusted.certificates.contains(der) && is_root() {
            return Ok(());
        }
        let mut anchors = RootCertStore { roots: trusted.built_in.to_vec() };
        let mut between = between.to_vec();
        let mut expired = false;
        for known in &trusted.certificates {
            let Some(root) = Certificate::read(known) else { continue };
            if !root.is_self_issued() {
                between.push(known.clone());
            } else if !root.may_sign() {
                // A server's certificate, which is trusted for that server alone.
            } else if root.is_expired(now) || root.begins_after(now) {
                expired |= certificate.is_issued_by(&root);
            } else if !certificate.has_no_extensions() {
                // One that cannot be an anchor is as good as one that is not there.
                drop(anchors.add(known.clone()));
            } else if certificate.is_issued_by(&root) && certificate.is_signed_by(&root, algorithms)
            {
                return Ok(());
            }
        }
        if expired {
            return Err(refused(Untrusted::Expired));
        }
        if certificate.has_no_extensions() {
            return Err(unknown());
        }
        let parsed = ParsedCertificate::try_from(der)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, &anchors, &between, now, algorithms)
            .map_err(|error| {
                let is_unknown =
                    error == Error::InvalidCertificate(CertificateError::UnknownIssuer);
                if is_unknown || certificate.is_self_issued() {
                    unknown()
                } else if is_expiry(&error) {
                    refused(Untrusted::Expired)
                } else {
                    error
                }
            })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = read(end_entity)?;
        if let Some(trusted) = &self.trusted {
            self.check_chain(trusted, end_entity, &certificate, intermediates, now)?;
        }
        match &self.host {
            Some(host) if !name::names(&certificate, host) => {
                let named = name::named(&certificate);
                Err(refused(Untrusted::AnotherName { host: host.clone(), named }))
            }
            Some(_) | None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let mapping = self.algorithms.mapping.iter();
        let algorithms = mapping
            .filter(|(scheme, _)| *scheme == signed.scheme)
            .flat_map(|(_, algorithms)| *algorithms);
        if read(cert)?.has_signed(message, signed.signature(), algorithms) {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(read(cert)?.public_key_info);
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn read<'a>(certificate: &'a CertificateDer<'_>) -> Result<Certificate<'a>, Error> {
    Certificate::read(certificate).ok_or_else(|| refused(Untrusted::Unreadable))
}

/// Whether a certificate between the server's and the root has expired.
fn is_expiry(error: &Error) -> bool {
    use CertificateError::{Expired, ExpiredContext};
    matches!(error, Error::InvalidCertificate(Expired | ExpiredContext { .. }))
}

fn refused(untrusted: Untrusted) -> Error {
    CertificateError::Other(OtherError(Arc::new(untrusted))).into()
}
