//! Makes printable, bounded text of bytes that a hostile host chose.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest text of a field, in bytes: a DNS name and a DHCP option fit whole, and a window of
/// thousands of messages stays within a few megabytes.
pub const MAX_TEXT: usize = 255;

/// Most items of a list field: more than any device's service list or cipher offer needs to be
/// known by, while a message stays below 9 kB.
pub const MAX_ITEMS: usize = 32;

/// Adds text up to a length; `false` when it did not fit whole and nothing was added.
fn add(out: &mut String, piece: &str, limit: usize) -> bool {
    let fits = out.len() + piece.len() <= limit;
    if fits {
        out.push_str(piece);
    }
    fits
}

/// Appends bytes as UTF-8; backslashes are doubled, what is invalid or not printable is written
/// as `\x0a` or `\u{202e}`, and so are the characters in `special` (below 128). Stops before
/// `limit` bytes; answers whether all was written.
pub(crate) fn append(out: &mut String, bytes: &[u8], special: &[u8], limit: usize) -> bool {
    let mut buffer = [0_u8; 4];
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            let is_special = u8::try_from(character).is_ok_and(|byte| special.contains(&byte));
            // Printability as Rust's own table has it: escape_debug leaves one character as it is.
            let plain = matches!(character, ' '..='~') || character.escape_debug().len() == 1;
            let fits = if character == '\\' {
                add(out, "\\\\", limit)
            } else if is_special || (!plain && (character as u32) < 0x100) {
                add(out, &format!("\\x{:02x}", character as u32), limit)
            } else if plain {
                add(out, character.encode_utf8(&mut buffer), limit)
            } else {
                add(out, &format!("\\u{{{:x}}}", character as u32), limit)
            };
            if !fits {
                return false;
            }
        }
        for byte in chunk.invalid() {
            if !add(out, &format!("\\x{byte:02x}"), limit) {
                return false;
            }
        }
    }
    true
}

/// Bytes as printable text of at most [`MAX_TEXT`] bytes.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().min(MAX_TEXT));
    append(&mut out, bytes, &[], MAX_TEXT);
    out
}

/// Bytes as printable text without surrounding white space and NULs; `None` where none is left.
pub(crate) fn trimmed(bytes: &[u8]) -> Option<String> {
    let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0;
    let start = bytes.iter().position(|byte| !blank(byte))?;
    let end = bytes.iter().rposition(|byte| !blank(byte))?;
    bytes.get(start..=end).map(printable)
}

/// Text cut to [`MAX_TEXT`] at a character's border.
pub(crate) fn bounded(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT)
            .rev()
            .find(|&end| text.is_char_boundary(end))
            .unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// Bytes in hexadecimal, cut to [`MAX_TEXT`].
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes.iter().take(MAX_TEXT / 2) {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// A hardware address as `00:11:22:33:44:55`, whatever its length.
pub(crate) fn mac(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(17);
    for byte in bytes.iter().take(MAX_TEXT / 3) {
        if !out.is_empty() {
            out.push(':');
        }
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// An IPv4 address.
pub(crate) fn ipv4(bytes: [u8; 4]) -> String {
    Ipv4Addr::from(bytes).to_string()
}

/// An IPv6 address as RFC 5952 writes it.
pub(crate) fn ipv6(bytes: [u8; 16]) -> String {
    Ipv6Addr::from(bytes).to_string()
}

/// Addresses that stand one behind the other.
pub(crate) fn ipv4_list(bytes: &[u8]) -> Vec<String> {
    bytes
        .chunks_exact(4)
        .take(MAX_ITEMS)
        .filter_map(|chunk| Some(ipv4(chunk.try_into().ok()?)))
        .collect()
}

/// Addresses that stand one behind the other.
pub(crate) fn ipv6_list(bytes: &[u8]) -> Vec<String> {
    bytes
        .chunks_exact(16)
        .take(MAX_ITEMS)
        .filter_map(|chunk| Some(ipv6(chunk.try_into().ok()?)))
        .collect()
}

/// Numbers joined by commas, cut to [`MAX_TEXT`] at a comma.
pub(crate) fn comma_list(numbers: impl Iterator<Item = u16>) -> String {
    let mut out = String::new();
    for number in numbers {
        let piece = if out.is_empty() {
            number.to_string()
        } else {
            format!(",{number}")
        };
        if !add(&mut out, &piece, MAX_TEXT) {
            break;
        }
    }
    out
}

/// The known name of a code, else its number.
pub(crate) fn named(name: Option<&'static str>, number: impl Into<u64>) -> String {
    name.map_or_else(|| number.into().to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{bounded, comma_list, hex, mac, printable, trimmed, MAX_TEXT};
    use proptest::prelude::*;

    #[test]
    fn what_cannot_be_printed_is_escaped() {
        assert_eq!(printable(b"plain \"text\" 'here'"), "plain \"text\" 'here'");
        assert_eq!(printable("Küche 台所".as_bytes()), "Küche 台所");
        assert_eq!(printable(b"a\r\nb\0\x7f"), "a\\x0d\\x0ab\\x00\\x7f");
        assert_eq!(printable(b"\xff\xfea\\"), "\\xff\\xfea\\\\");
        assert_eq!(
            printable("x\u{202e}exe.\u{200b}\u{85}".as_bytes()),
            "x\\u{202e}exe.\\u{200b}\\x85"
        );
    }

    #[test]
    fn white_space_and_nuls_around_are_dropped() {
        assert_eq!(trimmed(b"  MSFT 5.0\0\0").as_deref(), Some("MSFT 5.0"));
        assert_eq!(trimmed(b" \0 "), None);
    }

    #[test]
    fn lists_are_cut_at_a_comma() {
        let list = comma_list(0..1000);
        assert!(list.len() <= MAX_TEXT && list.starts_with("0,1,2,") && !list.ends_with(','));
        assert_eq!(mac(&[0, 0x1a, 0xff]), "00:1a:ff");
        assert!(hex(&[7; 400]).len() <= MAX_TEXT && mac(&[7; 400]).len() <= MAX_TEXT);
        assert_eq!(bounded("é".repeat(200)).len(), 254);
    }

    proptest! {
        #[test]
        fn any_bytes_become_bounded_text_without_controls(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let text = printable(&bytes);
            prop_assert!(text.len() <= MAX_TEXT);
            prop_assert!(!text.chars().any(char::is_control));
        }
    }
}
