//! Asking a server to end the statement that is under way.
//!
//! The library closes the connection as soon as its request is written. libpq waits until the
//! other side has closed it, and `PgBouncer` counts on that: its version 1.18 ends, with every
//! connection it has, when the asker leaves before the request is passed on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::CancelToken;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::login::Watched;
use super::server_error::ServerError;
use super::tls::{Stream, TlsError, Way};

/// Asks the server that `way` led to, as well protected as the session is, and waits until it has
/// taken note.
pub(super) async fn cancel(token: &CancelToken, way: &Way) -> Result<(), ServerError> {
    let socket = way.reach_again().await;
    Ok(token.cancel_query_raw(socket, UntilClosed(way.clone())).await?)
}

/// A connection that is at its end when the other side has closed it; or what makes such ones.
struct UntilClosed<T>(T);

impl<S> TlsConnect<S> for UntilClosed<Way>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = UntilClosed<Watched<Stream<S>>>;
    type Error = TlsError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, TlsError>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let connecting = self.0.connect(stream);
        Box::pin(async { connecting.await.map(UntilClosed) })
    }
}

impl<S: TlsStream + Unpin> TlsStream for UntilClosed<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.0.channel_binding()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for UntilClosed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for UntilClosed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut answer = [0; 64];
        loop {
            let mut buffer = ReadBuf::new(&mut answer);
            // However it ends, the request was read before.
            let read = ready!(Pin::new(&mut self.0).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
