//! A request line: whatever is asked for, there is a route or a clear refusal, and a path that we write leads back to where it was written for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_oci::{Route, blob_path, query_value};

fuzz_target!(|input: (&str, &str, Option<&str>)| {
    let (method, path, query) = input;
    match Route::parse(method, path, query) {
        Ok(Route::GetBlob { name, digest }) => {
            let again = Route::parse("GET", &blob_path(&name, &digest), None);
            assert_eq!(again, Ok(Route::GetBlob { name, digest }));
        }
        Ok(route) => drop(route.name().map(ToString::to_string)),
        Err(error) => {
            assert!((400..500).contains(&error.status()), "{error:?}");
            drop((error.code().as_str(), error.detail(), error.to_string()));
        }
    }
    drop(query_value(query, "ns"));
});
