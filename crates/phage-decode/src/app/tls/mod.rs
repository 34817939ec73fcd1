//! TLS hellos in the first bytes of a stream (RFC 8446, RFC 5246).
//!
//! Client:
//!
//! | field | type | what |
//! |---|---|---|
//! | `server` | flag | false |
//! | `sni` | text | server name, lower case |
//! | `alpn` | list | protocols on offer |
//! | `version` | text | the highest on offer: `TLS 1.3` |
//! | `supported_versions` | list | versions on offer where the hello lists them |
//! | `ciphers`, `extensions` | integer | how many, made-up ones (RFC 8701) left out |
//! | `ech` | flag | the hello is an outer one or pretends to be: `sni` may be a cover name |
//! | `ja3`, `ja4` | text | fingerprints of the client |
//!
//! Server:
//!
//! | field | type | what |
//! |---|---|---|
//! | `server` | flag | true |
//! | `version` | text | what was chosen |
//! | `cipher` | text | four hexadecimal digits |
//! | `alpn` | list | what was chosen, where it is said in the clear |
//! | `retry` | flag | the server asks for another hello |
//! | `ja3s` | text | fingerprint of the server's choice |
//!
//! Server's certificate, a message of its own, up to TLS 1.2 only: TLS 1.3 encrypts it, and a
//! session that is resumed has none. Of a chain the first counts, which is the server's own:
//!
//! | field | type | what |
//! |---|---|---|
//! | `server` | flag | true |
//! | `certificate_sha1`, `certificate_sha256` | text | of its DER, hexadecimal |

mod certificate;
pub(crate) mod fingerprint;
pub(crate) mod hello;

use self::certificate::Found;
use self::fingerprint::{ja3, ja3s, ja4, Carrier};
use self::hello::{
    extension, from_records, is_grease, ClientHello, Handshake, ServerHello, CLIENT_HELLO,
};
use super::fault::{AppFault, Reason};
use super::kind::Kind;
use super::message::{Message, Parsed};
use super::text::{printable, trimmed, MAX_ITEMS};

/// Content type of records of handshakes.
pub(crate) const HANDSHAKE: u8 = 22;

/// Parses the hello at the start of a stream.
pub(crate) fn parse_stream(prefix: &[u8]) -> Parsed {
    let result = match from_records(prefix) {
        Handshake::Whole(CLIENT_HELLO, body) => client(&body, Kind::Tls),
        Handshake::Whole(_, body) => server(&body),
        Handshake::Incomplete => return Parsed::Incomplete,
        Handshake::Other => return Parsed::NotMine,
        Handshake::Wrong(reason) => Err(reason),
    };
    match result {
        Ok(message) => Parsed::Done(message),
        Err(reason) => Parsed::Malformed(AppFault {
            kind: Kind::Tls,
            reason,
        }),
    }
}

/// Whether a server's certificate follows its hello in the clear.
pub(crate) fn is_followed(message: &Message) -> bool {
    let version = message.text("version").unwrap_or_default();
    let in_clear = matches!(version, "SSL 3.0" | "TLS 1.0" | "TLS 1.1" | "TLS 1.2");
    message.flag("server") && in_clear
}

/// Parses the certificate behind a server's hello ([`is_followed`]), out of all of the prefix.
pub(crate) fn parse_certificate(prefix: &[u8]) -> Parsed {
    match certificate::first(prefix) {
        Ok(None) => Parsed::Incomplete,
        Ok(Some(Found::Nothing)) => Parsed::NotMine,
        Ok(Some(Found::Certificate { sha1, sha256 })) => {
            let mut message = Message::new(Kind::Tls);
            message.put_flag("server", true);
            message.put_text("certificate_sha1", sha1);
            message.put_text("certificate_sha256", sha256);
            Parsed::Done(message)
        }
        Err(reason) => Parsed::Malformed(AppFault {
            kind: Kind::Tls,
            reason,
        }),
    }
}

/// Makes the message of a client hello's body; of kind `quic` its TLS version is `tls_version`,
/// as `version` is QUIC's.
pub(crate) fn client(body: &[u8], kind: Kind) -> Result<Message, Reason> {
    let hello = ClientHello::read(body)?;
    let is_quic = kind == Kind::Quic;
    let mut message = Message::new(kind);
    if !is_quic {
        message.put_flag("server", false);
    }
    if let Some(mut name) = hello.server_name.and_then(trimmed) {
        name.make_ascii_lowercase();
        message.put_text("sni", name);
    }
    let offered = hello.alpn.iter().take(MAX_ITEMS);
    message.put_list("alpn", offered.map(|name| printable(name)).collect());
    let version = if is_quic { "tls_version" } else { "version" };
    message.put_text(version, version_name(hello.best_version()));
    let versions = sincere(&hello.supported_versions).take(MAX_ITEMS);
    message.put_list("supported_versions", versions.map(version_name).collect());
    message.put_count("ciphers", sincere(&hello.ciphers).count());
    message.put_count("extensions", sincere(&hello.extensions).count());
    message.put_flag("ech", hello.has(extension::ENCRYPTED_CLIENT_HELLO));
    message.put_text("ja3", ja3(&hello));
    let carrier = if is_quic { Carrier::Quic } else { Carrier::Tcp };
    message.put_text("ja4", ja4(&hello, carrier));
    Ok(message)
}

fn server(body: &[u8]) -> Result<Message, Reason> {
    let hello = ServerHello::read(body)?;
    let mut message = Message::new(Kind::Tls);
    message.put_flag("server", true);
    message.put_text("version", version_name(hello.version));
    message.put_text("cipher", format!("{:04x}", hello.cipher));
    message.put_list("alpn", hello.alpn.map(printable).into_iter().collect());
    message.put_flag("retry", hello.retry);
    message.put_text("ja3s", ja3s(&hello));
    Ok(message)
}

fn sincere(numbers: &[u16]) -> impl Iterator<Item = u16> + '_ {
    numbers.iter().copied().filter(|&number| !is_grease(number))
}

fn version_name(version: u16) -> String {
    match version {
        0x0300 => "SSL 3.0".to_owned(),
        0x0301..=0x0304 => format!("TLS 1.{}", version - 0x0301),
        // Drafts of TLS 1.3 (RFC 8446 obsoletes them; some clients still list them).
        0x7f00..=0x7fff => format!("TLS 1.3 draft {}", version & 0xff),
        other => format!("{other:04x}"),
    }
}

#[cfg(test)]
pub(super) mod tests;
