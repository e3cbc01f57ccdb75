//! A run of castoff in a container that reads like a sentence.

use std::path::Path;
use std::slice;

use super::container::{Container, Ended};
use super::docker::unique;
use super::folder::Folder;
use super::image::Image;
use super::network::Network;
use super::volume::Volume;
use super::{APPLICATIONS_PASSWORD, OWNERS_PASSWORD};

/// What every container of castoff's is started with: all that a cluster may take from it.
const HARDENED: [&str; 7] = [
    "--read-only",
    "--user=1000620000:0",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    // What is not here was never built.
    "--pull=never",
    "--memory=64m",
    "--memory-swap=64m",
];

/// A container to be: an image, and what it is started with. It can be started many times.
///
/// At first the image is the one of the application without migrations, the database is the one
/// that is called `db`, and castoff has the owner's role and the application its own.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before start() or run()"]
pub(crate) struct Castoff {
    image: String,
    flags: Vec<String>,
    arguments: Vec<String>,
}

impl Castoff {
    /// One on a network.
    pub(crate) fn new(network: &Network) -> Castoff {
        let flags = HARDENED.map(str::to_owned).to_vec();
        let castoff = Castoff {
            image: Image::application().name().to_owned(),
            flags,
            arguments: vec!["/application".to_owned()],
        };
        castoff
            .flag("--network", network.name())
            .owner(OWNERS_PASSWORD, "db")
            .env("DATABASE_URL", &format!("postgresql://shop_app:{APPLICATIONS_PASSWORD}@db/shop"))
    }

    /// Another image.
    pub(crate) fn image(mut self, image: &Image) -> Self {
        image.name().clone_into(&mut self.image);
        self
    }

    /// The migrations of a folder, from outside the image.
    pub(crate) fn migrations(self, folder: &Folder) -> Self {
        let mount = format!("{}:/migrations:ro", folder.path().display());
        self.flag("--volume", &mount).env("CASTOFF_MIGRATIONS_DIR", "/migrations")
    }

    /// Another password of the owner's, or another host.
    pub(crate) fn owner(self, password: &str, host: &str) -> Self {
        self.env("CASTOFF_DATABASE_URL", &format!("postgresql://shop:{password}@{host}/shop"))
    }

    /// A variable of its environment.
    pub(crate) fn env(self, name: &str, value: &str) -> Self {
        self.flag("--env", &format!("{name}={value}"))
    }

    /// A volume, at a path.
    pub(crate) fn volume(self, volume: &Volume, path: &str) -> Self {
        self.flag("--volume", &format!("{}:{path}", volume.name()))
    }

    /// A file or folder of this machine, at a path.
    pub(crate) fn mount(self, from: &Path, path: &str) -> Self {
        self.flag("--volume", &format!("{}:{path}", from.display()))
    }

    /// A flag of `docker run`.
    pub(crate) fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.push(format!("{name}={value}"));
        self
    }

    /// Arguments of the image's entrypoint, in place of the application.
    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(|&it| it.to_owned()).collect();
        self
    }

    /// Arguments of another program than the image's entrypoint.
    pub(crate) fn program(self, program: &str, arguments: &[&str]) -> Self {
        self.flag("--entrypoint", program).args(arguments)
    }

    /// Starts a container.
    #[track_caller]
    pub(crate) fn start(&self) -> Container {
        let image = slice::from_ref(&self.image);
        Container::start(unique("castoff"), &[&self.flags, image, &self.arguments].concat())
    }

    /// Starts a container and waits for its end.
    #[track_caller]
    pub(crate) fn run(&self) -> Ended {
        self.start().wait()
    }
}
