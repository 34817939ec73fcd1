//! Words of a filter expression: text to tokens with positions.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::names;
use super::FilterError;

/// One word of the language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A reserved word (`host`, `and`, `tcp`); see [`names::is_keyword`].
    Keyword(&'static str),
    /// Any other word, and every word after a backslash.
    Word(String),
    /// A number: decimal, octal with a leading 0, or hexadecimal; named constants as well.
    Number(u32),
    /// Two to four decimal numbers with dots: the address, and how many bits were written.
    Dotted(u32, u32),
    /// An IPv6 address.
    Ipv6(Ipv6Addr),
    /// An Ethernet address.
    Mac([u8; 6]),
    /// Punctuation and operators.
    Sign(&'static str),
}

/// A token and where it starts, in bytes from the start of the expression.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) at: usize,
    pub(super) token: Token,
}

/// Longer signs first, so that `<<` is not read as `<` and `<`.
const SIGNS: [(&str, &str); 23] = [
    ("&&", "and"),
    ("||", "or"),
    ("==", "="),
    ("!=", "!="),
    (">=", ">="),
    ("<=", "<="),
    ("<<", "<<"),
    (">>", ">>"),
    ("!", "not"),
    ("=", "="),
    (">", ">"),
    ("<", "<"),
    ("(", "("),
    (")", ")"),
    ("[", "["),
    ("]", "]"),
    (":", ":"),
    ("+", "+"),
    ("-", "-"),
    ("*", "*"),
    ("/", "/"),
    ("%", "%"),
    ("&", "&"),
];

/// Splits an expression into tokens.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, FilterError> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(first) = rest.chars().next() else {
            break;
        };
        if first.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let (length, token) = one(rest, first, at)?;
        found.push(Placed { at, token });
        at += length;
    }
    Ok(found)
}

fn one(rest: &str, first: char, at: usize) -> Result<(usize, Token), FilterError> {
    if first == '\\' {
        let word: String = rest
            .chars()
            .skip(1)
            .take_while(|c| !" !()\n\t".contains(*c))
            .collect();
        if word.is_empty() {
            return Err(FilterError::new(
                at,
                "a name is missing after the backslash",
            ));
        }
        return Ok((1 + word.len(), Token::Word(word)));
    }
    if let Some(found) = address(rest) {
        return Ok(found);
    }
    if first.is_ascii_alphanumeric() {
        return word(rest, at);
    }
    for (written, meant) in SIGNS {
        if rest.starts_with(written) {
            let token = match meant {
                "and" | "or" | "not" => Token::Keyword(meant),
                _ => Token::Sign(meant),
            };
            return Ok((written.len(), token));
        }
    }
    match first {
        '|' => Ok((1, Token::Sign("|"))),
        '^' => Ok((1, Token::Sign("^"))),
        _ => Err(FilterError::new(
            at,
            format!("the character {first:?} has no meaning in a filter"),
        )),
    }
}

/// Reads a MAC or IPv6 address at the start of `rest`, the longest that fits.
fn address(rest: &str) -> Option<(usize, Token)> {
    // The longest IPv6 text form (with an IPv4 tail) has 45 characters.
    const LONGEST: usize = 45;
    let bytes = rest.as_bytes();
    let run = bytes
        .iter()
        .take(LONGEST)
        .take_while(|b| b.is_ascii_hexdigit() || b":.-".contains(b))
        .count();
    let ends_word = |length: usize| {
        !bytes
            .get(length)
            .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
    };
    for length in (2..=run).rev() {
        let part = rest.get(..length)?;
        if !ends_word(length) {
            continue;
        }
        if let Some(mac) = mac(part) {
            return Some((length, Token::Mac(mac)));
        }
        if part.matches(':').count() < 2 {
            continue;
        }
        if let Ok(address) = part.parse() {
            return Some((length, Token::Ipv6(address)));
        }
    }
    None
}

/// Reads the forms of an Ethernet address: six bytes with `:`, `-` or `.` between them, three
/// 16-bit groups with `.`, or twelve digits.
fn mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    if text.len() == 12 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        let value = u64::from_str_radix(text, 16).ok()?;
        mac.copy_from_slice(value.to_be_bytes().get(2..)?);
        return Some(mac);
    }
    let separator = text.chars().find(|c| !c.is_ascii_hexdigit())?;
    let groups: Vec<&str> = text.split(separator).collect();
    if groups.len() == 6 && groups.iter().all(|g| (1..=2).contains(&g.len())) {
        for (byte, group) in mac.iter_mut().zip(&groups) {
            *byte = u8::from_str_radix(group, 16).ok()?;
        }
        return Some(mac);
    }
    if separator == '.' && groups.len() == 3 && groups.iter().all(|g| g.len() == 4) {
        for (pair, group) in mac.chunks_exact_mut(2).zip(&groups) {
            pair.copy_from_slice(&u16::from_str_radix(group, 16).ok()?.to_be_bytes());
        }
        return Some(mac);
    }
    None
}

/// Reads a keyword, name, number or dotted address; the longest reading wins.
fn word(rest: &str, at: usize) -> Result<(usize, Token), FilterError> {
    let run = rest
        .bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
        .count();
    let text = rest.get(..run).unwrap_or(rest).trim_end_matches(['-', '_']);
    let length = text.len();
    if let Some(keyword) = names::keyword(text) {
        return Ok((length, Token::Keyword(keyword)));
    }
    if let Some(value) = names::constant(text) {
        return Ok((length, Token::Number(value)));
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        if let Some(token) = dotted(text) {
            return Ok((length, token));
        }
        if text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            let number = number(text).ok_or_else(|| {
                FilterError::new(at, format!("'{text}' is not a number below 4,294,967,296"))
            })?;
            return Ok((length, Token::Number(number)));
        }
        if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(FilterError::new(
                at,
                format!("'{text}' is not an IPv4 address or network"),
            ));
        }
    }
    Ok((length, Token::Word(text.to_owned())))
}

/// Reads a number as C does: `0x` is hexadecimal, a leading 0 octal.
pub(super) fn number(text: &str) -> Option<u32> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u32::from_str_radix(digits, 16).ok();
    }
    match text.strip_prefix('0') {
        Some(digits) if !digits.is_empty() => u32::from_str_radix(digits, 8).ok(),
        _ => text.parse().ok(),
    }
}

fn dotted(text: &str) -> Option<Token> {
    let parts: Vec<&str> = text.split('.').collect();
    if !(2..=4).contains(&parts.len()) {
        return None;
    }
    let mut octets = [0; 4];
    for (octet, part) in octets.iter_mut().zip(&parts) {
        if !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *octet = part.parse::<u8>().ok()?;
    }
    Some(Token::Dotted(
        Ipv4Addr::from(octets).to_bits(),
        parts.len() as u32 * 8,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Vec<Token> {
        tokens(text)
            .map(|found| found.into_iter().map(|p| p.token).collect())
            .unwrap_or_default()
    }

    #[test]
    fn reads_numbers_as_c_does() {
        assert_eq!(
            plain("10 010 0x10"),
            [Token::Number(10), Token::Number(8), Token::Number(16)]
        );
    }

    #[test]
    fn reads_every_form_of_ethernet_address() {
        let mac = Token::Mac([0, 0x1b, 0x44, 0x11, 0x3a, 0xb7]);
        for text in [
            "00:1b:44:11:3a:b7",
            "00-1B-44-11-3a-b7",
            "0:1b:44:11:3a:b7",
            "00.1b.44.11.3a.b7",
            "001b.4411.3ab7",
            "001b44113ab7",
        ] {
            assert_eq!(plain(text), std::slice::from_ref(&mac), "{text}");
        }
    }

    #[test]
    fn keeps_slices_apart_from_addresses() {
        assert_eq!(plain("tcp[0:2]").len(), 6);
        assert_eq!(plain("tcp[12]-4").len(), 6);
        assert_eq!(
            plain("2001:db8::/32"),
            [
                Token::Ipv6("2001:db8::".parse().unwrap_or(Ipv6Addr::UNSPECIFIED)),
                Token::Sign("/"),
                Token::Number(32)
            ]
        );
    }

    #[test]
    fn partial_dotted_addresses_keep_their_width() {
        assert_eq!(plain("10.1"), [Token::Dotted(0x0a01_0000, 16)]);
        assert_eq!(plain("10.1.2.3"), [Token::Dotted(0x0a01_0203, 32)]);
    }

    #[test]
    fn says_where_a_bad_character_stands() {
        assert_eq!(tokens("tcp ?").map_err(|e| e.at).err(), Some(4));
        assert_eq!(tokens("host 1.2.3.400").map_err(|e| e.at).err(), Some(5));
    }
}
