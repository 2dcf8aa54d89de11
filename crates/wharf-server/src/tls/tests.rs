//! Files that are taken up, and files that are not: each kind of key, each mistake, and renewals step by step.

#![expect(clippy::disallowed_methods, reason = "the files of a test")]

use std::error::Error;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;
use wharf_testkit::clock::ManualClock;
use wharf_testkit::tls::{Authority, Pair};

use super::*;
use crate::config::{ClientAuth, ClientTrust, TlsVersion};

/// A directory with files for TLS.
struct Files {
    directory: TempDir,
    config: TlsConfig,
}

impl Files {
    fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = TlsConfig {
            certificate: directory.path().join("tls.crt"),
            key: directory.path().join("tls.key"),
            clients: None,
            minimum: TlsVersion::Tls12,
            suites: Vec::new(),
        };
        Self { directory, config }
    }

    fn of(pair: &Pair) -> Self {
        let files = Self::empty();
        files.write(&pair.certificate, &pair.key);
        files
    }

    fn write(&self, certificate: &str, key: &str) {
        fs::write(&self.config.certificate, certificate).unwrap();
        fs::write(&self.config.key, key).unwrap();
    }

    fn trusting(self, authorities: &str) -> Self {
        let path = self.directory.path().join("clients.crt");
        fs::write(&path, authorities).unwrap();
        let clients = ClientTrust { authorities: vec![path], auth: ClientAuth::default() };
        Self { config: TlsConfig { clients: Some(clients), ..self.config }, ..self }
    }

    fn keeper(&self) -> Keeper {
        Keeper::open(&self.config, true).unwrap()
    }

    /// The one line that an operator is told, with the directory left out.
    #[track_caller]
    fn check_refused(&self, expected: &str) {
        let error = Keeper::open(&self.config, true).unwrap_err();
        let mut line = error.to_string();
        if let Some(source) = error.source() {
            line = format!("{line}: {source}");
        }
        let directory = format!("{}/", self.directory.path().display());
        assert_eq!(line.replace(&directory, ""), expected);
    }
}

/// The name of P-256.
const CURVE: &str = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";

fn pair() -> Pair {
    Authority::new("a").server("a registry")
}

/// Whose certificate is in use.
fn subject(keeper: &Keeper) -> String {
    keeper.watched().leaf.subject.clone()
}

fn told(keeper: &Keeper) -> Option<Told> {
    keeper.watched().broken.as_ref().map(|(_, told)| *told)
}

#[test]
fn keys_are_read_in_every_wrapping() {
    let (authority, pair) = (Authority::new("a"), pair());
    let rsa = authority.server_with_rsa("a registry");
    for (pair, key) in [
        (&pair, pair.key.clone()),
        (&pair, pair.unwrapped("EC PRIVATE KEY")),
        // As OpenSSL makes them: which curve, then the key.
        (&pair, format!("{CURVE}{}", pair.unwrapped("EC PRIVATE KEY"))),
        (&pair, pair.key.replace('\n', "\r\n")),
        (&rsa, rsa.key.clone()),
        (&rsa, rsa.unwrapped("RSA PRIVATE KEY")),
    ] {
        let files = Files::empty();
        // As files are found: what links the certificate to a root after it, and remarks before.
        files.write(&format!("a remark\n{}{}", pair.certificate, authority.pem()), &format!("# mine\n{key}"));
        assert_eq!(subject(&files.keeper()), "CN=a registry");
    }
}

#[test]
fn every_mistake_is_one_line() {
    let none = Files::empty();
    none.check_refused(
        "http.tls.certificate: tls.crt cannot be read: No such file or directory (os error 2)",
    );
    let pair = pair();
    let check = |certificate: &str, key: &str, expected: &str| {
        let files = Files::empty();
        files.write(certificate, key);
        files.check_refused(expected);
    };
    let no_certificate = "http.tls.certificate: tls.crt holds no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----";
    check("", &pair.key, no_certificate);
    check(&pair.key, &pair.key, no_certificate);
    check(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        &pair.key,
        "http.tls.certificate: tls.crt holds a certificate that cannot be read; expected X.509",
    );
    check(
        &pair.certificate[..pair.certificate.len() / 2],
        &pair.key,
        "http.tls.certificate: tls.crt is not PEM: a section in it has no end",
    );
    check(
        &pair.certificate,
        &pair.certificate,
        "http.tls.key: tls.key holds no private key in PEM (PKCS#8, PKCS#1 or SEC1)",
    );
    for label in ["ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n-----"] {
        check(
            &pair.certificate,
            &format!("-----BEGIN {label}-----\nAAAA\n"),
            "http.tls.key: tls.key is encrypted, and there is nobody to ask for a password; `openssl pkey` decrypts it",
        );
    }
    check(
        &pair.certificate,
        &self::pair().key,
        "http.tls.key: tls.key is not the key of the certificate in tls.crt, the first one there",
    );
    Files::of(&pair).trusting("").check_refused(
        "http.tls.clientcas[0]: clients.crt holds no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----",
    );
    Files::of(&pair)
        .trusting("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .check_refused("http.tls.clientcas: none of the certificates can be trusted as an authority");
}

#[test]
fn an_odd_authority_among_others_is_left_out() {
    let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    Files::of(&pair()).trusting(&format!("{odd}{}", Authority::new("b").pem())).keeper();
}

#[test]
fn half_of_a_renewal_is_waited_out() {
    let authority = Authority::new("a");
    let (old, new) = (authority.server("old"), authority.server("new"));
    let files = Files::of(&old);
    let keeper = files.keeper();
    let before = keeper.handshake();

    files.write(&new.certificate, &old.key);
    keeper.look(Why::Time);
    assert_eq!(told(&keeper), Some(Told::NotYet));
    assert!(Arc::ptr_eq(&keeper.handshake().config, &before.config));

    files.write(&new.certificate, &new.key);
    keeper.look(Why::Time);
    assert_eq!((subject(&keeper).as_str(), told(&keeper)), ("CN=new", None));
    assert!(!Arc::ptr_eq(&keeper.handshake().config, &before.config));
}

#[test]
fn what_stays_broken_is_told_once_and_mended_by_a_mended_file() {
    let authority = Authority::new("a");
    let (old, new) = (authority.server("old"), authority.server("new"));
    let files = Files::of(&old);
    let keeper = files.keeper();

    files.write("nothing", &new.key);
    keeper.look(Why::Time);
    assert_eq!(told(&keeper), Some(Told::NotYet));
    for _ in 0..3 {
        keeper.look(Why::Time);
        assert_eq!(told(&keeper), Some(Told::Yes));
    }
    // Another mistake is another thing to tell.
    fs::remove_file(&files.config.certificate).unwrap();
    keeper.look(Why::Time);
    assert_eq!(told(&keeper), Some(Told::NotYet));
    // Whoever asks is answered at once.
    keeper.look(Why::Asked);
    assert_eq!(told(&keeper), Some(Told::Yes));
    assert_eq!(subject(&keeper), "CN=old");

    files.write(&new.certificate, &new.key);
    keeper.look(Why::Time);
    assert_eq!((subject(&keeper).as_str(), told(&keeper)), ("CN=new", None));
}

/// As a cluster renews a mounted secret: everything is a link through one that is replaced.
#[test]
fn a_link_that_leads_elsewhere_is_a_change() {
    let authority = Authority::new("a");
    let files = Files::empty();
    let directory = files.directory.path();
    let put = |name: &str, pair: &Pair| {
        let folder = directory.join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("tls.crt"), &pair.certificate).unwrap();
        fs::write(folder.join("tls.key"), &pair.key).unwrap();
    };
    put("..1", &authority.server("first"));
    put("..2", &authority.server("second"));
    symlink("..1", directory.join("..data")).unwrap();
    symlink("..data/tls.crt", directory.join("tls.crt")).unwrap();
    symlink("..data/tls.key", directory.join("tls.key")).unwrap();
    let keeper = files.keeper();
    assert_eq!(subject(&keeper), "CN=first");

    symlink("..2", directory.join("..data_tmp")).unwrap();
    fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();
    keeper.look(Why::Time);

    assert_eq!(subject(&keeper), "CN=second");
}

#[test]
fn authorities_are_looked_at_too() {
    let files = Files::of(&pair()).trusting(Authority::new("b").pem());
    let keeper = files.keeper();
    let before = keeper.handshake();
    keeper.look(Why::Time);
    assert!(Arc::ptr_eq(&keeper.handshake().config, &before.config), "nothing has changed");

    let path: &Path = &files.config.clients.as_ref().unwrap().authorities[0];
    fs::write(path, Authority::new("a successor").pem()).unwrap();
    keeper.look(Why::Time);

    assert!(!Arc::ptr_eq(&keeper.handshake().config, &before.config));
}

#[test]
fn an_end_that_is_near_is_told_once_a_day() {
    const DAY: Duration = Duration::from_hours(24);
    let files = Files::of(&pair());
    let clock = ManualClock::default();
    let keeper = Keeper::open_with(&files.config, true, Arc::new(clock.clone())).unwrap();
    let end = keeper.watched().leaf.not_after;
    let reminded = || keeper.watched().reminded;
    assert_eq!(reminded(), None);

    clock.advance(end.duration_since(clock.now()).unwrap() - 10 * DAY);
    keeper.look(Why::Time);
    let first = Some(clock.now());
    assert_eq!(reminded(), first);
    clock.advance(DAY / 2);
    keeper.look(Why::Time);
    assert_eq!(reminded(), first);
    clock.advance(DAY / 2);
    keeper.look(Why::Time);
    assert_eq!(reminded(), Some(clock.now()));
}
