//! Digests: the known values, what is refused, and how they sort.

use proptest::prelude::*;

use super::*;

/// sha256 of nothing, from FIPS 180.
const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(crate) fn any_digest() -> impl Strategy<Value = Digest> {
    (prop::sample::select(&Algorithm::ALL[..]), any::<[u8; 8]>())
        .prop_map(|(algorithm, content)| Digest::of_with(algorithm, &content))
}

#[test]
fn content_has_the_known_digest() {
    let check = |algorithm, start: &str, end: &str| {
        let digest = Digest::of_with(algorithm, b"abc");
        assert_eq!(digest.algorithm(), algorithm);
        assert_eq!(digest.hex().len(), algorithm.hex_len());
        assert!(digest.hex().starts_with(start) && digest.hex().ends_with(end), "{digest}");
        assert_eq!(digest.to_string(), format!("{algorithm}:{}", digest.hex()));
        assert_eq!(digest.as_bytes().len() * 2, algorithm.hex_len());
    };
    assert_eq!(Digest::of(b"").to_string(), EMPTY);
    check(Algorithm::Sha256, "ba7816bf8f01cfea", "f20015ad");
    check(Algorithm::Sha384, "cb00753f45a35e8b", "58baeca134c825a7");
    check(Algorithm::Sha512, "ddaf35a193617aba", "2a9ac94fa54ca49f");
}

#[test]
fn a_malformed_digest_says_what_was_expected() {
    let check = |text: &str, message: &str| {
        let error = text.parse::<Digest>().unwrap_err();
        assert!(error.to_string().contains(message), "{text}: {error}");
    };
    for text in
        ["", "sha256", ":", ":00", "SHA256:00", "sha256+:00", "+sha256:00", "a..b:00", "sha 256:00", "é:0"]
    {
        check(text, "expected <algorithm>:<hex>");
    }
    for text in ["md5:00", "sha1:00", "sha256+b64u:00", "sha512_256:00", "blake3:00"] {
        check(text, "expected sha256, sha384 or sha512");
    }
    check("sha256:", "has 64 hex digits, this one has 0");
    check(&EMPTY[..EMPTY.len() - 1], "has 64 hex digits, this one has 63");
    check(&format!("{EMPTY}0"), "has 64 hex digits, this one has 65");
    check(&EMPTY.replace("sha256", "sha512"), "has 128 hex digits, this one has 64");
    check(&EMPTY.replace('e', "E"), "not 'E'");
    check(&format!("{} ", &EMPTY[..70]), "not ' '");
    check(&format!("{}é", &EMPTY[..69]), "not 'é'");
    check(&format!("{}:", &EMPTY[..70]), "not ':'");
}

#[test]
fn a_message_repeats_only_the_start_of_a_long_text() {
    let error = "\n".repeat(100_000).parse::<Digest>().unwrap_err().to_string();
    assert!(error.len() < 500 && !error.contains('\n'), "{error}");
}

#[test]
fn json_holds_the_text() {
    let digest: Digest = serde_json::from_str(&format!("\"{EMPTY}\"")).unwrap();
    assert_eq!(digest, Digest::of(b""));
    assert_eq!(serde_json::to_string(&digest).unwrap(), format!("\"{EMPTY}\""));
    assert_eq!(serde_json::from_str::<Algorithm>("\"sha512\"").unwrap(), Algorithm::Sha512);
    for wrong in ["\"sha256:00\"", "\"\"", "5", "null"] {
        assert!(serde_json::from_str::<Digest>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn display_pads() {
    assert_eq!(format!("{:>80}", Digest::of(b"")).len(), 80);
    assert_eq!(format!("{:8}|", Algorithm::Sha256), "sha256  |");
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(digest in any_digest()) {
        prop_assert_eq!(digest.to_string().parse(), Ok(digest));
    }

    #[test]
    fn what_is_read_is_written_back(text in "(sha256|sha384|sha512):([0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})") {
        if let Ok(digest) = text.parse::<Digest>() {
            prop_assert_eq!(digest.to_string(), text);
        }
    }

    #[test]
    fn digests_sort_as_their_text(a in any_digest(), b in any_digest()) {
        prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
    }

    #[test]
    fn nonsense_never_panics(text in ".*", near in "sha(256|512):[0-9a-fA-Fé]{60,130}") {
        let _ = text.parse::<Digest>();
        let _ = near.parse::<Digest>();
        let _ = text.parse::<Algorithm>();
    }
}
