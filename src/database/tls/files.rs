//! The files that TLS takes: root certificates, and the client's certificate with its key.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;
use super::error::TlsError;
use super::verifier::Trusted;
use crate::database_url::{ClientFiles, Roots};

/// Where systems keep the certificates that they trust, in one file.
const SYSTEM_ROOTS: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt", // Debian, Alpine, Arch, distroless
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Red Hat, Amazon
    "/etc/pki/tls/certs/ca-bundle.crt",   // Red Hat, older
    "/etc/ssl/ca-bundle.pem",             // SUSE
    "/etc/ssl/cert.pem",                  // Alpine without the package
    "/etc/pki/tls/cacert.pem",            // OpenELEC
];

/// The roots to verify by.
pub(super) fn trusted(roots: &Roots) -> Result<Trusted, TlsError> {
    const PURPOSE: &str = "sslrootcert";
    if let Roots::File(path) = roots {
        let certificates = certificates(PURPOSE, path)?;
        return Ok(Trusted { name: path.display().to_string(), certificates, built_in: &[] });
    }
    let system = SYSTEM_ROOTS
        .into_iter()
        .find_map(|path| Some((path, certificates(PURPOSE, path.as_ref()).ok()?)));
    Ok(match system {
        Some((path, certificates)) => {
            Trusted { name: path.to_owned(), certificates, built_in: &[] }
        }
        None => Trusted {
            name: "Mozilla's list, which castoff was built with".to_owned(),
            certificates: Vec::new(),
            built_in: webpki_roots::TLS_SERVER_ROOTS,
        },
    })
}

/// The client's certificate, those that it is signed by, and its key.
pub(super) fn client(
    files: &ClientFiles,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = certificates("sslcert", &files.certificate)?;
    let key = provider
        .key_provider
        .load_private_key(key(files)?)
        .map_err(|error| TlsError::UnusableKey { path: files.key.clone(), error })?;
    let of_key = key.public_key();
    let of_certificate = chain.first().and_then(|first| Certificate::read(first));
    if let (Some(of_key), Some(of_certificate)) = (of_key, of_certificate)
        && *of_key != *of_certificate.public_key_info
    {
        let (certificate, key) = (files.certificate.clone(), files.key.clone());
        return Err(TlsError::NotAPair { certificate, key });
    }
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

fn certificates(
    purpose: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(purpose, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(unusable(purpose, path, "holds no certificate in PEM"))
        }
        Ok(found) => Ok(found),
        Err(_) => Err(unusable(purpose, path, "is not PEM")),
    }
}

/// The key, if its file is as well guarded as libpq demands.
fn key(files: &ClientFiles) -> Result<PrivateKeyDer<'static>, TlsError> {
    const PURPOSE: &str = "sslkey";
    let path = &files.key;
    let about = fs::metadata(path).map_err(|error| unreadable(PURPOSE, path, &error))?;
    if !about.is_file() {
        return Err(unusable(PURPOSE, path, "is not a regular file"));
    }
    let forbidden = if about.uid() == 0 { 0o037 } else { 0o077 };
    if about.mode() & forbidden != 0 {
        return Err(unusable(
            PURPOSE,
            path,
            "can be read by others: chmod 0600 is expected, or 0640 if root owns it",
        ));
    }
    let text = read(PURPOSE, path)?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(_) if is_encrypted(&text) => Err(unusable(
            PURPOSE,
            path,
            "is encrypted, which this version of castoff cannot read: openssl pkey decrypts it",
        )),
        // libpq takes a key in DER as well.
        Err(_) => PrivateKeyDer::try_from(text)
            .map_err(|_| unusable(PURPOSE, path, "holds no private key")),
    }
}

fn is_encrypted(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
}

fn read(purpose: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| unreadable(purpose, path, &error))
}

fn unreadable(purpose: &'static str, path: &Path, error: &io::Error) -> TlsError {
    unusable(purpose, path, &format!("cannot be read: {error}"))
}

fn unusable(purpose: &'static str, path: &Path, problem: &str) -> TlsError {
    TlsError::File { purpose, path: path.to_owned(), problem: problem.to_owned() }
}
