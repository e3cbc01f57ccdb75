//! TLS with the server, as libpq has it.
//!
//! castoff asks the server for TLS itself, since tokio-postgres knows neither `allow` nor that
//! `prefer` goes on without TLS when the handshake fails: to it, every connection that may have TLS
//! begins with a handshake (`sslnegotiation=direct`), and that may end in a plain stream.

mod certificate;
mod error;
mod files;
mod name;
mod stream;
mod verifier;

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, version};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_postgres::config::{SslMode as Handshake, SslNegotiation};
use tokio_postgres::tls::TlsConnect;
use tokio_postgres::{Client, Connection};

pub(super) use error::{TlsError, cause, explain, hint};
pub(super) use stream::Stream;
use verifier::Verifier;

use super::login::Watched;
use super::reach::{Destination, Socket};
use crate::database_url::{Negotiation, Roots, ServerTls, SslMode};

/// The request for TLS (PostgreSQL, "Message Formats", `SSLRequest`).
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// The protocol's name in a TLS handshake.
const ALPN: &[u8] = b"postgresql";

/// What one connection is protected by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protection {
    /// Nothing.
    None,
    /// TLS, if the server speaks it.
    IfOffered,
    /// TLS.
    Tls,
}

/// A session as tokio-postgres opens it, and how to open another to the same server.
pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) connection: Connection<Socket, Watched<Stream<Socket>>>,
    pub(super) way: Way,
}

/// Why no connection came about; with what was tried before, if that was another way.
pub(super) struct Unconnected {
    pub(super) error: tokio_postgres::Error,
    pub(super) before: Option<Before>,
}

/// The first of two attempts.
pub(super) struct Before {
    pub(super) with_tls: bool,
    pub(super) error: tokio_postgres::Error,
}

/// How one server was reached.
#[derive(Debug, Clone)]
pub(super) struct Way {
    destination: Destination,
    address: Option<SocketAddr>,
    protection: Protection,
}

/// Connects as `sslmode` says: with `allow` first without TLS, with `prefer` first with it.
pub(super) async fn connect(destination: &Destination) -> Result<Connected, Unconnected> {
    let (first, second) = match destination.server.tls.as_ref().map(|tls| tls.parameters.mode) {
        None | Some(SslMode::Disable) => (Protection::None, None),
        Some(SslMode::Allow) => (Protection::None, Some(Protection::IfOffered)),
        Some(SslMode::Prefer) => (Protection::IfOffered, Some(Protection::None)),
        Some(SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => (Protection::Tls, None),
    };
    let error = match Box::pin(attempt(destination, first)).await {
        Ok(connected) => return Ok(connected),
        Err(error) => error,
    };
    match second.filter(|_| deserves_another_way(&error)) {
        Some(second) => match Box::pin(attempt(destination, second)).await {
            Ok(connected) => {
                if failed_handshake(&error).is_some() {
                    destination.tell_why_plain(&error.into());
                }
                Ok(connected)
            }
            Err(last) => {
                let with_tls = first != Protection::None;
                Err(Unconnected { error: last, before: Some(Before { with_tls, error }) })
            }
        },
        None => Err(Unconnected { error, before: None }),
    }
}

async fn attempt(
    destination: &Destination,
    protection: Protection,
) -> Result<Connected, tokio_postgres::Error> {
    let socket = destination.reach(None).await;
    // A socket that is none says why, and no handshake's error is to stand before that.
    let protection = if socket.has_failed() { Protection::None } else { protection };
    let way = Way { destination: destination.clone(), address: socket.address(), protection };
    let mut config = destination.server.config.clone();
    config.ssl_mode(Handshake::Require).ssl_negotiation(SslNegotiation::Direct);
    let (client, connection) = config.connect_raw(socket, way.clone()).await?;
    Ok(Connected { client, connection, way })
}

/// Whether libpq would go on with TLS after `allow`, or without it after `prefer`: the handshake
/// failed, or the server, or a pooler (class 08), does not let this role in by this way.
fn deserves_another_way(error: &tokio_postgres::Error) -> bool {
    match error.as_db_error() {
        Some(error) => ["08", "28"].iter().any(|class| error.code().code().starts_with(class)),
        None => failed_handshake(error).is_some_and(TlsError::is_about_the_server),
    }
}

/// The error of the handshake that ended an attempt.
pub(super) fn failed_handshake(error: &tokio_postgres::Error) -> Option<&TlsError> {
    std::error::Error::source(error)?.downcast_ref()
}

impl<S> TlsConnect<S> for Way
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Watched<Stream<S>>;
    type Error = TlsError;
    type Future = Pin<Box<dyn Future<Output = Result<Watched<Stream<S>>, TlsError>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let allowed = self.destination.server.allowed_auth;
        Box::pin(async move { Ok(Watched::new(self.protect(stream).await?, allowed)) })
    }
}

impl Way {
    /// Opens another socket to the same server, at the same address.
    pub(super) async fn reach_again(&self) -> Socket {
        self.destination.reach(self.address).await
    }

    async fn protect<S>(self, mut stream: S) -> Result<Stream<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let tls = &self.destination.server.tls;
        let Some(tls) = tls.as_ref().filter(|_| self.protection != Protection::None) else {
            return Ok(Stream::Plain(stream));
        };
        let is_direct = tls.parameters.negotiation == Negotiation::Direct;
        if !is_direct {
            stream.write_all(&SSL_REQUEST).await.map_err(TlsError::Handshake)?;
            stream.flush().await.map_err(TlsError::Handshake)?;
            match stream.read_u8().await.map_err(TlsError::Handshake)? {
                b'S' => {}
                b'N' if self.protection == Protection::IfOffered => {
                    return Ok(Stream::Plain(stream));
                }
                b'N' => return Err(TlsError::NotOffered),
                _ => return Err(TlsError::NotAnAnswer),
            }
        }
        let name = server_name(tls.host.as_deref());
        let connector = tokio_rustls::TlsConnector::from(Arc::new(configuration(tls)?));
        let stream = connector.connect(name, stream).await.map_err(TlsError::Handshake)?;
        if is_direct && stream.get_ref().1.alpn_protocol() != Some(ALPN) {
            return Err(TlsError::NotPostgres);
        }
        Ok(Stream::Tls(Box::new(stream)))
    }
}

/// What the parameters mean to rustls. Reads the files that they name.
fn configuration(tls: &ServerTls) -> Result<ClientConfig, TlsError> {
    let parameters = &tls.parameters;
    let provider = Arc::new(provider());
    // As libpq does: a root certificate that is there is used, whatever the mode.
    let is_verified = parameters.mode >= SslMode::VerifyCa || parameters.roots != Roots::Unset;
    let checked = Verifier {
        trusted: is_verified.then(|| files::trusted(&parameters.roots)).transpose()?,
        host: tls.host.clone().filter(|_| parameters.mode == SslMode::VerifyFull),
        algorithms: provider.signature_verification_algorithms,
    };
    let client = parameters.client.as_ref();
    let client = client.map(|files| files::client(files, &provider)).transpose()?;
    let [tls12, tls13] = parameters.versions;
    let versions = [tls12.then_some(&version::TLS12), tls13.then_some(&version::TLS13)];
    let versions: Vec<_> = versions.into_iter().flatten().collect();
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(TlsError::Configuration)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(checked));
    let mut config = match client {
        Some(client) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(client))),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config.enable_sni = parameters.names_server;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

#[cfg(not(feature = "aws-lc-rs"))]
fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

#[cfg(feature = "aws-lc-rs")]
fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

/// The name that the server is told, which an address is not.
fn server_name(host: Option<&str>) -> ServerName<'static> {
    host.and_then(|host| ServerName::try_from(host.to_owned()).ok())
        .unwrap_or(ServerName::from(IpAddr::from(Ipv4Addr::UNSPECIFIED)))
}
