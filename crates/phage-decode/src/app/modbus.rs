//! Modbus over TCP (Modbus messaging on TCP/IP 1.0b, section 3.1).
//!
//! | field | type | what |
//! |---|---|---|
//! | `server` | flag | the server's side |
//! | `unit` | integer | unit identifier |
//! | `function` | integer | function code without the exception bit: 1 to 4 read, 5, 6, 15, 16 write |
//! | `exception` | flag | the server answers with an exception |

use super::kind::Kind;
use super::message::{Message, Parsed};
use super::reader::Reader;

/// Parses the first frame of either side. On other ports than Modbus's only a whole read or write
/// request of the common functions is taken: a header of so few fixed bits may be anything.
pub(crate) fn parse_stream(prefix: &[u8], from_initiator: bool, server_port: u16) -> Parsed {
    let expected = server_port == 502;
    let short = if expected {
        Parsed::Incomplete
    } else {
        Parsed::NotMine
    };
    if prefix
        .get(2..)
        .unwrap_or(&[])
        .iter()
        .zip([0, 0, 0])
        .any(|(&byte, zero)| byte != zero)
    {
        return Parsed::NotMine;
    }
    let mut reader = Reader::new(prefix);
    let header = (reader.u32(), reader.u16(), reader.u8(), reader.u8());
    let (Some(_), Some(length), Some(unit), Some(function)) = header else {
        return short;
    };
    let code = function & 0x7f;
    // A unit and a PDU of at most 253 octets.
    if !(2..=254).contains(&length) || code < 1 {
        return Parsed::NotMine;
    }
    let whole = reader.len() + 2 == usize::from(length);
    let request = from_initiator && whole && length == 6 && (1..=6).contains(&function);
    if !(expected || request) {
        return Parsed::NotMine;
    }
    let mut message = Message::new(Kind::Modbus);
    message.put_flag("server", !from_initiator);
    message.put_integer("unit", unit);
    message.put_integer("function", code);
    message.put_flag("exception", function & 0x80 != 0);
    Parsed::Done(message)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "tests")]
    use super::{parse_stream, Parsed};

    const READ: &[u8] = &[0, 1, 0, 0, 0, 6, 17, 3, 0, 107, 0, 3];

    #[test]
    fn a_request_and_an_exception() {
        let Parsed::Done(message) = parse_stream(READ, true, 1502) else {
            unreachable!("a whole request");
        };
        assert_eq!(
            (message.integer("unit"), message.integer("function")),
            (Some(17), Some(3))
        );
        let refused = parse_stream(&[0, 1, 0, 0, 0, 3, 17, 0x83, 2], false, 502);
        assert!(matches!(refused, Parsed::Done(message) if message.flag("exception")));
    }

    #[test]
    fn cuts_and_other_bytes() {
        for end in 1..8 {
            assert_eq!(parse_stream(&READ[..end], true, 502), Parsed::Incomplete);
            assert_eq!(parse_stream(&READ[..end], true, 1502), Parsed::NotMine);
        }
        assert_eq!(
            parse_stream(&[0, 1, 0, 1, 0, 6, 17, 3], true, 502),
            Parsed::NotMine
        );
        assert_eq!(
            parse_stream(&[0, 1, 0, 0, 0, 1, 17, 3], true, 502),
            Parsed::NotMine
        );
    }
}
