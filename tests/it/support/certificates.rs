//! Certificates for a server and for its clients, made by openssl.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cluster::Cluster;
use super::programs::{Programs, output};

/// A folder of keys and certificates, which the server can read. Whatever is made, `NAME.key` is the
/// key of `NAME.crt`.
#[derive(Debug)]
pub(crate) struct Certificates {
    folder: PathBuf,
    programs: Programs,
}

impl Certificates {
    /// An empty folder beside the server's data.
    pub(crate) fn beside(cluster: &Cluster) -> Certificates {
        let folder = cluster.socket_folder().join("certificates");
        fs::create_dir(&folder).unwrap();
        let certificates = Certificates { folder, programs: cluster.programs().clone() };
        certificates.programs.give(&certificates.folder);
        certificates
    }

    /// Where a file of the folder is.
    pub(crate) fn path(&self, file: &str) -> String {
        self.folder.join(file).to_str().unwrap().to_owned()
    }

    /// A new key, by what openssl calls its kind: `ec:P-256`, `rsa:2048`, `ed25519`.
    pub(crate) fn key(&self, name: &str, kind: &str) {
        let file = self.path(&format!("{name}.key"));
        let mut words = vec!["genpkey", "-out", &file];
        let option;
        match kind.split_once(':') {
            Some(("ec", curve)) => {
                option = format!("ec_paramgen_curve:{curve}");
                words.extend(["-algorithm", "EC", "-pkeyopt", &option]);
            }
            Some((_, bits)) => {
                option = format!("rsa_keygen_bits:{bits}");
                words.extend(["-algorithm", "RSA", "-pkeyopt", &option]);
            }
            None => words.extend(["-algorithm", kind]),
        }
        self.openssl(&words);
        self.guard(&file);
    }

    /// Makes a file one that only the server's owner may read.
    pub(crate) fn guard(&self, file: impl AsRef<Path>) {
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        self.programs.give(file.as_ref());
    }

    /// A certificate that is signed with its own key; it is that of a CA unless `extensions` say
    /// otherwise.
    pub(crate) fn self_signed(&self, name: &str, subject: &str, extensions: &[&str]) {
        self.key(name, "ec:P-256");
        let (key, file) = (self.path(&format!("{name}.key")), self.path(&format!("{name}.crt")));
        let subject = format!("/CN={subject}");
        let mut words =
            vec!["req", "-x509", "-sha256", "-days", "30", "-key", &key, "-out", &file, "-subj"];
        words.push(&subject);
        for extension in extensions {
            words.extend(["-addext", extension]);
        }
        self.openssl(&words);
    }

    /// A certificate that a CA of this folder has signed, for so many days.
    ///
    /// Without extensions it is one of version 1, as the recipe of PostgreSQL's manual makes it.
    pub(crate) fn signed(
        &self,
        name: &str,
        subject: &str,
        extensions: &[&str],
        issuer: &str,
        days: i32,
    ) {
        if !Path::new(&self.path(&format!("{name}.key"))).exists() {
            self.key(name, "ec:P-256");
        }
        let key = self.path(&format!("{name}.key"));
        let request = self.path(&format!("{name}.csr"));
        self.openssl(&[
            "req",
            "-new",
            "-key",
            &key,
            "-out",
            &request,
            "-subj",
            &format!("/CN={subject}"),
        ]);
        let file = self.path(&format!("{name}.crt"));
        let (ca, ca_key) =
            (self.path(&format!("{issuer}.crt")), self.path(&format!("{issuer}.key")));
        let days = days.to_string();
        let mut words = vec!["x509", "-req", "-sha256", "-in", &request, "-out", &file, "-CA", &ca];
        words.extend(["-CAkey", &ca_key, "-CAcreateserial", "-days", &days]);
        let settings = self.path(&format!("{name}.cnf"));
        if !extensions.is_empty() {
            fs::write(&settings, extensions.join("\n")).unwrap();
            words.extend(["-extfile", &settings]);
        }
        self.openssl(&words);
    }

    /// One file of several certificates.
    pub(crate) fn join(&self, name: &str, parts: &[&str]) {
        let text: String =
            parts.iter().map(|part| fs::read_to_string(self.path(part)).unwrap()).collect();
        fs::write(self.path(name), text).unwrap();
    }

    /// Runs openssl, which must succeed.
    #[track_caller]
    pub(crate) fn openssl(&self, arguments: &[&str]) {
        let output = output(Command::new("openssl").args(arguments).current_dir(&self.folder));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {}: {told}", arguments.join(" "));
    }
}
