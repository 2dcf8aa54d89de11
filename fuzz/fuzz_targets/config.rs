//! A configuration file with variables over it: a meaning or errors, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_server::config::{Config, Source, UnknownKeys};

fuzz_target!(|input: (&str, Vec<(&str, &str)>)| {
    let (text, variables) = input;
    let variables: Vec<(String, String)> = variables
        .into_iter()
        .map(|(name, value)| (format!("REGISTRY_{}", name.to_uppercase()), value.to_owned()))
        .collect();
    match Config::parse(Source::File("config.yml".into()), text, &variables, UnknownKeys::Warn) {
        Ok(config) => drop(config.to_string()),
        Err(errors) => {
            assert!(!errors.is_empty());
            errors.iter().for_each(|error| drop(error.to_string()));
        }
    }
});
