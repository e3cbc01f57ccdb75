//! The core's own types in reports; [`crate::revision`] itself knows no serde, since the build
//! script includes it.

use serde::{Serialize, Serializer};

use crate::revision::RevisionId;

impl Serialize for RevisionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
