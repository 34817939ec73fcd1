//! Web services discovery (OASIS WS-Discovery 1.1): printers, scanners, cameras, Windows.
//!
//! | field | type | what |
//! |---|---|---|
//! | `action` | text | `Hello`, `Bye`, `Probe`, `ProbeMatches`, `Resolve`, `ResolveMatches` |
//! | `uuid` | text | the endpoint's name: `urn:uuid:...` |
//! | `types` | list | `wsdp:Device`, `dn:NetworkVideoTransmitter` |
//! | `scopes` | list | `onvif://www.onvif.org/hardware/Model` |
//! | `addresses` | list | where it is to be asked: URLs |
//!
//! Elements are found by their local names; entities, attributes and nesting are not followed.

use super::fault::Reason;
use super::kind::Kind;
use super::message::Message;
use super::text::{printable, trimmed, MAX_ITEMS};

const ACTIONS: [&[u8]; 6] = [
    b"Hello",
    b"Bye",
    b"Probe",
    b"ProbeMatches",
    b"Resolve",
    b"ResolveMatches",
];

/// Parses a datagram; `cut` says that its end was not captured.
pub(crate) fn parse(data: &[u8], cut: bool) -> Result<Message, Reason> {
    if texts(data, b"Envelope").next().is_none() {
        return Err(if cut {
            Reason::Truncated
        } else {
            Reason::Value
        });
    }
    if texts(data, b"/Envelope").next().is_none() {
        return Err(Reason::Truncated);
    }
    let action = texts(data, b"Action").next().ok_or(Reason::Value)?;
    let action = action.rsplit(|&byte| byte == b'/').next().unwrap_or(action);
    if !ACTIONS.contains(&action) {
        return Err(Reason::Value);
    }
    let mut message = Message::new(Kind::Wsd);
    message.put_text("action", printable(action));
    let named = texts(data, b"Address").find(|text| text.starts_with(b"urn:uuid:"));
    message.put_some("uuid", named.and_then(trimmed));
    for (field, element) in [
        ("types", &b"Types"[..]),
        ("scopes", b"Scopes"),
        ("addresses", b"XAddrs"),
    ] {
        let words = texts(data, element).flat_map(|text| text.split(u8::is_ascii_whitespace));
        let words = words.filter(|word| !word.is_empty()).take(MAX_ITEMS);
        message.put_list(field, words.map(printable).collect());
    }
    Ok(message)
}

/// The texts that stand right behind tags of this local name; "/" before it means the end tag.
fn texts<'a>(data: &'a [u8], wanted: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    data.split(|&byte| byte == b'<')
        .skip(1)
        .filter_map(move |part| {
            let mut halves = part.splitn(2, |&byte| byte == b'>');
            let (tag, text) = (halves.next()?, halves.next()?);
            let name = tag.split(u8::is_ascii_whitespace).next()?;
            (local(name) == wanted).then(|| text.trim_ascii())
        })
}

/// A tag's name without its prefix; an end tag keeps its slash.
fn local(name: &[u8]) -> &[u8] {
    let (slash, bare) = match name.split_first() {
        Some((b'/', bare)) => (true, bare),
        _ => (false, name),
    };
    let last = bare.rsplit(|&byte| byte == b':').next().unwrap_or(bare);
    if slash && last == b"Envelope" {
        return b"/Envelope";
    }
    if slash {
        return b"/";
    }
    last
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at what it did not expect"
    )]
    use super::{parse, Reason};

    const HELLO: &[u8] = b"<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"x\"><s:Header>\
        <a:Action>http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01/Hello</a:Action>\
        <a:ReplyTo><a:Address>http://www.w3.org/anonymous</a:Address></a:ReplyTo></s:Header>\
        <s:Body><d:Hello><a:EndpointReference><a:Address> urn:uuid:1c85-2 </a:Address>\
        </a:EndpointReference><d:Types>dn:NetworkVideoTransmitter tds:Device</d:Types>\
        <d:Scopes>onvif://www.onvif.org/name/Cam\x1b1\n onvif://www.onvif.org/hardware/X2</d:Scopes>\
        <d:XAddrs>http://192.0.2.7/onvif</d:XAddrs></d:Hello></s:Body></s:Envelope>";

    #[test]
    fn a_camera_shows_itself() {
        let message = parse(HELLO, false).unwrap();
        assert_eq!(message.text("action"), Some("Hello"));
        assert_eq!(message.text("uuid"), Some("urn:uuid:1c85-2"));
        assert_eq!(
            message.list("types"),
            ["dn:NetworkVideoTransmitter", "tds:Device"]
        );
        assert_eq!(message.list("scopes").len(), 2);
        assert!(!message.list("scopes").concat().contains('\x1b'));
        assert_eq!(message.list("addresses"), ["http://192.0.2.7/onvif"]);
    }

    #[test]
    fn other_text_is_refused_and_a_part_is_not_whole() {
        assert_eq!(
            parse(b"M-SEARCH * HTTP/1.1\r\n\r\n", false),
            Err(Reason::Value)
        );
        assert_eq!(
            parse(&HELLO[..HELLO.len() - 2], false),
            Err(Reason::Truncated)
        );
        let other = b"<Envelope><Action>x/Delete</Action></Envelope>";
        assert_eq!(parse(other, false), Err(Reason::Value));
        assert_eq!(parse(b"<Envelope></Envelope>", false), Err(Reason::Value));
    }
}
