//! Address resolution (RFC 826, RFC 903, RFC 5227).
//!
//! | field | type | what |
//! |---|---|---|
//! | `operation` | text | `request`, `reply`, `rarp_request`, `rarp_reply`, else the number |
//! | `sender_mac`, `target_mac` | text | `00:11:22:33:44:55` |
//! | `sender_ip`, `target_ip` | text | IPv4 addresses |
//! | `gratuitous` | flag | the sender speaks of its own address: sender and target are one |
//! | `probe` | flag | the sender asks whether an address is free (RFC 5227, section 2.1.1) |
//! | `mismatch` | flag | the frame came from another hardware address than the body says |

use super::fault::Reason;
use super::kind::Kind;
use super::message::Message;
use super::reader::Reader;
use super::text::{ipv4, mac, named};

/// Parses the body of an ARP frame that came from `src_mac` (0 where the link has no address).
pub(crate) fn parse(body: &[u8], src_mac: u64) -> Result<Message, Reason> {
    let mut reader = Reader::new(body);
    let hardware = reader.u16().ok_or(Reason::Truncated)?;
    let protocol = reader.u16().ok_or(Reason::Truncated)?;
    let sizes = (
        reader.u8().ok_or(Reason::Truncated)?,
        reader.u8().ok_or(Reason::Truncated)?,
    );
    // Ethernet, or IEEE 802 as some wireless bridges write it, over IPv4.
    if !matches!(hardware, 1 | 6) || protocol != 0x0800 || sizes != (6, 4) {
        return Err(Reason::Value);
    }
    let operation = reader.u16().ok_or(Reason::Truncated)?;
    let mut end = || {
        let address: [u8; 6] = reader.array().ok_or(Reason::Truncated)?;
        let ip: [u8; 4] = reader.array().ok_or(Reason::Truncated)?;
        Ok((address, ip))
    };
    let (sender, target) = (end()?, end()?);
    let known = match operation {
        1 => Some("request"),
        2 => Some("reply"),
        3 => Some("rarp_request"),
        4 => Some("rarp_reply"),
        8 => Some("inarp_request"),
        9 => Some("inarp_reply"),
        _ => None,
    };
    let [a, b, c, d, e, f] = sender.0;
    let claimed = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);

    let mut message = Message::new(Kind::Arp);
    message.put_text("operation", named(known, operation));
    message.put_text("sender_mac", mac(&sender.0));
    message.put_text("sender_ip", ipv4(sender.1));
    message.put_text("target_mac", mac(&target.0));
    message.put_text("target_ip", ipv4(target.1));
    message.put_flag("gratuitous", sender.1 == target.1 && sender.1 != [0; 4]);
    message.put_flag("probe", operation == 1 && sender.1 == [0; 4]);
    message.put_flag("mismatch", src_mac != 0 && src_mac != claimed);
    Ok(message)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::{parse, Reason};

    const REQUEST: [u8; 28] = [
        0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
    ];

    #[test]
    fn a_request_with_padding() {
        let mut frame = REQUEST.to_vec();
        frame.resize(46, 0);
        let message = parse(&frame, 0x0200_0000_0001).unwrap();
        assert_eq!(message.text("operation"), Some("request"));
        assert_eq!(message.text("sender_mac"), Some("02:00:00:00:00:01"));
        assert_eq!(message.text("sender_ip"), Some("10.0.0.1"));
        assert_eq!(message.text("target_ip"), Some("10.0.0.2"));
        assert!(!message.flag("gratuitous") && !message.flag("probe") && !message.flag("mismatch"));
    }

    #[test]
    fn who_speaks_of_itself_and_who_lies() {
        let mut frame = REQUEST;
        frame[27] = 1;
        let message = parse(&frame, 0x0200_0000_0099).unwrap();
        assert!(message.flag("gratuitous") && message.flag("mismatch"));
        frame[14..18].fill(0);
        let message = parse(&frame, 0).unwrap();
        assert!(message.flag("probe") && !message.flag("gratuitous") && !message.flag("mismatch"));
    }

    #[test]
    fn other_sizes_and_cuts_are_refused() {
        let mut frame = REQUEST;
        frame[4] = 200;
        assert_eq!(parse(&frame, 0), Err(Reason::Value));
        for end in 0..REQUEST.len() {
            assert_eq!(parse(&REQUEST[..end], 0), Err(Reason::Truncated));
        }
    }
}
