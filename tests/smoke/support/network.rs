//! A network of a test's own, on which containers have names.

use super::docker::{docker, try_docker, unique};

/// A user-defined network, with Docker's name server. It is removed when it is dropped, which has
/// to be after its containers are.
#[derive(Debug)]
pub(crate) struct Network(String);

impl Network {
    /// A new one.
    pub(crate) fn new() -> Network {
        let name = unique("network");
        docker(&["network", "create", &name]);
        Network(name)
    }

    pub(super) fn name(&self) -> &str {
        &self.0
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(try_docker(&["network", "rm", &self.0]));
    }
}
