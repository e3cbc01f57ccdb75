//! A machine of its own in the network, which can vanish: a network namespace.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::programs::output;

/// A network namespace with one cable to this machine, which only root can make. Both are gone
/// when this is dropped.
#[derive(Debug)]
pub(crate) struct Node {
    name: String,
    cable: String,
    network: String,
}

impl Node {
    /// One whose cable is plugged in.
    #[track_caller]
    pub(crate) fn new() -> Node {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        // A test process has a network of its own as far as its id tells.
        let network = format!("10.{}.{}", 64 + process % 64, process / 64 % 64 * 4 + number % 4);
        let cable = format!("co{process}x{number}");
        let node = Node { name: format!("castoff-{process}-{number}"), cable, network };
        let Node { name, cable, network } = &node;
        ip(&format!("netns add {name}"));
        ip(&format!("link add {cable} type veth peer name eth0 netns {name}"));
        ip(&format!("addr add {network}.1/24 dev {cable}"));
        ip(&format!("link set {cable} up"));
        ip(&format!("-n {name} addr add {network}.2/24 dev eth0"));
        ip(&format!("-n {name} link set eth0 up"));
        node
    }

    /// The network that its cable is.
    pub(crate) fn network(&self) -> String {
        format!("{}.0/24", self.network)
    }

    /// This machine as the node sees it.
    pub(crate) fn host(&self) -> String {
        format!("{}.1", self.network)
    }

    /// What starts a program there.
    pub(crate) fn enter(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.name]
    }

    /// Pulls the cable: nothing comes from it any more, no FIN and no RST either.
    pub(crate) fn vanish(&self) {
        ip(&format!("link set {} down", self.cable));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(output(Command::new("ip").args(["link", "del", &self.cable])));
        drop(output(Command::new("ip").args(["netns", "del", &self.name])));
    }
}

#[track_caller]
fn ip(arguments: &str) {
    let done = output(Command::new("ip").args(arguments.split(' ')));
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success(),
        "ip {arguments}: {error}\n(only root may make networks; type: scripts/test-programs)"
    );
}
