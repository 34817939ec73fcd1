//! JA3 and JA4 of a client hello, JA3S of a server hello.
//!
//! JA3 and JA3S: Althouse, Atkinson, Atkins, "TLS Fingerprinting with JA3 and JA3S" (2019).
//! JA4 for TLS clients: `FoxIO`, technical details of JA4 (BSD 3-clause; of the JA4+ family only
//! this part is free to use, so no other is computed).

use std::fmt::Write as _;

use md5::Md5;
use sha2::{Digest, Sha256};

use super::hello::{extension, is_grease, ClientHello, ServerHello};

/// What carries a hello: the first letter of JA4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// TLS over TCP.
    Tcp,
    /// QUIC.
    Quic,
}

/// The first octets of a digest, in hexadecimal.
pub(super) fn hex(digest: &[u8], octets: usize) -> String {
    let mut out = String::with_capacity(octets * 2);
    for octet in digest.iter().take(octets) {
        let _ = write!(out, "{octet:02x}");
    }
    out
}

fn join(
    numbers: impl Iterator<Item = u16>,
    separator: char,
    write: fn(&mut String, u16) -> std::fmt::Result,
) -> String {
    let mut out = String::new();
    for number in numbers {
        if !out.is_empty() {
            out.push(separator);
        }
        let _ = write(&mut out, number);
    }
    out
}

fn decimal(numbers: impl Iterator<Item = u16>) -> String {
    join(numbers, '-', |out, number| write!(out, "{number}"))
}

fn hexadecimal(numbers: impl Iterator<Item = u16>) -> String {
    join(numbers, ',', |out, number| write!(out, "{number:04x}"))
}

fn sincere(numbers: &[u16]) -> impl Iterator<Item = u16> + Clone + '_ {
    numbers.iter().copied().filter(|&number| !is_grease(number))
}

/// The string that JA3 hashes: version, ciphers, extensions, groups, point formats.
pub(crate) fn ja3_string(hello: &ClientHello<'_>) -> String {
    format!(
        "{},{},{},{},{}",
        hello.version,
        decimal(sincere(&hello.ciphers)),
        decimal(sincere(&hello.extensions)),
        decimal(sincere(&hello.groups)),
        decimal(hello.point_formats.iter().copied().map(u16::from)),
    )
}

/// JA3: 32 hexadecimal digits.
pub(crate) fn ja3(hello: &ClientHello<'_>) -> String {
    hex(&Md5::digest(ja3_string(hello)), 16)
}

/// JA3S: 32 hexadecimal digits over version, cipher and extensions.
pub(crate) fn ja3s(hello: &ServerHello<'_>) -> String {
    let text = format!(
        "{},{},{}",
        hello.legacy_version,
        hello.cipher,
        decimal(hello.extensions.iter().copied()),
    );
    hex(&Md5::digest(text), 16)
}

/// JA4, for example `t13d1516h2_8daaf6152771_e5627efa2ab1`.
pub(crate) fn ja4(hello: &ClientHello<'_>, carrier: Carrier) -> String {
    let mut ciphers: Vec<u16> = sincere(&hello.ciphers).collect();
    ciphers.sort_unstable();
    let extensions = sincere(&hello.extensions);
    // Name and protocol depend on where the client goes, not on what it is.
    let mut kept: Vec<u16> = extensions
        .clone()
        .filter(|&number| !matches!(number, extension::SERVER_NAME | extension::ALPN))
        .collect();
    kept.sort_unstable();
    let mut described = hexadecimal(kept.iter().copied());
    let signatures = hexadecimal(sincere(&hello.signature_algorithms));
    if !signatures.is_empty() {
        described.push('_');
        described.push_str(&signatures);
    }
    format!(
        "{}{}{}{:02}{:02}{}_{}_{}",
        match carrier {
            Carrier::Tcp => 't',
            Carrier::Quic => 'q',
        },
        version(hello.best_version()),
        if hello.has(extension::SERVER_NAME) {
            'd'
        } else {
            'i'
        },
        ciphers.len().min(99),
        extensions.count().min(99),
        protocol(hello.alpn.first().copied().unwrap_or(&[])),
        truncated_hash(&hexadecimal(ciphers.iter().copied()), ciphers.is_empty()),
        truncated_hash(&described, kept.is_empty()),
    )
}

fn truncated_hash(text: &str, is_empty: bool) -> String {
    if is_empty {
        "000000000000".to_owned()
    } else {
        hex(&Sha256::digest(text), 6)
    }
}

fn version(version: u16) -> &'static str {
    match version {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        0xfeff => "d1",
        0xfefd => "d2",
        0xfefc => "d3",
        _ => "00",
    }
}

/// First and last character of a protocol's name; of its hexadecimal digits where either is not
/// alphanumeric; `00` without one.
fn protocol(name: &[u8]) -> String {
    let (Some(&first), Some(&last)) = (name.first(), name.last()) else {
        return "00".to_owned();
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return format!("{}{}", first as char, last as char);
    }
    format!("{:x}{:x}", first >> 4, last & 0xf)
}
