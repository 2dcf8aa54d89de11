//! What a secret must be to make signing keys from it.
//!
//! One token is all that it takes to try guesses, as many as one likes: the key's id in it tells a right one. So a secret
//! that can be guessed gives away every name, and none such makes a key.

/// The fewest bytes that a secret has.
const LEAST_BYTES: usize = 32;

/// The fewest different bytes. Of 32 random hexadecimal digits, hardly any text has fewer than 9.
const LEAST_DIFFERENT: usize = 8;

/// What samples and templates say, in small letters: the documentation of registries, charts and compose files, and what is
/// written to be replaced. Long enough not to come up by chance.
const SAMPLES: [&str; 16] = [
    "asecretforlocaldevelopment",
    "placeholder",
    "changeme",
    "change-me",
    "change_me",
    "replaceme",
    "replace-me",
    "replace_me",
    "randomsecret",
    "random-secret",
    "sharedsecret",
    "yoursecret",
    "your-secret",
    "supersecret",
    "0123456789abcdef",
    "abcdefghijkl",
];

/// Why no key is made from a secret. It does not say what the secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakSecret {
    /// It is short.
    #[error(
        "{bytes} bytes are too few to sign tokens with, {LEAST_BYTES} are needed; make it with `openssl rand -hex 32`"
    )]
    Short {
        /// How many bytes it has.
        bytes: usize,
    },
    /// It is from a sample, or a few characters again and again.
    #[error("it can be guessed and must not sign tokens; make it with `openssl rand -hex 32`")]
    Guessable,
}

impl WeakSecret {
    /// Refuses a secret that can be guessed from one token.
    ///
    /// # Errors
    /// It has fewer than 32 bytes, repeats itself, or contains what is known from samples.
    pub fn check(secret: &[u8]) -> Result<(), Self> {
        let mut different = secret.to_vec();
        different.sort_unstable();
        different.dedup();
        let text = String::from_utf8_lossy(secret).to_ascii_lowercase();
        if secret.len() < LEAST_BYTES {
            Err(Self::Short { bytes: secret.len() })
        } else if different.len() < LEAST_DIFFERENT
            || repeats(secret)
            || SAMPLES.iter().any(|sample| text.contains(sample))
        {
            Err(Self::Guessable)
        } else {
            Ok(())
        }
    }
}

/// Whether it is a text of half its length or less, again and again.
fn repeats(secret: &[u8]) -> bool {
    (1..=secret.len() / 2)
        .any(|period| secret.iter().zip(&secret[period..]).all(|(left, right)| left == right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_can_be_guessed_is_refused() {
        let long = "x9".repeat(40);
        let rows = [
            ("", Err(WeakSecret::Short { bytes: 0 })),
            ("asecretforlocaldevelopment", Err(WeakSecret::Short { bytes: 26 })),
            ("b4c1f0a2d9e87736b4c1f0a2d9e8773", Err(WeakSecret::Short { bytes: 31 })),
            ("asecretforlocaldevelopment-of-the-team", Err(WeakSecret::Guessable)),
            ("PLACEHOLDER: put a secret of yours here", Err(WeakSecret::Guessable)),
            ("changemechangemechangemechangeme", Err(WeakSecret::Guessable)),
            ("0123456789abcdef0123456789abcdef", Err(WeakSecret::Guessable)),
            ("b4c1f0a2d9e87736b4c1f0a2d9e87736", Err(WeakSecret::Guessable)),
            ("00000000000000000000000000000001", Err(WeakSecret::Guessable)),
            (long.as_str(), Err(WeakSecret::Guessable)),
            ("b4c1f0a2d9e877365be0c3f1a2967d48", Ok(())),
            ("8f6c0f9a2b1de4730c5f1f7b9a3e6d2495b8c7a0e1d3f2468ace013579bdf024", Ok(())),
            ("Zk3q+0oV1yq9bX0m8S6vS7b0x6C3r1tQ2w5e8u1i4o0=", Ok(())),
        ];
        for (secret, expected) in rows {
            assert_eq!(WeakSecret::check(secret.as_bytes()), expected, "{secret}");
        }
    }

    #[test]
    fn why_a_secret_is_refused_says_what_to_do() {
        let short = WeakSecret::check(b"swordfish").unwrap_err().to_string();
        assert!(short.contains("openssl rand -hex 32") && !short.contains("swordfish"), "{short}");
    }
}
