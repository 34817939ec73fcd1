//! Names and types of information elements.

use std::sync::OnceLock;

/// The enterprise of reversed elements (RFC 5103, 6.1).
pub const REVERSE: u32 = 29_305;

/// The enterprise that scope fields of `NetFlow` version 9 are kept under: they are numbered apart.
pub const SCOPE: u32 = u32::MAX;

/// How the octets of an element are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An unsigned number.
    Unsigned,
    /// A signed number.
    Signed,
    /// A number of IEEE 754.
    Float,
    /// 1 true, 2 false (RFC 7011, 6.1.5).
    Boolean,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A MAC address.
    Mac,
    /// UTF-8 text.
    Text,
    /// Octets, also lists of RFC 6313, which are not taken apart.
    Octets,
    /// Seconds since the Unix epoch.
    Seconds,
    /// Milliseconds since the Unix epoch.
    Milliseconds,
    /// Seconds since 1900 and 2^-32 seconds (RFC 7011, 6.1.9).
    Ntp,
}

/// One element of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Element {
    enterprise: u32,
    number: u16,
    /// Its name in the registry.
    pub name: &'static str,
    /// How it is read.
    pub kind: Kind,
}

/// The registry, one line an element, in the order of enterprise and number.
const TABLE: &str = include_str!("elements.txt");

const SCOPES: [(&str, Kind); 5] = [
    ("scopeSystem", Kind::Octets),
    ("scopeInterface", Kind::Unsigned),
    ("scopeLineCard", Kind::Unsigned),
    ("scopeCache", Kind::Octets),
    ("scopeTemplate", Kind::Octets),
];

/// Looks an element up; a reversed one answers as what it reverses.
pub fn lookup(enterprise: u32, number: u16) -> Option<Element> {
    if enterprise == SCOPE {
        let (name, kind) = *SCOPES.get(usize::from(number).checked_sub(1)?)?;
        return Some(Element {
            enterprise,
            number,
            name,
            kind,
        });
    }
    let enterprise = if enterprise == REVERSE { 0 } else { enterprise };
    let table = table();
    let place = table
        .binary_search_by_key(&(enterprise, number), |element| {
            (element.enterprise, element.number)
        })
        .ok()?;
    table.get(place).copied()
}

/// The name of an element in reports: of the registry, `reverse...` for a reversed one, or
/// `enterprise.number` for one that has no name here.
pub fn name(enterprise: u32, number: u16) -> String {
    match lookup(enterprise, number) {
        Some(element) if enterprise == REVERSE => {
            let mut letters = element.name.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first
                .into_iter()
                .fold("reverse".to_owned(), |mut text, letter| {
                    text.push(letter);
                    text
                })
                + letters.as_str()
        }
        Some(element) => element.name.to_owned(),
        None => format!("{enterprise}.{number}"),
    }
}

fn table() -> &'static [Element] {
    static PARSED: OnceLock<Vec<Element>> = OnceLock::new();
    PARSED.get_or_init(|| TABLE.lines().filter_map(line).collect())
}

fn line(line: &'static str) -> Option<Element> {
    let mut words = line.split(' ');
    let enterprise = words.next()?.parse().ok()?;
    let number = words.next()?.parse().ok()?;
    let name = words.next()?;
    let kind = match words.next()? {
        "u" => Kind::Unsigned,
        "i" => Kind::Signed,
        "f" => Kind::Float,
        "b" => Kind::Boolean,
        "4" => Kind::Ipv4,
        "6" => Kind::Ipv6,
        "m" => Kind::Mac,
        "s" => Kind::Text,
        "S" => Kind::Seconds,
        "M" => Kind::Milliseconds,
        "U" | "N" => Kind::Ntp,
        _ => Kind::Octets,
    };
    Some(Element {
        enterprise,
        number,
        name,
        kind,
    })
}

#[cfg(test)]
mod tests {
    use super::{lookup, name, table, Kind, REVERSE, SCOPE};

    #[test]
    fn the_table_is_in_order_and_whole() {
        let table = table();
        assert!(table.len() > 700);
        let ordered = table.windows(2).all(
            |pair| matches!(pair, [a, b] if (a.enterprise, a.number) < (b.enterprise, b.number)),
        );
        assert!(ordered);
        assert!(table.iter().all(|element| !element.name.is_empty()));
    }

    #[test]
    fn names_of_the_registry() {
        assert_eq!(name(0, 1), "octetDeltaCount");
        assert_eq!(name(REVERSE, 1), "reverseOctetDeltaCount");
        assert_eq!(name(SCOPE, 2), "scopeInterface");
        assert_eq!(name(4_242, 7), "4242.7");
        assert_eq!(lookup(0, 8).map(|element| element.kind), Some(Kind::Ipv4));
        assert_eq!(lookup(SCOPE, 0).map(|element| element.name), None);
    }
}
