//! The name of the user that this process runs as, which is libpq's default role.

/// The name in `/etc/passwd` of the effective user, if it has one: images often don't.
pub(super) fn name() -> Option<String> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    name_in(&passwd, rustix::process::geteuid().as_raw())
}

fn name_in(passwd: &str, id: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
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
