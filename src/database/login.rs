//! How the server lets castoff in, watched for libpq's `require_auth`.
//!
//! tokio-postgres answers whatever a server asks for. So the first bytes that it says are looked at on
//! their way, before a password can be the answer to them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

use crate::database_url::{AllowedAuth, AuthMethod};

/// Type, length and kind of an authentication request ("Message Formats", `AuthenticationOk`).
const REQUEST: usize = 9;

/// A connection of which the first message of the server is looked at.
pub(super) struct Watched<S> {
    stream: S,
    allowed: AllowedAuth,
    said: Vec<u8>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, allowed: AllowedAuth) -> Self {
        Self { stream, allowed, said: Vec::new() }
    }

    fn hear(&mut self, bytes: &[u8]) -> io::Result<()> {
        let missing = REQUEST - self.said.len();
        self.said.extend(bytes.iter().take(missing));
        match method(&self.said).filter(|method| !self.allowed.allows(*method)) {
            Some(method) => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("the server asks for {}, and require_auth forbids that", asked(method)),
            )),
            None => Ok(()),
        }
    }
}

/// What the beginning of the server's first message asks for, if it is known yet.
fn method(said: &[u8]) -> Option<AuthMethod> {
    let [b'R', _, _, _, _, kind @ ..] = said else { return None };
    Some(match u32::from_be_bytes(kind.try_into().ok()?) {
        0 => AuthMethod::None,
        3 => AuthMethod::Password,
        5 => AuthMethod::Md5,
        7 => AuthMethod::Gss,
        9 => AuthMethod::Sspi,
        10 => AuthMethod::Scram,
        _ => return None,
    })
}

fn asked(method: AuthMethod) -> &'static str {
    match method {
        AuthMethod::None => "no password",
        AuthMethod::Password => "the password itself",
        AuthMethod::Md5 => "the password's MD5 hash",
        AuthMethod::Scram => "the password's proof by SCRAM",
        AuthMethod::Gss => "GSSAPI in place of a password",
        AuthMethod::Sspi => "SSPI in place of a password",
        AuthMethod::Oauth => "OAuth in place of a password",
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if this.said.len() == REQUEST {
            return read;
        }
        if let Poll::Ready(Ok(())) = read {
            this.hear(&buffer.filled()[before..])?;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Watched<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_when_all_of_it_has_come() {
        let sasl = [b'R', 0, 0, 0, 23, 0, 0, 0, 10];
        for length in 0..REQUEST {
            assert_eq!(method(&sasl[..length]), None);
        }
        assert_eq!(method(&sasl), Some(AuthMethod::Scram));
        assert_eq!(method(&[b'R', 0, 0, 0, 8, 0, 0, 0, 0]), Some(AuthMethod::None));
        assert_eq!(method(&[b'E', 0, 0, 0, 8, 0, 0, 0, 0]), None);
    }
}
