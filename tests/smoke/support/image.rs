//! Images that a test builds.

use std::path::Path;
use std::process::Command;

use super::SOON;
use super::docker::{Output, docker, prefix, run, try_docker, unique};
use super::folder::Folder;

/// An image. One that a test has built is removed when it is dropped, which has to be after its
/// containers are.
#[derive(Debug)]
pub(crate) struct Image {
    name: String,
    is_ours: bool,
}

impl Image {
    /// castoff as it is shipped: nothing but its binary.
    pub(crate) fn castoff() -> Image {
        Image { name: format!("{}-castoff", prefix()), is_ours: false }
    }

    /// castoff and the application of these tests, without migrations.
    pub(crate) fn application() -> Image {
        Image { name: format!("{}-application", prefix()), is_ours: false }
    }

    /// An image of Debian's, with a shell and without castoff.
    pub(crate) fn postgres() -> Image {
        Image { name: "postgres:17".to_owned(), is_ours: false }
    }

    /// The one of the application with a folder bundled, as an application's own Dockerfile does it.
    #[track_caller]
    pub(crate) fn bundling(folder: &Folder) -> Image {
        let image = Image { name: unique("image"), is_ours: true };
        let build = image.build(folder);
        assert!(build.status.success(), "{build:#?}");
        image
    }

    /// The build of it, of a folder that it may refuse.
    #[track_caller]
    pub(crate) fn try_bundling(folder: &Folder) -> Output {
        Image { name: unique("image"), is_ours: true }.build(folder)
    }

    #[track_caller]
    fn build(&self, folder: &Folder) -> Output {
        let (context, application) = (Folder::new(), Image::application());
        let application = application.name();
        // Most images are root's while they are built.
        context.file(
            "Dockerfile",
            format!(
                r#"FROM {application}
                COPY migrations /migrations
                USER 0:0
                RUN ["/castoff", "bundle", "--migrations", "/migrations", "--output", "/castoff"]
                USER 65532:65532
                "#
            ),
        );
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            let name = format!("migrations/{}", entry.file_name().to_str().unwrap());
            context.file(&name, std::fs::read(entry.path()).unwrap());
        }
        let mut command = Command::new("docker");
        command.args(["build", "--force-rm", "--tag", &self.name]);
        command.arg(context.path());
        run(command, SOON)
    }

    /// The paths of its files and folders, without those that Docker puts into every container.
    #[track_caller]
    pub(crate) fn files(&self) -> Vec<String> {
        let folder = Folder::new();
        let archive = folder.path().join("archive");
        self.with_container(|container| {
            docker(&["export", "--output", archive.to_str().unwrap(), container]);
        });
        let bytes = std::fs::read(archive).unwrap();
        let names = names(&bytes).into_iter().map(|name| name.trim_end_matches('/').to_owned());
        names.filter(|name| !DOCKERS.contains(&name.as_str())).collect()
    }

    /// Copies one of its files.
    #[track_caller]
    pub(crate) fn copy_out(&self, path: &str, to: &Path) {
        self.with_container(|container| {
            docker(&["cp", &format!("{container}:{path}"), to.to_str().unwrap()]);
        });
    }

    /// Files are taken from containers, be it from such that are never started.
    #[track_caller]
    fn with_container(&self, work: impl FnOnce(&str)) {
        let name = unique("files");
        docker(&["create", "--name", &name, &self.name]);
        work(&name);
        docker(&["rm", &name]);
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A field of `docker inspect`, in Go's template language.
    #[track_caller]
    pub(crate) fn inspect(&self, field: &str) -> String {
        docker(&["image", "inspect", "--format", field, &self.name])
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        if self.is_ours {
            drop(try_docker(&["image", "rm", "--force", &self.name]));
        }
    }
}

/// What Docker puts into every container.
const DOCKERS: [&str; 12] = [
    ".dockerenv",
    "dev",
    "dev/console",
    "dev/pts",
    "dev/shm",
    "etc",
    "etc/hostname",
    "etc/hosts",
    "etc/mtab",
    "etc/resolv.conf",
    "proc",
    "sys",
];

/// The names in an archive of tar(5), each in its first block of 512 bytes and followed by as many
/// as its content needs.
fn names(archive: &[u8]) -> Vec<String> {
    let (mut names, mut at) = (Vec::new(), 0);
    while let Some(header) = archive.get(at..at + 512).filter(|header| header[0] != 0) {
        let text = |bytes: &[u8]| {
            let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
            String::from_utf8_lossy(text).trim().to_owned()
        };
        names.push(text(&header[..100]));
        let size = usize::from_str_radix(&text(&header[124..136]), 8).unwrap();
        at += 512 + size.div_ceil(512) * 512;
    }
    names
}
