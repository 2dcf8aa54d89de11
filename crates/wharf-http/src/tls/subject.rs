//! Whose a certificate is, as RFC 4514 writes it.

use std::fmt::Write;

use wharf_auth::{ATTRIBUTE_TYPES, ClientCertificate, escape_value};
use x509_parser::asn1_rs::{Tag, ToDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// Whose this certificate (in DER) is; `None` if it cannot be read.
///
/// It verifies nothing.
pub fn subject_of(certificate: &[u8]) -> Option<ClientCertificate> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let subject = certificate.subject();
    Some(ClientCertificate { subject: written(subject), common_name: common_name(subject) })
}

/// The last common name, which is the most specific one.
fn common_name(subject: &X509Name<'_>) -> Option<String> {
    text_of(subject.iter_common_name().last()?)
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
    let number = attribute.attr_type().to_id_string();
    let short = ATTRIBUTE_TYPES.iter().find(|(known, _)| *known == number).map(|(_, short)| *short);
    match (short, text_of(attribute)) {
        (Some(short), Some(text)) => format!("{short}={}", escape_value(&text)),
        (short, _) => format!("{}={}", short.unwrap_or(&number), encoded(attribute)),
    }
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

    #[test]
    fn what_is_no_certificate_is_nobodys() {
        assert_eq!(subject_of(b""), None);
        assert_eq!(subject_of(b"not a certificate"), None);
    }
}
