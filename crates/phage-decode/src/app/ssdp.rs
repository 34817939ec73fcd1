//! Simple service discovery (`UPnP` device architecture 2.0, section 1).
//!
//! | field | type | what |
//! |---|---|---|
//! | `method` | text | `NOTIFY`, `M-SEARCH`, `RESPONSE` |
//! | `nt` | text | notification type; `NOTIFY` |
//! | `nts` | text | `ssdp:alive`, `ssdp:byebye`, `ssdp:update`; `NOTIFY` |
//! | `st` | text | search target |
//! | `usn`, `server`, `location`, `man`, `user_agent` | text | header fields |
//! | `max_age` | integer | seconds that the news stays good |

use super::fault::Reason;
use super::head::{number, version, Head};
use super::kind::Kind;
use super::message::Message;

/// Parses a datagram. Many devices leave out the empty line at the end, so a head that is whole
/// up to a line's end is taken.
pub(crate) fn parse(data: &[u8]) -> Result<Message, Reason> {
    let head = Head::read(data, true)?;
    let [first, _, last] = head.parts().ok_or(Reason::Value)?;
    let method = match first {
        b"NOTIFY" if version(last).is_some() => "NOTIFY",
        b"M-SEARCH" if version(last).is_some() => "M-SEARCH",
        _ if version(first).is_some() => "RESPONSE",
        _ => return Err(Reason::Value),
    };
    let mut message = Message::new(Kind::Ssdp);
    message.put_text("method", method);
    for name in ["nt", "nts", "st", "usn", "server", "location", "man"] {
        message.put_some(name, head.text(name));
    }
    message.put_some("user_agent", head.text("user-agent"));
    if let Some(seconds) = head.raw("cache-control").and_then(max_age) {
        message.put_integer("max_age", seconds);
    }
    Ok(message)
}

/// The seconds in `max-age = 1800`.
fn max_age(value: &[u8]) -> Option<i64> {
    let mut parts = value.splitn(2, |&byte| byte == b'=');
    let name = parts.next()?.trim_ascii();
    let seconds = parts.next()?.split(|&byte| byte == b',').next()?;
    name.eq_ignore_ascii_case(b"max-age")
        .then(|| number(seconds.trim_ascii()))?
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::{parse, Reason};

    #[test]
    fn a_device_shows_itself() {
        let message = parse(
            b"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nCache-Control: max-age = 1800\r\n\
              LOCATION:http://192.0.2.7:80/d.xml\r\nNT: upnp:rootdevice\r\nNTS: ssdp:alive\r\n\
              SERVER: Linux/4 UPnP/1.0 Hub/1\r\nUSN: uuid:1::upnp:rootdevice\r\n\r\n",
        )
        .unwrap();
        assert_eq!(message.text("method"), Some("NOTIFY"));
        assert_eq!(message.text("nt"), Some("upnp:rootdevice"));
        assert_eq!(message.text("location"), Some("http://192.0.2.7:80/d.xml"));
        assert_eq!(message.text("server"), Some("Linux/4 UPnP/1.0 Hub/1"));
        assert_eq!(message.integer("max_age"), Some(1800));
        assert_eq!(message.get("man"), None);
    }

    #[test]
    fn a_search_and_its_answer() {
        let search =
            parse(b"M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:discover\"\r\nST:ssdp:all\r\nMX: 2\r\n\r\n")
                .unwrap();
        assert_eq!(
            (search.text("method"), search.text("st")),
            (Some("M-SEARCH"), Some("ssdp:all"))
        );
        assert_eq!(search.text("man"), Some("\"ssdp:discover\""));
        let answer = parse(b"HTTP/1.1 200 OK\nST: x\nUSN: y\n").unwrap();
        assert_eq!(
            (answer.text("method"), answer.text("usn")),
            (Some("RESPONSE"), Some("y"))
        );
    }

    #[test]
    fn other_text_is_refused() {
        assert_eq!(parse(b"GET / HTTP/1.1\r\n\r\n"), Err(Reason::Value));
        assert_eq!(parse(b"NOTIFY * RTSP/1.0\r\n\r\n"), Err(Reason::Value));
        assert_eq!(parse(b"NOTIFY * HTTP/1.1"), Err(Reason::Truncated));
        assert_eq!(parse(b"\n"), Err(Reason::Value));
    }
}
