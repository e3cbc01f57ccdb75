//! The user that this process runs as: its name is libpq's default role, and its home is where libpq
//! looks for files.

use std::path::PathBuf;

/// The name of the effective user, if it has one: images often don't.
pub(super) fn name() -> Option<String> {
    name_of(rustix::process::geteuid().as_raw())
}

/// The name in `/etc/passwd` of a user.
pub(crate) fn name_of(id: u32) -> Option<String> {
    name_in(&std::fs::read_to_string("/etc/passwd").ok()?, id)
}

/// The home in `/etc/passwd` of the effective user, if it has one.
pub(super) fn home() -> Option<PathBuf> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let fields = fields_in(&passwd, rustix::process::geteuid().as_raw())?;
    fields.get(5).filter(|home| !home.is_empty()).map(PathBuf::from)
}

fn name_in(passwd: &str, id: u32) -> Option<String> {
    fields_in(passwd, id).map(|fields| fields[0].to_owned())
}

/// The fields of the first entry with the id and a name.
fn fields_in(passwd: &str, id: u32) -> Option<Vec<&str>> {
    passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| {
        !fields[0].is_empty() && fields.get(2).and_then(|f| f.parse().ok()) == Some(id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_the_first_entry_with_the_id() {
        let passwd = "# comment\n\nroot:x:0:0:root:/root:/bin/sh\nbroken\nshop:x:1000:1000::/:\n\
                      alias:x:1000:1000::/:\n:x:7:7::/:\n";
        for (id, name) in
            [(0, Some("root")), (1000, Some("shop")), (7, None), (1_000_620_000, None)]
        {
            assert_eq!(name_in(passwd, id).as_deref(), name, "{id}");
        }
        assert_eq!(name_in("", 0), None);
    }
}
