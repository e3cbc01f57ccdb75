//! Images with little in them: no user, no home, no /tmp, nothing that can be written.

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::{Castoff, Database, SOON, Signal};

/// castoff with the folder that it was built with, so that only its binary is needed.
fn castoff(db: &Database) -> Castoff {
    Castoff::new(db).embedded().env("CASTOFF_LOG_FORMAT", "text").args(["run", "--", "id", "-u"])
}

/// A place where a user without rights can execute the binary.
struct Open(std::path::PathBuf);

impl Open {
    fn copy() -> Open {
        let folder = std::env::temp_dir().join(format!("castoff-open-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let binary = folder.join("castoff");
        fs::copy(env!("CARGO_BIN_EXE_castoff"), &binary).unwrap();
        Open(folder)
    }

    fn binary(&self) -> String {
        self.0.join("castoff").to_str().unwrap().to_owned()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn a_user_without_an_entry_in_passwd_and_without_a_home_starts_the_application() {
    let db = Database::empty();
    let open = Open::copy();
    let script = format!(
        "shift; exec setpriv --reuid 12345 --regid 0 --clear-groups -- {} \"$@\"",
        open.binary()
    );
    let nobody = castoff(&db).under(["sh", "-c", &script, "sh"]);
    nobody.run().assert_code(0).assert_stdout("12345\n");
    // Without a role in the URL libpq takes the user's name; there is none.
    let nameless = format!("postgresql://127.0.0.1:{}/{}", db.cluster().port(), db.name());
    let run = nobody.url(nameless).run();
    run.assert_code(78).assert_stderr("PGUSER");
}

#[test]
fn a_read_only_root_without_tmp_is_enough() {
    let db = Database::empty();
    let script = "mount -o remount,ro,bind / 2>/dev/null || mount -o remount,ro /
        case $1 in
        /tmp/*) mount --bind /tmp /tmp && mount -o remount,ro,bind /tmp ;;
        *) mount -t tmpfs -o ro none /tmp ;;
        esac
        touch /castoff-was-here 2>/dev/null && exit 99
        touch /tmp/castoff-was-here 2>/dev/null && exit 98
        exec \"$@\"";
    let castoff = castoff(&db).under(["unshare", "-m", "sh", "-c", script, "sh"]);
    castoff.run().assert_code(0).assert_stdout("0\n");
    assert_eq!(db.heads(), "0008");
}

#[test]
fn a_name_that_is_not_known_yet_is_waited_for_and_a_signal_ends_the_wait() {
    let castoff = Castoff::without_database()
        .env("CASTOFF_LOG_FORMAT", "text")
        .url("postgresql://shop:x@no-such-host.invalid/shop")
        .args(["run", "--", "true"]);
    let waiting = castoff.spawn();
    waiting.wait_for_line("no-such-host.invalid");
    let asked = Instant::now();
    waiting.signal(Signal::Term);
    let run = waiting.wait(SOON);
    run.assert_code(143).assert_stderr("stopped by SIGTERM");
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
}

#[test]
fn a_name_server_that_says_nothing_does_not_outlast_a_signal() {
    // A datagram to a listening socket that nobody reads is never answered.
    let silent = UdpSocket::bind("127.7.7.53:53").unwrap();
    let script = "printf 'nameserver 127.7.7.53\\noptions timeout:30 attempts:1\\n' >\"$0\"
        mount --bind \"$0\" /etc/resolv.conf; exec \"$@\"";
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("silent-resolv.conf");
    let castoff = Castoff::without_database()
        .env("CASTOFF_LOG_FORMAT", "text")
        .url("postgresql://shop:x@a-host.example/shop")
        .env("CASTOFF_CONNECT_TIMEOUT", "1s")
        .under([
            "unshare".into(),
            "-m".into(),
            "sh".into(),
            "-c".into(),
            script.into(),
            file.into_os_string(),
        ])
        .args(["run", "--", "true"]);
    let waiting = castoff.spawn();
    waiting.wait_for_line("no answer within 1s from a name server");
    let asked = Instant::now();
    waiting.signal(Signal::Term);
    waiting.wait(SOON).assert_code(143);
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    drop(silent);
}

/// Answers each question for the address of a name: it is 127.0.0.1.
fn name_server(at: &str) -> JoinHandle<()> {
    let socket = UdpSocket::bind(at).unwrap();
    thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut question) {
            // Behind the header of 12 bytes are the name, which ends with a 0, its type and class.
            let name = question[12..length].iter().position(|byte| *byte == 0).unwrap();
            let end = 12 + name + 5;
            let is_ipv4 = question[end - 4..end - 2] == [0, 1];
            let mut answer = question[..end].to_vec();
            answer[2..12].copy_from_slice(&[0x85, 0x80, 0, 1, 0, is_ipv4.into(), 0, 0, 0, 0]);
            if is_ipv4 {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
            }
            socket.send_to(&answer, client).unwrap();
        }
    })
}

#[test]
fn a_silent_name_server_before_a_good_one_may_take_longer_than_an_attempt() {
    let db = Database::empty();
    let silent = UdpSocket::bind("127.7.7.55:53").unwrap();
    let _server = name_server("127.7.7.56:53");
    let script =
        "printf 'nameserver 127.7.7.55\\nnameserver 127.7.7.56\\noptions timeout:2\\n' >\"$0\"
        mount --bind \"$0\" /etc/resolv.conf; exec \"$@\"";
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("slow-resolv.conf");
    let castoff = Castoff::without_database()
        .env("CASTOFF_LOG_FORMAT", "text")
        .url(db.url().replace("127.0.0.1", "db.shop.example"))
        .env("CASTOFF_CONNECT_TIMEOUT", "1s")
        .env("CASTOFF_WAIT_TIMEOUT", "10s")
        .under(["unshare", "-m", "sh", "-c", script, file.to_str().unwrap()])
        .args(["wait"]);
    castoff.run().assert_code(0).assert_stderr("no answer within 1s from a name server");
    drop(silent);
}
