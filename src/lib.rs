//! castoff stands in front of a PostgreSQL application: it brings the schema to the revision that
//! the image was built with, and then becomes the application.

// The core.
pub mod revision;
