//! A TCP proxy between castoff and the server: it counts, refuses, cuts and goes silent.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use super::database::Database;
use super::eventually::pause;
use super::port;

const TICK: Duration = Duration::from_millis(1);

/// A proxy in front of a database's server, gone with its connections when it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    state: Arc<State>,
    address: SocketAddr,
    url: String,
}

#[derive(Debug)]
struct State {
    server: u16,
    listener: Mutex<Option<TcpListener>>,
    streams: Mutex<Vec<TcpStream>>,
    silent: AtomicBool,
    /// What the client must not say before the proxy accepts again.
    mark: Mutex<Option<&'static str>>,
    /// What the server says, and what the client hears in its place.
    rewritten: Mutex<Option<(&'static str, &'static str)>>,
    cuts: AtomicUsize,
    connections: AtomicUsize,
    open: AtomicUsize,
    peak: AtomicUsize,
    round_trips: AtomicUsize,
    first_messages: Mutex<Vec<Vec<u8>>>,
}

impl Proxy {
    /// A proxy that lets everything through.
    pub(crate) fn new(database: &Database) -> Proxy {
        let listener = port::listen();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let server = database.cluster().port();
        let url = database.url().replace(&format!(":{server}/"), &format!(":{}/", address.port()));
        let state = Arc::new(State {
            server,
            listener: Mutex::new(Some(listener)),
            streams: Mutex::default(),
            silent: AtomicBool::new(false),
            mark: Mutex::default(),
            rewritten: Mutex::default(),
            cuts: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            round_trips: AtomicUsize::new(0),
            first_messages: Mutex::default(),
        });
        let weak = Arc::downgrade(&state);
        drop(thread::spawn(move || serve(&weak)));
        Proxy { state, address, url }
    }

    /// The superuser's URL of the database through this proxy.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The port that it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections have come, also those that a silent proxy never answers.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub(crate) fn open_connections(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }

    /// How many connections were open at once.
    pub(crate) fn peak_connections(&self) -> usize {
        self.state.peak.load(Ordering::SeqCst)
    }

    /// How often the server answered after the client had sent something. Messages sent together
    /// are one; a farewell that nobody answers is none.
    pub(crate) fn round_trips(&self) -> usize {
        self.state.round_trips.load(Ordering::SeqCst)
    }

    /// What the client of each connection said first, in order.
    pub(crate) fn first_messages(&self) -> Vec<Vec<u8>> {
        self.state.first_messages.lock().unwrap().clone()
    }

    /// Refuses new connections; those that are open stay.
    pub(crate) fn refuse(&self) {
        drop(self.state.listener.lock().unwrap().take());
    }

    /// Lets everything through again.
    pub(crate) fn accept(&self) {
        self.state.silent.store(false, Ordering::SeqCst);
        let mut listener = self.state.listener.lock().unwrap();
        if listener.is_none() {
            let again = TcpListener::bind(self.address).unwrap();
            again.set_nonblocking(true).unwrap();
            *listener = Some(again);
        }
    }

    /// Accepts connections and lets nothing through, in either direction; open ones included.
    pub(crate) fn black_hole(&self) {
        self.state.silent.store(true, Ordering::SeqCst);
    }

    /// Becomes a black hole when a client is about to send this text.
    pub(crate) fn black_hole_at(&self, text: &'static str) {
        *self.state.mark.lock().unwrap() = Some(text);
    }

    /// Puts one text in place of another of the same length in what the server says.
    pub(crate) fn rewrite(&self, from: &'static str, to: &'static str) {
        assert_eq!(from.len(), to.len());
        *self.state.rewritten.lock().unwrap() = Some((from, to));
    }

    /// Whether it is a black hole.
    pub(crate) fn is_black_hole(&self) -> bool {
        self.state.silent.load(Ordering::SeqCst)
    }

    /// Cuts every open connection.
    pub(crate) fn cut(&self) {
        self.state.cuts.fetch_add(1, Ordering::SeqCst);
        for stream in self.state.streams.lock().unwrap().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.refuse();
        self.cut();
    }
}

/// Accepts connections until the proxy is gone.
fn serve(proxy: &Weak<State>) {
    while let Some(state) = proxy.upgrade() {
        let accepted = state.listener.lock().unwrap().as_ref().map(TcpListener::accept);
        let Some(Ok((client, _))) = accepted else {
            drop(state);
            pause(TICK);
            continue;
        };
        client.set_nonblocking(false).unwrap();
        state.connections.fetch_add(1, Ordering::SeqCst);
        let open = state.open.fetch_add(1, Ordering::SeqCst) + 1;
        state.peak.fetch_max(open, Ordering::SeqCst);
        let connection = Connection { cuts: state.cuts.load(Ordering::SeqCst), state };
        drop(thread::spawn(move || {
            connection.serve(&client);
            connection.state.open.fetch_sub(1, Ordering::SeqCst);
        }));
    }
}

impl State {
    /// Puts in place of what the server says what the client shall hear.
    fn rewrite(&self, said: &mut [u8]) {
        let Some((from, to)) = *self.rewritten.lock().unwrap() else { return };
        let at = said.windows(from.len()).position(|window| window == from.as_bytes());
        if let Some(at) = at {
            said[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
    }

    /// Goes silent if this is what was waited for.
    fn hear(&self, said: &[u8]) {
        let mut mark = self.mark.lock().unwrap();
        if mark.is_some_and(|text| String::from_utf8_lossy(said).contains(text)) {
            *mark = None;
            self.silent.store(true, Ordering::SeqCst);
        }
    }
}

/// One connection, from its acceptance to its end.
struct Connection {
    state: Arc<State>,
    /// How often the proxy had cut all connections when this one came.
    cuts: usize,
}

impl Connection {
    fn serve(&self, client: &TcpStream) {
        self.know(client);
        self.wait_while_silent();
        let server = (Ipv4Addr::LOCALHOST, self.state.server);
        let Some(server) = TcpStream::connect(server).ok().filter(|_| !self.is_cut()) else {
            drop(client.shutdown(Shutdown::Both));
            return;
        };
        self.know(&server);
        let asked = AtomicBool::new(false);
        let silent_so_far = AtomicBool::new(true);
        thread::scope(|scope| {
            scope.spawn(|| {
                self.carry(client, &server, |said| {
                    asked.store(true, Ordering::SeqCst);
                    if silent_so_far.swap(false, Ordering::SeqCst) {
                        self.state.first_messages.lock().unwrap().push(said.to_owned());
                    }
                    self.state.hear(said);
                });
            });
            self.carry(&server, client, |said| {
                self.state.rewrite(said);
                if asked.swap(false, Ordering::SeqCst) {
                    self.state.round_trips.fetch_add(1, Ordering::SeqCst);
                }
            });
        });
    }

    /// Makes a stream one of those to be cut.
    fn know(&self, stream: &TcpStream) {
        stream.set_nodelay(true).unwrap();
        self.state.streams.lock().unwrap().push(stream.try_clone().unwrap());
    }

    /// Copies one direction, telling of each chunk before it is passed on.
    fn carry(&self, mut from: &TcpStream, mut to: &TcpStream, seen: impl Fn(&mut [u8])) {
        let mut chunk = [0; 16_384];
        while let Ok(read @ 1..) = from.read(&mut chunk) {
            seen(&mut chunk[..read]);
            self.wait_while_silent();
            if to.write_all(&chunk[..read]).is_err() {
                break;
            }
        }
        self.wait_while_silent();
        drop(to.shutdown(Shutdown::Write));
        drop(from.shutdown(Shutdown::Read));
    }

    fn wait_while_silent(&self) {
        while self.state.silent.load(Ordering::SeqCst) && !self.is_cut() {
            pause(TICK);
        }
    }

    fn is_cut(&self) -> bool {
        self.state.cuts.load(Ordering::SeqCst) != self.cuts
    }
}
