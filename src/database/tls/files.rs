//! The files that TLS takes: root certificates, and the client's certificate with its key.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;
use super::error::TlsError;
use super::verifier::Trusted;
use crate::database_url::{ClientFiles, Password, Roots};

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
        // libpq takes a key in DER as well.
        Err(_) => match (String::from_utf8(text), files.key_password.as_ref()) {
            (Ok(text), password) => decrypted(&text, password),
            (Err(binary), _) => {
                PrivateKeyDer::try_from(binary.into_bytes()).map_err(|_| "holds no private key")
            }
        }
        .map_err(|problem| unusable(PURPOSE, path, problem)),
    }
}

/// The key in a text that holds none that is open.
fn decrypted(
    text: &str,
    password: Option<&Password>,
) -> Result<PrivateKeyDer<'static>, &'static str> {
    const LABEL: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err("is encrypted in OpenSSL's own way, which castoff does not read: \
                    openssl pkcs8 -topk8 writes it in the usual one");
    }
    let start = text.find(LABEL).ok_or("holds no private key")?;
    let password = password.ok_or("is encrypted, and there is no sslpassword for it")?;
    let (_, document) = SecretDocument::from_pem(&text[start..]).map_err(|_| "is not PEM")?;
    let key = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes())
        .map_err(|_| "is encrypted in a way that castoff does not read")?
        .decrypt(password.expose())
        .map_err(|_| "can't be decrypted with this sslpassword")?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
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
