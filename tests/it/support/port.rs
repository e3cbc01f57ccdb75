//! Loopback ports that stay ours while nobody listens on them.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

/// Below Linux' ephemeral ports (32768 and up): an outgoing connection must not take the port of a
/// server that a test has stopped.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// A listener on a free loopback port.
pub(super) fn listen() -> TcpListener {
    let width = u64::from(RANGE.end - RANGE.start);
    for attempt in 0..200_u8 {
        let random = RandomState::new().hash_one(attempt) % width;
        let port = RANGE.start + u16::try_from(random).unwrap();
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return listener;
        }
    }
    panic!("none of 200 ports in {RANGE:?} is free on 127.0.0.1");
}

/// The number of a free loopback port.
pub(super) fn free() -> u16 {
    listen().local_addr().unwrap().port()
}
