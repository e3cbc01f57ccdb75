//! The image `castoff` itself.

use crate::support::{Castoff, Image, Network};

#[test]
fn the_image_is_one_file_of_at_most_four_megabytes() {
    let image = Image::castoff();
    assert_eq!(image.files(), ["castoff"]);
    let size: u64 = image.inspect("{{.Size}}").parse().unwrap();
    assert!(size <= 4_000_000, "{size} bytes");
}

#[test]
fn it_starts_castoff_as_a_numeric_user_without_privileges() {
    let image = Image::castoff();
    assert_eq!(image.inspect("{{json .Config.Entrypoint}}"), r#"["/castoff","run","--"]"#);
    assert_eq!(image.inspect("{{json .Config.Cmd}}"), "null");
    assert_eq!(image.inspect("{{.Config.User}}"), "65532:65532");
}

#[test]
fn its_labels_say_what_it_is() {
    let image = Image::castoff();
    let label = |name: &str| {
        image.inspect(&format!(r#"{{{{index .Config.Labels "org.opencontainers.image.{name}"}}}}"#))
    };
    assert_eq!(label("title"), "castoff");
    assert_eq!(label("description"), env!("CARGO_PKG_DESCRIPTION"));
    assert_eq!(label("licenses"), env!("CARGO_PKG_LICENSE"));
    assert_eq!(label("source"), env!("CARGO_PKG_REPOSITORY"));
    assert_eq!(label("version"), env!("CARGO_PKG_VERSION"));
    let network = Network::new();
    let version = Castoff::new(&network).image(&image).program("/castoff", &["version"]).run();
    assert_eq!(version.assert_code(0).stdout, format!("castoff {}\n", label("version")));
}
