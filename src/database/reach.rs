//! The way to a server: its name is looked up, and its addresses are tried side by side.
//!
//! To libpq the addresses of one name are ways to one server: it takes the first that a connection
//! can be opened to, and never looks at the others again. So it is here, but that the next address
//! is not kept waiting by one that says nothing (RFC 8305, "Happy Eyeballs"); what is raced for is the
//! opening of the connection alone, and nobody logs in twice.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, LoadBalanceHosts};

use super::server_error::ServerError;
use crate::database_url::Server;
use crate::settings::user_name;
use crate::stop::pause;

/// How long an address is tried alone before the next one is tried too (RFC 8305, section 8).
const HEAD_START: Duration = Duration::from_millis(250);

/// How long a name's addresses are taken for true; as long as the system asks three silent name
/// servers twice.
const FRESH: Duration = Duration::from_secs(30);

/// A server, and what is known of the way to it.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    pub(super) server: Arc<Server>,
    lookup: Arc<Mutex<Option<Lookup>>>,
    /// Whether it was told that there is no TLS with it although both sides speak it.
    told: Arc<AtomicBool>,
}

/// The question for the addresses of a name. It outlives the attempt that has asked it: behind a
/// name server that says nothing, the answer of the next one takes longer than an attempt may.
#[derive(Debug)]
struct Lookup {
    asked: Instant,
    answer: JoinHandle<io::Result<Vec<SocketAddr>>>,
}

/// An open socket; or the error with which none could be opened, which is its answer to everything.
///
/// tokio-postgres makes its own errors and takes them from nobody: it has to hear of this one.
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Failed(Option<io::Error>),
}

impl Destination {
    pub(super) fn new(server: Server) -> Self {
        Self { server: Arc::new(server), lookup: Arc::default(), told: Arc::default() }
    }

    /// Opens a socket to it; `again` is the address that an earlier one led to.
    pub(super) async fn reach(&self, again: Option<SocketAddr>) -> Socket {
        open(self, again).await.unwrap_or_else(|error| Socket::Failed(Some(error)))
    }

    /// Tells once why there is no TLS with it.
    pub(super) fn tell_why_plain(&self, why: &ServerError) {
        if !self.told.swap(true, Ordering::Relaxed) {
            let label = &self.server.label;
            tracing::warn!("{label}: {why}; going on without TLS, as sslmode=prefer wants it");
        }
    }

    /// Whether an attempt that was given up waits for the addresses of its name.
    pub(super) fn is_looked_up(&self) -> bool {
        self.lookup
            .try_lock()
            .is_ok_and(|lookup| lookup.as_ref().is_some_and(|lookup| !lookup.answer.is_finished()))
    }
}

async fn open(destination: &Destination, again: Option<SocketAddr>) -> io::Result<Socket> {
    let Destination { server, lookup, .. } = destination;
    let config = &server.config;
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let addresses = match (again, config.get_hostaddrs(), config.get_hosts()) {
        (Some(address), ..) => vec![address],
        (None, [address, ..], _) => vec![SocketAddr::new(*address, port)],
        (None, [], [Host::Tcp(name), ..]) => {
            let found = addresses(&mut *lookup.lock().await, name, port).await?;
            in_turn(found, config)
        }
        (None, [], [Host::Unix(directory), ..]) => {
            let socket = UnixStream::connect(directory.join(format!(".s.PGSQL.{port}"))).await?;
            check_peer(&socket, server.required_peer.as_deref())?;
            return Ok(Socket::Unix(socket));
        }
        (None, [], []) => Vec::new(),
    };
    let stream = race(addresses).await?;
    stream.set_nodelay(true)?;
    watch(&stream, config).map_err(|error| {
        let message =
            format!("the system does not take the keepalives or tcp_user_timeout: {error}");
        io::Error::new(error.kind(), message)
    })?;
    Ok(Socket::Tcp(stream))
}

/// The addresses of a name: the answer to the question that an earlier attempt has asked, if that is
/// still under way.
async fn addresses(
    lookup: &mut Option<Lookup>,
    name: &str,
    port: u16,
) -> io::Result<Vec<SocketAddr>> {
    if lookup.as_ref().is_some_and(|lookup| lookup.asked.elapsed() > FRESH) {
        *lookup = None;
    }
    let under_way = lookup.get_or_insert_with(|| {
        let host = (name.to_owned(), port);
        let answer = async { Ok(tokio::net::lookup_host(host).await?.collect()) };
        Lookup { asked: Instant::now(), answer: tokio::spawn(answer) }
    });
    let answer = (&mut under_way.answer).await;
    *lookup = None;
    answer?
}

/// The addresses with their two families by turns, each in the system's order.
fn in_turn(mut found: Vec<SocketAddr>, config: &Config) -> Vec<SocketAddr> {
    if config.get_load_balance_hosts() == LoadBalanceHosts::Random {
        shuffle(&mut found);
    }
    by_turns(found)
}

/// Brings servers or addresses into an order that chance decides.
pub(super) fn shuffle<T: std::hash::Hash>(list: &mut [T]) {
    list.sort_by_cached_key(|item| RandomState::new().hash_one(item));
}

fn by_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_family = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_family);
    let turns = first.len().max(second.len());
    (0..turns).flat_map(|turn| [first.get(turn), second.get(turn)]).flatten().copied().collect()
}

/// Connects to the first address that answers; each is tried as soon as the one before it has failed
/// or has had its head start.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let several = addresses.len() > 1;
    let mut next = addresses.into_iter();
    let mut tries = JoinSet::new();
    let mut failures: Vec<(SocketAddr, io::Error)> = Vec::new();
    loop {
        if let Some(address) = next.next() {
            tries.spawn(async move { (address, TcpStream::connect(address).await) });
        } else if tries.is_empty() {
            break;
        }
        let is_last = next.len() == 0;
        tokio::select! {
            Some(Ok((address, outcome))) = tries.join_next() => match outcome {
                Ok(stream) => return Ok(stream),
                Err(error) => failures.push((address, error)),
            },
            () = pause(HEAD_START), if !is_last => {}
        }
    }
    Err(if several { all_of(&failures) } else { the_one(failures) })
}

fn the_one(failures: Vec<(SocketAddr, io::Error)>) -> io::Error {
    let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    failures.into_iter().next().map_or_else(none, |(_, error)| error)
}

fn all_of(failures: &[(SocketAddr, io::Error)]) -> io::Error {
    let texts: Vec<_> =
        failures.iter().map(|(address, error)| format!("{}: {error}", address.ip())).collect();
    let kind = failures.first().map_or(io::ErrorKind::NotFound, |(_, error)| error.kind());
    io::Error::new(kind, texts.join(", "))
}

/// Has the system watch for a server that says nothing more.
fn watch(stream: &TcpStream, config: &Config) -> io::Result<()> {
    let socket = stream.as_fd();
    if let Some(limit) = config.get_tcp_user_timeout() {
        let limit = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
        sockopt::set_tcp_user_timeout(socket, limit)?;
    }
    if config.get_keepalives() {
        sockopt::set_socket_keepalive(socket, true)?;
        sockopt::set_tcp_keepidle(socket, config.get_keepalives_idle())?;
        if let Some(interval) = config.get_keepalives_interval() {
            sockopt::set_tcp_keepintvl(socket, interval)?;
        }
        if let Some(count) = config.get_keepalives_retries() {
            sockopt::set_tcp_keepcnt(socket, count)?;
        }
    }
    Ok(())
}

/// Checks who listens at a Unix socket, where libpq's `requirepeer` says who it has to be.
fn check_peer(socket: &UnixStream, required: Option<&str>) -> io::Result<()> {
    let Some(required) = required else { return Ok(()) };
    let id = socket.peer_cred()?.uid();
    let name = user_name(id);
    if name.as_deref() == Some(required) {
        return Ok(());
    }
    let found = name.unwrap_or_else(|| format!("user id {id}"));
    let message = format!("requirepeer wants a server that runs as {required}, not as {found}");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

impl Socket {
    /// The address that it is open to, if it is one of the network.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().ok(),
            Self::Unix(_) | Self::Failed(_) => None,
        }
    }

    /// Whether nothing could be opened.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

fn failure<T>(error: &mut Option<io::Error>) -> Poll<io::Result<T>> {
    Poll::Ready(Err(error.take().unwrap_or_else(|| io::ErrorKind::NotConnected.into())))
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Failed(error) => failure(error),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Failed(error) => failure(error),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
            Self::Failed(error) => failure(error),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Failed(error) => failure(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_two_families_take_turns() {
        for (found, tried) in [
            (vec!["[::1]:1", "[::2]:1", "127.0.0.1:1"], vec!["[::1]:1", "127.0.0.1:1", "[::2]:1"]),
            (vec!["1.1.1.1:1", "1.1.1.2:1", "[::1]:1"], vec!["1.1.1.1:1", "[::1]:1", "1.1.1.2:1"]),
            (vec!["1.1.1.1:1", "1.1.1.2:1"], vec!["1.1.1.1:1", "1.1.1.2:1"]),
            (vec![], vec![]),
        ] {
            assert_eq!(by_turns(addresses(&found)), addresses(&tried));
        }
    }

    #[test]
    fn chance_leaves_nothing_out() {
        let orders: std::collections::BTreeSet<Vec<u8>> = (0..200)
            .map(|_| {
                let mut list = vec![1, 2, 3];
                shuffle(&mut list);
                list
            })
            .collect();
        assert_eq!(orders.len(), 6);
    }
}
