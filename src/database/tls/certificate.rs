//! What castoff reads of an X.509 certificate (RFC 5280) beside what rustls verifies.
//!
//! rustls shows neither issuer nor common name nor the hash of the signature, and knows no
//! certificate of version 1, which is what the recipe of PostgreSQL's manual makes.

use rustls::pki_types::{SignatureVerificationAlgorithm, UnixTime};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// A certificate, in slices of its bytes. Nothing of it has been verified.
pub(super) struct Certificate<'a> {
    der: &'a [u8],
    /// The part that is signed.
    signed: &'a [u8],
    signature_algorithm: &'a [u8],
    signature: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    not_before: u64,
    not_after: u64,
    /// The public key with its algorithm, as it stands in the certificate.
    pub(super) public_key_info: &'a [u8],
    public_key: PublicKey<'a>,
    extensions: Option<&'a [u8]>,
}

struct PublicKey<'a> {
    algorithm: &'a [u8],
    bits: &'a [u8],
}

/// A name or an address in a certificate's `subjectAltName`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AlternativeName<'a> {
    Dns(&'a [u8]),
    Ip(&'a [u8]),
}

mod tag {
    pub(super) const BOOLEAN: u8 = 0x01;
    pub(super) const INTEGER: u8 = 0x02;
    pub(super) const BIT_STRING: u8 = 0x03;
    pub(super) const OCTET_STRING: u8 = 0x04;
    pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(super) const UTC_TIME: u8 = 0x17;
    pub(super) const GENERALIZED_TIME: u8 = 0x18;
    pub(super) const SEQUENCE: u8 = 0x30;
    pub(super) const SET: u8 = 0x31;
    pub(super) const VERSION: u8 = 0xa0;
    pub(super) const EXTENSIONS: u8 = 0xa3;
    pub(super) const DNS_NAME: u8 = 0x82;
    pub(super) const IP_ADDRESS: u8 = 0x87;
}

/// `id-at-commonName`, `id-ce-subjectAltName` and `id-ce-basicConstraints`.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];

/// `rsadsi pkcs-1` and `ecdsa-with-SHA2`, without the last number, which names the hash.
const PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
const ECDSA_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
const ECDSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];

impl<'a> Certificate<'a> {
    /// Reads a certificate; `None` if it is none.
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let mut whole = Reader(der);
        let mut outer = whole.inside(tag::SEQUENCE)?;
        whole.end()?;
        let at = outer.0;
        let mut inner = outer.inside(tag::SEQUENCE)?;
        let signed = &at[..at.len() - outer.0.len()];
        let signature_algorithm = outer.value(tag::SEQUENCE)?;
        let signature = outer.bits()?;
        outer.end()?;

        inner.optional(tag::VERSION);
        inner.value(tag::INTEGER)?;
        inner.value(tag::SEQUENCE)?;
        let issuer = inner.value(tag::SEQUENCE)?;
        let mut validity = inner.inside(tag::SEQUENCE)?;
        let not_before = validity.time()?;
        let not_after = validity.time()?;
        let subject = inner.value(tag::SEQUENCE)?;
        let at = inner.0;
        let mut info = inner.inside(tag::SEQUENCE)?;
        let public_key_info = &at[..at.len() - inner.0.len()];
        let public_key = PublicKey { algorithm: info.value(tag::SEQUENCE)?, bits: info.bits()? };
        // The unique identifiers of version 2 may stand before the extensions.
        let extensions = std::iter::from_fn(|| inner.next())
            .find_map(|(found, value)| (found == tag::EXTENSIONS).then_some(value));
        Some(Self {
            der,
            signed,
            signature_algorithm,
            signature,
            issuer,
            subject,
            not_before,
            not_after,
            public_key_info,
            public_key,
            extensions,
        })
    }

    /// Whether it names itself as its issuer.
    pub(super) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    pub(super) fn is_issued_by(&self, other: &Certificate<'_>) -> bool {
        self.issuer == other.subject
    }

    /// Whether it says nothing of what it is for, as a certificate of version 1.
    pub(super) fn has_no_extensions(&self) -> bool {
        self.extensions.is_none()
    }

    /// Whether it is that of a CA; one of version 1 cannot say.
    pub(super) fn may_sign(&self) -> bool {
        let constraints = self.extension(BASIC_CONSTRAINTS);
        let is_ca = constraints.and_then(|mut r| r.inside(tag::SEQUENCE)?.optional(tag::BOOLEAN));
        self.has_no_extensions() || is_ca == Some(&[0xff])
    }

    pub(super) fn begins_after(&self, now: UnixTime) -> bool {
        now.as_secs() < self.not_before
    }

    pub(super) fn is_expired(&self, now: UnixTime) -> bool {
        self.not_after < now.as_secs()
    }

    /// Whether the key of `issuer` has signed it, by one of these algorithms.
    pub(super) fn is_signed_by(
        &self,
        issuer: &Certificate<'_>,
        algorithms: &[&dyn SignatureVerificationAlgorithm],
    ) -> bool {
        let named = |algorithm: &&&dyn SignatureVerificationAlgorithm| {
            *algorithm.signature_alg_id() == *self.signature_algorithm
        };
        issuer.has_signed(self.signed, self.signature, algorithms.iter().filter(named))
    }

    /// Whether its key has signed the message, by one of these algorithms.
    pub(super) fn has_signed<'b>(
        &self,
        message: &[u8],
        signature: &[u8],
        algorithms: impl IntoIterator<Item = &'b &'b dyn SignatureVerificationAlgorithm>,
    ) -> bool {
        let PublicKey { algorithm: of_key, bits } = self.public_key;
        algorithms.into_iter().any(|algorithm| {
            *algorithm.public_key_alg_id() == *of_key
                && algorithm.verify_signature(bits, message, signature).is_ok()
        })
    }

    /// The first common name of the subject.
    pub(super) fn common_name(&self) -> Option<&'a [u8]> {
        let mut subject = Reader(self.subject);
        while let Some(mut set) = subject.inside(tag::SET) {
            while let Some(mut attribute) = set.inside(tag::SEQUENCE) {
                if attribute.value(tag::OBJECT_IDENTIFIER)? == COMMON_NAME {
                    return attribute.next().map(|(_, value)| value);
                }
            }
        }
        None
    }

    /// The names and addresses of `subjectAltName`, in order; those of other kinds are left out.
    pub(super) fn alternative_names(&self) -> Vec<AlternativeName<'a>> {
        let Some(mut names) = self.extension(SUBJECT_ALT_NAME) else { return Vec::new() };
        let Some(mut names) = names.inside(tag::SEQUENCE) else { return Vec::new() };
        std::iter::from_fn(|| names.next())
            .filter_map(|(kind, value)| match kind {
                tag::DNS_NAME => Some(AlternativeName::Dns(value)),
                tag::IP_ADDRESS => Some(AlternativeName::Ip(value)),
                _ => None,
            })
            .collect()
    }

    fn extension(&self, wanted: &[u8]) -> Option<Reader<'a>> {
        let mut extensions = Reader(self.extensions?).inside(tag::SEQUENCE)?;
        while let Some(mut extension) = extensions.inside(tag::SEQUENCE) {
            let id = extension.value(tag::OBJECT_IDENTIFIER)?;
            // Between the two there may be whether it is critical.
            let value = std::iter::from_fn(|| extension.next())
                .find_map(|(found, value)| (found == tag::OCTET_STRING).then_some(value));
            if id == wanted {
                return value.map(Reader);
            }
        }
        None
    }

    /// The hash that binds a password exchange to the server's certificate (RFC 5929,
    /// `tls-server-end-point`); `None` where the RFC leaves it undefined.
    pub(super) fn end_point(&self) -> Option<Vec<u8>> {
        let id = Reader(self.signature_algorithm).value(tag::OBJECT_IDENTIFIER)?;
        if id == ECDSA_SHA1 {
            return Some(Sha256::digest(self.der).to_vec());
        }
        let (hash, family) = id.split_last()?;
        match (family, hash) {
            // MD5 and SHA-1 are replaced by SHA-256.
            (PKCS1, 4 | 5 | 11) | (ECDSA_SHA2, 2) => Some(Sha256::digest(self.der).to_vec()),
            (PKCS1, 12) | (ECDSA_SHA2, 3) => Some(Sha384::digest(self.der).to_vec()),
            (PKCS1, 13) | (ECDSA_SHA2, 4) => Some(Sha512::digest(self.der).to_vec()),
            _ => None,
        }
    }
}

/// Reads values of the Distinguished Encoding Rules, one behind the other.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next value with its tag.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&found, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            let (bytes, behind) = rest.split_at_checked(usize::from(first & 0x7f))?;
            if !(1..=4).contains(&bytes.len()) {
                return None;
            }
            length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
            rest = behind;
        }
        let (value, behind) = rest.split_at_checked(length)?;
        self.0 = behind;
        Some((found, value))
    }

    /// The next value if it has this tag; otherwise it is not read.
    fn optional(&mut self, wanted: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let (found, value) = ahead.next()?;
        if found != wanted {
            return None;
        }
        *self = ahead;
        Some(value)
    }

    fn value(&mut self, wanted: u8) -> Option<&'a [u8]> {
        self.optional(wanted)
    }

    fn inside(&mut self, wanted: u8) -> Option<Self> {
        self.value(wanted).map(Reader)
    }

    /// A bit string of whole bytes.
    fn bits(&mut self) -> Option<&'a [u8]> {
        let (unused, bits) = self.value(tag::BIT_STRING)?.split_first()?;
        (*unused == 0).then_some(bits)
    }

    fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    /// A point in time, in seconds since 1970; what is earlier counts as then.
    fn time(&mut self) -> Option<u64> {
        let (kind, text) = self.next()?;
        let digits = text.strip_suffix(b"Z").filter(|text| text.iter().all(u8::is_ascii_digit))?;
        let (year, rest) = match kind {
            // RFC 5280, 4.1.2.5.1: the two digits of the year mean 1950 to 2049.
            tag::UTC_TIME => {
                let (year, rest) = digits.split_at_checked(2)?;
                let year = decimal(year);
                (if year < 50 { 2000 + year } else { 1900 + year }, rest)
            }
            tag::GENERALIZED_TIME => {
                let (year, rest) = digits.split_at_checked(4)?;
                (decimal(year), rest)
            }
            _ => return None,
        };
        let fields: Vec<u64> = rest.chunks(2).map(decimal).collect();
        let [month @ 1..=12, day @ 1..=31, hour, minute, second] = fields[..] else { return None };
        let days = days_before(year, month) + day - 1;
        let epoch = days_before(1970, 1);
        let seconds = days.saturating_sub(epoch) * 86_400;
        Some(if days < epoch { 0 } else { seconds + hour * 3600 + minute * 60 + second })
    }
}

fn decimal(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

/// The days of the Gregorian calendar from the year 0 to the first of a month.
fn days_before(year: u64, month: u64) -> u64 {
    const BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap_years = |years: u64| years.div_ceil(4) - years.div_ceil(100) + years.div_ceil(400);
    let leaps = if month > 2 { leap_years(year + 1) } else { leap_years(year) };
    let index = usize::try_from(month - 1).unwrap_or_default();
    year * 365 + leaps + BEFORE.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    /// Made by openssl for a P-256 key and signed by it with SHA-384.
    const PEM: &str = "\
-----BEGIN CERTIFICATE-----
MIIB9DCCAZugAwIBAgIUHK8zzdGb9KOKEphgMwu0vmTp5rkwCgYIKoZIzj0EAwMw
LDEQMA4GA1UECgwHQ2FzdG9mZjEYMBYGA1UEAwwPZGIuY2FzdG9mZi50ZXN0MCAX
DTI2MTEyMTE2NTIyMloYDzIxMjYxMDI4MTY1MjIyWjAsMRAwDgYDVQQKDAdDYXN0
b2ZmMRgwFgYDVQQDDA9kYi5jYXN0b2ZmLnRlc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQkvUuaIQnld1Y1pjxfq+6+fbR+uOdXj1+1eysKQIHzgNFlohpG46XN
8qfrWAQddnzkQteX+iBOTLcoUllzdXMfo4GYMIGVMB0GA1UdDgQWBBQtlBLRMMH3
T4EtLMRziW80o5L8YTAfBgNVHSMEGDAWgBQtlBLRMMH3T4EtLMRziW80o5L8YTAP
BgNVHRMBAf8EBTADAQH/MEIGA1UdEQQ7MDmCD2RiLmNhc3RvZmYudGVzdIcEfwAA
AYEOeEBjYXN0b2ZmLnRlc3SHEAAAAAAAAAAAAAAAAAAAAAEwCgYIKoZIzj0EAwMD
RwAwRAIgH1HsjpXHxW/Iq9OF1UFXyGF8EaByFA5s0oChJbPkW4wCIBaPdBd6tlVP
nMdd/LsvGPK5A4yop9xqCQFt6Q2ymjZP
-----END CERTIFICATE-----
";

    #[test]
    fn a_certificate_says_what_openssl_says_of_it() {
        let der = CertificateDer::from_pem_slice(PEM.as_bytes()).unwrap();
        let certificate = Certificate::read(&der).unwrap();
        assert!(certificate.is_self_issued() && !certificate.has_no_extensions());
        assert_eq!(certificate.common_name(), Some(&b"db.castoff.test"[..]));
        let ipv6 = std::net::Ipv6Addr::LOCALHOST.octets();
        let names = [
            AlternativeName::Dns(b"db.castoff.test"),
            AlternativeName::Ip(&[127, 0, 0, 1]),
            AlternativeName::Ip(&ipv6),
        ];
        assert_eq!(certificate.alternative_names(), names);
        assert_eq!((certificate.not_before, certificate.not_after), (1_795_279_942, 4_948_879_942));
        let hash: String =
            certificate.end_point().unwrap().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hash,
            "c7e3b392f65d5877134fd61cb3a83e3b7a2ea65cf0cc4056\
             782479a66696b2239bc4ffc238d8bcf0febd4129a090a6d9"
        );
    }

    #[test]
    fn no_bytes_are_too_wrong_to_be_read() {
        let der = CertificateDer::from_pem_slice(PEM.as_bytes()).unwrap();
        for length in 0..der.len() {
            assert!(Certificate::read(&der[..length]).is_none(), "{length}");
        }
        for index in 0..der.len() {
            for bit in 0..8 {
                let mut wrong = der.to_vec();
                wrong[index] ^= 1 << bit;
                if let Some(certificate) = Certificate::read(&wrong) {
                    drop((certificate.common_name(), certificate.alternative_names()));
                    drop(certificate.end_point());
                }
            }
        }
    }
}
