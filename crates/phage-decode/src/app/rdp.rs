//! Remote desktop: the X.224 connection request and confirm (MS-RDPBCGR, sections 2.2.1.1, 2.2.1.2).
//!
//! | field | type | what |
//! |---|---|---|
//! | `server` | flag | the server's side |
//! | `cookie` | flag | the client names a user (`mstshash`); the name is not told; client only |
//! | `protocols` | integer | security protocols asked for or chosen: 0 standard, 1 TLS, 2 `CredSSP`, 8 `RDSTLS` |
//! | `refused` | flag | the server refuses the negotiation; server only |

use super::kind::Kind;
use super::message::{Message, Parsed};
use super::reader::Reader;

/// Parses the start of either side.
pub(crate) fn parse_stream(prefix: &[u8], server_port: u16) -> Parsed {
    const SHAPE: [fn(u8) -> bool; 6] = [
        |byte| byte == 3,
        |byte| byte == 0,
        // No request is longer than a cookie and some options.
        |byte| byte <= 1,
        |_| true,
        |_| true,
        |byte| matches!(byte, 0xe0 | 0xd0),
    ];
    if !prefix.iter().zip(SHAPE).all(|(&byte, check)| check(byte)) {
        return Parsed::NotMine;
    }
    let mut reader = Reader::new(prefix);
    let (Some(_), Some(length)) = (reader.u16(), reader.u16()) else {
        return Parsed::Incomplete;
    };
    let Some(frame) = prefix.get(..usize::from(length)) else {
        return Parsed::Incomplete;
    };
    // Behind the two references and the class.
    let (Some(&kind), Some(rest)) = (frame.get(5), frame.get(11..)) else {
        return Parsed::NotMine;
    };
    let is_server = kind == 0xd0;
    let cookie = b"Cookie: mstshash=";
    let has_cookie = rest.windows(cookie.len()).any(|window| window == cookie);
    let negotiation = negotiation(rest, is_server);
    // The same transport carries other protocols: S7 on port 102, H.323 on 1720.
    if server_port != 3389 && !has_cookie && negotiation.is_none() {
        return Parsed::NotMine;
    }
    let mut message = Message::new(Kind::Rdp);
    message.put_flag("server", is_server);
    if !is_server {
        message.put_flag("cookie", has_cookie);
    }
    match negotiation {
        Some((3, _)) => message.put_flag("refused", true),
        Some((_, protocols)) => message.put_integer("protocols", protocols),
        None => {}
    }
    Parsed::Done(message)
}

/// The negotiation at the end of a request or confirm: kind and protocols.
fn negotiation(rest: &[u8], is_server: bool) -> Option<(u8, u32)> {
    match rest.last_chunk::<8>()? {
        &[kind, _, 8, 0, a, b, c, d] if matches!((is_server, kind), (false, 1) | (true, 2 | 3)) => {
            Some((kind, u32::from_le_bytes([a, b, c, d])))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "tests")]
    use super::{parse_stream, Parsed};

    const REQUEST: &[u8] =
        b"\x03\0\0\x2b\x26\xe0\0\0\0\0\0Cookie: mstshash=admin\r\n\x01\0\x08\0\x03\0\0\0";

    #[test]
    fn a_request_names_no_user() {
        let Parsed::Done(message) = parse_stream(REQUEST, 4000) else {
            unreachable!("a whole request");
        };
        assert!(message.flag("cookie") && !message.flag("server"));
        assert_eq!(message.integer("protocols"), Some(3));
        assert!(!format!("{message:?}").contains("admin"));
        for end in 1..REQUEST.len() {
            assert_eq!(parse_stream(&REQUEST[..end], 3389), Parsed::Incomplete);
        }
    }

    #[test]
    fn a_confirm_and_another_protocol_of_the_same_transport() {
        let confirm = b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\x1f\x08\0\x02\0\0\0";
        assert!(
            matches!(parse_stream(confirm, 3389), Parsed::Done(message) if message.flag("server"))
        );
        let s7 = b"\x03\0\0\x16\x11\xe0\0\0\0\x01\0\xc1\x02\x01\0\xc2\x02\x01\x02\xc0\x01\x0a";
        assert_eq!(parse_stream(s7, 102), Parsed::NotMine);
    }
}
