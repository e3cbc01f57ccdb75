//! A volume that containers share.

use super::docker::{docker, try_docker, unique};

/// A named volume. It is removed when it is dropped, which has to be after its containers are.
#[derive(Debug)]
pub(crate) struct Volume(String);

impl Volume {
    /// An empty one.
    pub(crate) fn new() -> Volume {
        let name = unique("volume");
        docker(&["volume", "create", &name]);
        Volume(name)
    }

    pub(super) fn name(&self) -> &str {
        &self.0
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        drop(try_docker(&["volume", "rm", &self.0]));
    }
}
