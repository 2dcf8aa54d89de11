//! What Valgrind runs: every case so many times, between marks that show in what it writes down.
//!
//! It counts nothing itself; `cargo xtask guard` starts Valgrind and reads the counts.

use std::hint::black_box;
use std::path::Path;

use anyhow::{Context, Result};
use wharf_guard::cases::Case;
use wharf_guard::client::Client;
use wharf_guard::world;

/// Enough for all that is kept to be there, and for every buffer to have its size.
const WARM_UP: usize = 10;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let usage = "usage: wharf-guard <scratch folder> <requests>";
    let folder = arguments.next().context(usage)?;
    let requests: usize = arguments.next().and_then(|count| count.to_str()?.parse().ok()).context(usage)?;
    world::run(Path::new(&folder), async |client: &mut Client, cases: &mut [Case]| {
        for case in cases {
            let marks = ["begin", "end"].map(|step| format!("/wharf-guard/{step}/{}", case.name));
            for _ in 0..WARM_UP {
                case.run(client).await?;
            }
            guard_mark(&marks[0]);
            for _ in 0..requests {
                case.run(client).await?;
            }
            guard_mark(&marks[1]);
        }
        Ok(())
    })
}

/// Valgrind notes the instructions up to here, by the name of this function, and the system call below, by its path, which
/// is never there.
#[inline(never)]
fn guard_mark(path: &str) {
    let _ = black_box(std::fs::metadata(black_box(path)));
}
