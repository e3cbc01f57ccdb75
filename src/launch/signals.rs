//! The kernel's own signal calls: glibc's hide signals 32 and 33, which an init must pass on too.

use std::io;

use libc::{c_int, c_long};

/// A set of signals: bit n - 1 is signal n, as in `/proc/PID/status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mask(u64);

impl Mask {
    /// Every signal; the kernel leaves SIGKILL and SIGSTOP out by itself.
    pub(super) const EVERY: Self = Self(u64::MAX);

    /// All but the two that glibc's threads send each other.
    const EVERY_BUT_GLIBCS: Self = Self(!(1 << 31 | 1 << 32));

    /// Blocks these signals in this thread, and unblocks the others; gives what was blocked before.
    #[allow(unsafe_code, reason = "no safe interface sets the mask of signals")]
    pub(super) fn block(self) -> io::Result<Self> {
        let mut before = 0;
        // SAFETY: both sets are of the size that is passed, and outlive the call.
        let result = unsafe {
            libc::syscall(
                libc::SYS_rt_sigprocmask,
                libc::SIG_SETMASK,
                &raw const self.0,
                &raw mut before,
                size_of::<u64>(),
            )
        };
        checked(result).map(|_| Self(before))
    }

    /// As sixteen hexadecimal digits.
    pub(super) fn to_hex(self) -> String {
        format!("{:016x}", self.0)
    }

    pub(super) fn from_hex(digits: &str) -> Option<Self> {
        u64::from_str_radix(digits, 16).ok().map(Self)
    }
}

/// Keeps a thread that helps from taking a signal, which is then left to the main thread.
pub(crate) fn block_in_helper() {
    // A thread that could not block them takes them, and runs the same handlers.
    drop(Mask::EVERY_BUT_GLIBCS.block());
}

/// Waits for the next signal of those that are blocked, which should be all.
#[allow(unsafe_code, reason = "no safe interface waits for a signal")]
pub(super) fn next() -> io::Result<c_int> {
    let every = Mask::EVERY.0;
    loop {
        // SAFETY: the set is of the size that is passed, and outlives the call; neither what is
        // known of the signal nor a time limit is asked for.
        let result = unsafe {
            libc::syscall(
                libc::SYS_rt_sigtimedwait,
                &raw const every,
                std::ptr::null::<libc::siginfo_t>(),
                std::ptr::null::<libc::timespec>(),
                size_of::<u64>(),
            )
        };
        match checked(result) {
            // SIGSTOP and SIGCONT, or a debugger.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Sends a signal to a child that has not been waited for, so that the id is still its own.
#[allow(unsafe_code, reason = "the safe interface has no real-time signals")]
pub(super) fn send(signal: c_int, child: rustix::process::Pid) {
    // SAFETY: kill(2) reads no memory of ours.
    unsafe { libc::kill(child.as_raw_pid(), signal) };
}

/// Makes the kernel tell of children that end, and keep their status; says whether it did not.
#[allow(unsafe_code, reason = "no safe interface sets a signal to its default")]
pub(super) fn stop_ignoring_children() -> bool {
    // SAFETY: SIG_DFL runs no code of ours.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) == libc::SIG_IGN }
}

/// Undoes [`stop_ignoring_children`].
#[allow(unsafe_code, reason = "no safe interface ignores a signal")]
pub(super) fn ignore_children() {
    // SAFETY: SIG_IGN runs no code of ours.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// Children that are waited for: while this lives the kernel keeps their status, even if castoff was
/// started where nobody wants to know of children.
pub(crate) struct Children {
    were_ignored: bool,
}

impl Children {
    pub(crate) fn watch() -> Self {
        Self { were_ignored: stop_ignoring_children() }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        if self.were_ignored {
            ignore_children();
        }
    }
}

fn checked(result: c_long) -> io::Result<c_int> {
    match c_int::try_from(result) {
        Ok(value) if value >= 0 => Ok(value),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_survives_being_written() {
        for mask in [Mask(0), Mask(1), Mask(1 << 63), Mask::EVERY, Mask::EVERY_BUT_GLIBCS] {
            assert_eq!(Mask::from_hex(&mask.to_hex()), Some(mask));
        }
        assert_eq!(Mask::from_hex("TERM"), None);
    }

    #[test]
    fn a_helper_blocks_all_but_what_cannot_be_and_what_glibc_needs() {
        let helper = std::thread::spawn(|| {
            block_in_helper();
            Mask(0).block().unwrap()
        });
        let not_blocked = [libc::SIGKILL, libc::SIGSTOP, 32, 33].map(|signal| 1 << (signal - 1));
        assert_eq!(helper.join().unwrap(), Mask(!not_blocked.iter().sum::<u64>()));
    }
}
