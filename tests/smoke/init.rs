//! `--init`: castoff stays the container's first process, as tini does.

use crate::support::{
    APPLICATIONS_CODE, Castoff, Container, Folder, Network, Postgres, SOON, eventually,
};

/// The processes of a container without the one that looks: PID, PPID, state and name of each.
fn processes(container: &Container) -> Vec<String> {
    let all = container.exec(&["/application", "processes"]);
    // Docker's own children have no parent in the container.
    let inside = all.lines().filter(|line| line.starts_with("1 ") || !line.contains(" 0 "));
    inside.map(str::to_owned).collect()
}

fn zombies(container: &Container) -> usize {
    processes(container).iter().filter(|line| line.contains(" Z ")).count()
}

#[test]
fn castoff_stays_pid_1_and_passes_on_sigterm_and_the_exit_code() {
    let (network, folder) = (Network::new(), Folder::new());
    let db = Postgres::start(&network);
    folder.revision("a");
    let castoff = Castoff::new(&network).migrations(&folder);
    let start = castoff.program("/castoff", &["run", "--init", "--", "/application"]).start();
    start.wait_for_application();
    let pid = start.log().told("pid").to_owned();
    assert_ne!(pid, "1");
    assert_eq!(processes(&start), ["1 0 S castoff".to_owned(), format!("{pid} 1 S application")]);
    // The application could read what the first process was started with.
    for pid in ["1", &pid] {
        let names = start.exec(&["/application", "environ", pid]);
        assert!(!names.contains("CASTOFF_DATABASE_URL"), "{names}");
    }
    let stopped = start.stop();
    let log = stopped.in_time().assert_code(APPLICATIONS_CODE);
    assert_eq!(log.application.last().unwrap(), "got SIGTERM");
    assert_eq!(log.told("descriptors"), "0 1 2");
    assert_eq!(log.told("SigBlk"), "0000000000000000");
    log.assert_message("The database is at head a");
    assert_eq!(db.heads(), "a");
    db.assert_soon_rid_of_castoff();
}

#[test]
fn castoff_reaps_the_orphans_that_an_application_as_pid_1_would_keep() {
    let network = Network::new();
    let castoff =
        Castoff::new(&network).env("CASTOFF_MODE", "skip").args(&["/application", "orphans"]);
    let kept = castoff.start();
    kept.wait_for_application();
    eventually(SOON, || if zombies(&kept) == 20 { Ok(()) } else { Err(processes(&kept)) });
    let reaped = castoff.env("CASTOFF_INIT", "1").start();
    reaped.wait_for_application();
    eventually(
        SOON,
        || if processes(&reaped).len() == 2 { Ok(()) } else { Err(processes(&reaped)) },
    );
    reaped.stop().in_time().assert_code(APPLICATIONS_CODE);
}

#[test]
fn its_exit_code_is_the_applications() {
    let network = Network::new();
    let castoff = Castoff::new(&network).env("CASTOFF_MODE", "skip").env("CASTOFF_INIT", "1");
    castoff.clone().args(&["/application", "exit", "3"]).run().assert_code(3);
    // SIGABRT has the number 6.
    castoff.args(&["/application", "abort"]).run().assert_code(128 + 6);
}

#[test]
fn it_stops_while_it_waits_for_the_database() {
    let (network, folder) = (Network::new(), Folder::new());
    folder.revision("a");
    let start = Castoff::new(&network).migrations(&folder).env("CASTOFF_INIT", "1").start();
    start.wait_for_line("Waiting for the database");
    let stopped = start.stop();
    let log = stopped.in_time().assert_error(143, "stopped by SIGTERM");
    log.assert_no_application();
}
