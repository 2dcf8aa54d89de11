//! Starts with TLS: what is said, and what is refused.

use std::time::Duration;

use wharf_testkit::process::{free_address, run_to_failure};
use wharf_testkit::tls::Authority;

use crate::running::{Sections, addr, failure, registry, start, write_config};

use super::{World, section, write};

#[test]
fn the_log_says_https_and_whose_certificate_it_is() {
    let mut world = World::start("", "");
    let address = world.running.server.address();
    world.running.wait_for_log("TLS certificate in use");
    world.running.wait_for_log("CN=a registry");
    world.running.wait_for_log(&format!("address=\"https://{address}\""));
    let said = world.running.child.last_words();
    assert!(!said.contains("level=warning"), "{said}");
}

#[test]
fn a_certificate_that_ends_soon_is_warned_about() {
    let directory = tempfile::tempdir().unwrap();
    let pair = Authority::new("a").server_until("a registry", Duration::from_hours(5 * 24 + 1));
    write(directory.path(), &pair);
    let http = section(directory.path(), "");
    let mut running = start(Sections { http: &http, ..Sections::default() });
    running.wait_for_log("level=warning msg=\"the TLS certificate expires in 5 days");
}

#[test]
fn files_that_are_not_there_are_one_line() {
    let scratch = tempfile::tempdir().unwrap();
    let http = section(scratch.path(), "");
    let address = addr(free_address());
    let config = write_config(scratch.path(), &address, Sections { http: &http, ..Sections::default() });

    let output = run_to_failure(&mut registry(&config));

    assert_eq!(output.status.code(), Some(1));
    let path = scratch.path().join("tls.crt");
    assert_eq!(
        failure(&output),
        format!(
            "error: http.tls.certificate: {} cannot be read: No such file or directory (os error 2)\n",
            path.display()
        )
    );
}
