//! Whose a certificate is, as RFC 4514 writes it.

use std::fmt::Write;

use wharf_auth::{ATTRIBUTE_TYPES, ClientCertificate, escape_value};
use x509_parser::asn1_rs::{Tag, ToDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// Whose this certificate (in DER) is; `None` if it cannot be parsed.
///
/// It verifies nothing.
pub fn subject_of(certificate: &[u8]) -> Option<ClientCertificate> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let subject = certificate.subject();
    let mut common_names: Vec<_> = subject.iter_common_name().map(text_of).collect();
    // The last one is the most specific.
    let common_name = common_names.pop().flatten();
    Some(ClientCertificate {
        subject: written(subject),
        common_name,
        other_common_names: common_names.into_iter().flatten().collect(),
        is_unreadable: subject.iter_attributes().any(is_unreadable),
    })
}

/// Whose a verified certificate is. One that cannot be parsed still counts as one, with a name that cannot be read: a rule
/// that denies must not be passed by it.
pub(super) fn identity_of(certificate: &[u8]) -> ClientCertificate {
    let identity = subject_of(certificate)
        .unwrap_or_else(|| ClientCertificate { is_unreadable: true, ..ClientCertificate::default() });
    if identity.is_unreadable {
        tracing::warn!(
            subject = identity.subject,
            "the name in a client's certificate cannot be read: rules that deny certificates fit it"
        );
    }
    identity
}

/// Whether an attribute that is matched as text is none.
fn is_unreadable(attribute: &AttributeTypeAndValue<'_>) -> bool {
    short_type(attribute).is_some() && text_of(attribute).is_none()
}

/// The text of a value, in whichever string type it is written: the holder of a key often chooses that, and a rule that
/// denies a name must not be passed by another spelling of it.
fn text_of(attribute: &AttributeTypeAndValue<'_>) -> Option<String> {
    if let Ok(text) = attribute.as_str() {
        return Some(text.to_owned());
    }
    let value = attribute.attr_value();
    match value.tag() {
        Tag::BmpString => {
            let (units, rest) = value.data.as_chunks::<2>();
            let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
            rest.is_empty().then(|| String::from_utf16(&units).ok()).flatten()
        }
        Tag::UniversalString => {
            let (units, rest) = value.data.as_chunks::<4>();
            let text = units.iter().map(|unit| char::from_u32(u32::from_be_bytes(*unit))).collect();
            rest.is_empty().then_some(text).flatten()
        }
        // As OpenSSL reads it: Latin-1.
        Tag::T61String => Some(value.data.iter().copied().map(char::from).collect()),
        Tag::VisibleString | Tag::GraphicString | Tag::GeneralString => {
            str::from_utf8(value.data).ok().filter(|text| text.is_ascii()).map(str::to_owned)
        }
        _ => None,
    }
}

/// The whole name: the most specific part first, which stands last in the certificate.
fn written(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> =
        name.iter().map(|part| part.iter().map(written_attribute).collect::<Vec<_>>().join("+")).collect();
    parts.reverse();
    parts.join(",")
}

fn written_attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    match (short_type(attribute), text_of(attribute)) {
        (Some(short), Some(text)) => format!("{short}={}", escape_value(&text)),
        (Some(short), None) => format!("{short}={}", encoded(attribute)),
        (None, _) => format!("{}={}", attribute.attr_type().to_id_string(), encoded(attribute)),
    }
}

/// The name of the attribute's type, if it has one.
fn short_type(attribute: &AttributeTypeAndValue<'_>) -> Option<&'static str> {
    let number = attribute.attr_type().to_id_string();
    ATTRIBUTE_TYPES.iter().find(|(known, _)| *known == number).map(|(_, short)| *short)
}

/// The value as it is in the certificate, in hexadecimal.
fn encoded(attribute: &AttributeTypeAndValue<'_>) -> String {
    let mut text = "#".to_owned();
    for byte in attribute.attr_value().to_der_vec().unwrap_or_default() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    use super::*;

    /// The names of a certificate whose subject has these parts, in this order.
    fn subject(parts: &[(DnType, &str)]) -> ClientCertificate {
        let mut name = DistinguishedName::new();
        for (kind, value) in parts {
            name.push(kind.clone(), DnValue::Utf8String((*value).to_owned()));
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = name;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        subject_of(certificate.der()).unwrap()
    }

    #[track_caller]
    fn check(parts: &[(DnType, &str)], expected: &str, common_name: Option<&str>) {
        let found = subject(parts);
        assert_eq!((found.subject.as_str(), found.common_name.as_deref()), (expected, common_name));
    }

    #[test]
    fn the_most_specific_part_stands_first() {
        check(
            &[
                (DnType::CountryName, "SE"),
                (DnType::OrganizationName, "acme"),
                (DnType::OrganizationalUnitName, "builds"),
                (DnType::CommonName, "builder"),
            ],
            "CN=builder,OU=builds,O=acme,C=SE",
            Some("builder"),
        );
        check(&[(DnType::OrganizationName, "acme")], "O=acme", None);
        check(&[], "", None);
    }

    #[test]
    fn what_would_mean_something_else_is_marked() {
        let rows = [
            ("a,O=b", r"CN=a\,O=b".to_owned()),
            ("#a", r"CN=\#a".to_owned()),
            (" a ", r"CN=\ a\ ".to_owned()),
            (" ", r"CN=\ ".to_owned()),
            (r#"a+"b"<c>;\"#, r#"CN=a\+\"b\"\<c\>\;\\"#.to_owned()),
            ("a\nb\0", r"CN=a\0ab\00".to_owned()),
            ("Åsa", "CN=Åsa".to_owned()),
        ];
        for (name, expected) in rows {
            check(&[(DnType::CommonName, name)], &expected, Some(name));
        }
    }

    #[test]
    fn a_type_without_a_name_is_a_number_and_its_value_is_hexadecimal() {
        let email = DnType::from_oid(&[1, 2, 840, 113_549, 1, 9, 1]);
        check(&[(email, "a@b")], "1.2.840.113549.1.9.1=#0c03614062", None);
    }

    #[test]
    fn a_name_is_the_same_in_every_string_type() {
        let values = [
            DnValue::Utf8String("Åsa,b".to_owned()),
            DnValue::BmpString("Åsa,b".try_into().unwrap()),
            DnValue::UniversalString("Åsa,b".try_into().unwrap()),
        ];
        for value in values {
            let mut params = CertificateParams::default();
            let mut name = DistinguishedName::new();
            name.push(DnType::CommonName, value.clone());
            params.distinguished_name = name;
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            let found = subject_of(certificate.der()).unwrap();
            assert_eq!(found.subject, r"CN=Åsa\,b", "{value:?}");
            assert_eq!(found.common_name.as_deref(), Some("Åsa,b"), "{value:?}");
        }
    }

    /// A certificate with these parts, after other bytes were put in the place of some.
    fn patched(parts: &[(DnType, &str)], old: &[u8], new: &[u8]) -> ClientCertificate {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        parts.iter().for_each(|(kind, value)| params.distinguished_name.push(kind.clone(), *value));
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let mut der = certificate.der().to_vec();
        while let Some(at) = der.windows(old.len()).position(|window| window == old) {
            der[at..at + old.len()].copy_from_slice(new);
        }
        subject_of(&der).unwrap()
    }

    /// A certificate of `CN=zq` with another string type and other bytes in the place of the value.
    fn with_value(tag: u8, value: [u8; 2]) -> ClientCertificate {
        let new = [tag, 2, value[0], value[1]];
        patched(&[(DnType::CommonName, "zq")], &[0x0c, 2, b'z', b'q'], &new)
    }

    #[test]
    fn a_name_that_cannot_be_read_is_marked_as_such() {
        for tag in [0x0c, 0x12, 0x13, 0x14, 0x16, 0x19, 0x1a, 0x1b] {
            let found = with_value(tag, *b"ab");
            let expected = ("CN=ab", Some("ab"), false);
            let found = (&*found.subject, found.common_name.as_deref(), found.is_unreadable);
            assert_eq!(found, expected, "{tag:#x}");
        }
        for (tag, value) in [
            (0x02, *b"ab"),
            (0x04, *b"ab"),
            (0x0c, *b"\xffb"),
            (0x13, *b"a\xe5"),
            (0x1a, *b"a\xe5"),
            (0x1e, *b"\xd8\0"),
        ] {
            let found = with_value(tag, value);
            assert_eq!((found.common_name.as_deref(), found.is_unreadable), (None, true), "{tag:#x}");
        }
    }

    #[test]
    fn every_common_name_is_found() {
        let parts = [(DnType::OrganizationName, "first"), (DnType::CommonName, "last")];
        let found = subject(&parts);
        assert!(found.other_common_names.is_empty() && !found.is_unreadable);
        let found = patched(&parts, &[0x55, 4, 10], &[0x55, 4, 3]);
        let expected = (Some("last"), vec!["first".to_owned()]);
        assert_eq!((found.common_name.as_deref(), found.other_common_names), expected);
    }

    #[test]
    fn a_certificate_that_cannot_be_parsed_is_one_with_an_unreadable_name() {
        let found = identity_of(b"not a certificate");
        assert_eq!((&*found.subject, found.common_name, found.is_unreadable), ("", None, true));
        assert!(!identity_of(&authority()).is_unreadable);
    }

    fn authority() -> Vec<u8> {
        let certificate = CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap();
        certificate.der().to_vec()
    }

    #[test]
    fn what_is_no_certificate_is_nobodys() {
        assert_eq!(subject_of(b""), None);
        assert_eq!(subject_of(b"not a certificate"), None);
    }
}
