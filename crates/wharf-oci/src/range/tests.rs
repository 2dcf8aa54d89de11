//! The `Range` header: what is read, and what it comes to.

use proptest::prelude::*;

use super::*;
use RangeSpec::{From, FromTo, Suffix};

fn one(start: u64, length: u64) -> Resolved {
    Resolved::One(ByteRange { start, length })
}

#[test]
fn a_header_is_read_by_the_grammar() {
    let check = |header: &str, expected: &[RangeSpec]| {
        assert_eq!(RangeSet::parse(header).unwrap().unwrap().specs(), expected, "{header}");
    };
    check("bytes=0-0", &[FromTo { first: 0, last: 0 }]);
    check("bytes=5-", &[From { first: 5 }]);
    check("bytes=-5", &[Suffix { length: 5 }]);
    check("Bytes= 1-2 , 4- ,, -3 ", &[FromTo { first: 1, last: 2 }, From { first: 4 }, Suffix { length: 3 }]);
    check("bytes=0-99999999999999999999999", &[FromTo { first: 0, last: u64::MAX }]);
    check("bytes=99999999999999999999999-", &[From { first: u64::MAX }]);
}

#[test]
fn another_unit_is_ignored() {
    for header in ["", "bytes", "bytes 0-1", "items=0-1", "0-1", "=0-1"] {
        assert_eq!(RangeSet::parse(header), Ok(None), "{header}");
    }
}

#[test]
fn a_malformed_header_is_refused() {
    for header in [
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=5",
        "bytes=5-2",
        "bytes=a-b",
        "bytes=0-1,x",
        "bytes=--1",
        "bytes=+0-1",
        "bytes=0-1-2",
        "bytes=0 - 1",
        "bytes==0-1",
        "bytes=0-1;2-3",
        "bytes=é-",
    ] {
        assert_eq!(RangeSet::parse(header), Err(RangeError::Malformed), "{header}");
    }
}

#[test]
fn the_number_of_ranges_has_a_limit() {
    let header = |count: usize| format!("bytes={}", vec!["0-0"; count].join(","));
    assert_eq!(RangeSet::parse(&header(MAX_RANGES)).unwrap().unwrap().specs().len(), MAX_RANGES);
    assert_eq!(RangeSet::parse(&header(MAX_RANGES + 1)), Err(RangeError::TooMany));
}

#[test]
fn ranges_come_to_bytes_that_exist() {
    let check = |header: &str, size, expected: Result<Resolved, Unsatisfiable>| {
        assert_eq!(RangeSet::parse(header).unwrap().unwrap().resolve(size), expected, "{header} of {size}");
    };
    let none = |size| Err(Unsatisfiable { size });
    check("bytes=1-2", 5, Ok(one(1, 2)));
    check("bytes=0-", 5, Ok(one(0, 5)));
    check("bytes=4-", 5, Ok(one(4, 1)));
    check("bytes=0-99", 5, Ok(one(0, 5)));
    check("bytes=0-99999999999999999999999", 5, Ok(one(0, 5)));
    check("bytes=-2", 5, Ok(one(3, 2)));
    check("bytes=-99", 5, Ok(one(0, 5)));
    check("bytes=5-", 5, none(5));
    check("bytes=99-", 5, none(5));
    check("bytes=-0", 5, none(5));
    // A blob without bytes is sent whole, as Go's file server does: proxies that cut files into ranges ask so.
    for header in ["bytes=0-", "bytes=-1", "bytes=5-9", "bytes=0-0,2-"] {
        check(header, 0, Ok(Resolved::Whole));
    }
    check("bytes=99-,1-2", 5, Ok(one(1, 2)));
    check("bytes=99-,-0", 5, none(5));
    let parts = vec![ByteRange { start: 3, length: 2 }, ByteRange { start: 0, length: 1 }];
    check("bytes=3-,0-0", 5, Ok(Resolved::Many(parts)));
    check(
        "bytes=0-2,3-4",
        5,
        Ok(Resolved::Many(vec![ByteRange { start: 0, length: 3 }, ByteRange { start: 3, length: 2 }])),
    );
    check("bytes=0-2,2-4", 5, Ok(Resolved::Whole));
    check("bytes=0-,0-,0-", u64::MAX, Ok(Resolved::Whole));
    check("bytes=0-18446744073709551615", u64::MAX, Ok(one(0, u64::MAX)));
}

#[test]
fn content_range_names_the_last_byte() {
    let range = ByteRange { start: 1, length: 2 };
    assert_eq!(range.last(), 2);
    assert_eq!(range.content_range(5), "bytes 1-2/5");
    assert_eq!(Unsatisfiable { size: 5 }.content_range(), "bytes */5");
    assert_eq!(ByteRange { start: u64::MAX, length: u64::MAX }.last(), u64::MAX);
    assert_eq!(ByteRange { start: 0, length: 0 }.last(), 0);
}

proptest! {
    #[test]
    fn whatever_is_resolved_lies_within(header in "bytes=([0-9]{0,3}-[0-9]{0,3},?){0,4}", size in 0_u64..200) {
        let Ok(Some(set)) = RangeSet::parse(&header) else { return Ok(()) };
        let ranges = match set.resolve(size) {
            Ok(Resolved::Whole) | Err(_) => Vec::new(),
            Ok(Resolved::One(range)) => vec![range],
            Ok(Resolved::Many(ranges)) => {
                prop_assert!(ranges.len() > 1 && ranges.iter().map(|range| range.length).sum::<u64>() <= size);
                ranges
            }
        };
        for range in ranges {
            prop_assert!(range.length > 0 && range.last() < size, "{range:?} of {size}");
        }
    }

    #[test]
    fn nonsense_never_panics(header in ".*", rest in ".*", size: u64) {
        for header in [header, format!("bytes={rest}")] {
            if let Ok(Some(set)) = RangeSet::parse(&header) {
                let _ = set.resolve(size);
            }
        }
    }
}
