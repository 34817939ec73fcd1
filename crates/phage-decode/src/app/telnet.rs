//! Telnet (RFC 854), by its option negotiation.
//!
//! | field | type | what |
//! |---|---|---|
//! | `server` | flag | the server's side |
//! | `login_prompt` | flag | a name or password is asked for; server only |
//! | `failures` | integer | refused logins so far, by the usual words; server only |

use super::kind::Kind;
use super::message::{Message, Parsed};

const IAC: u8 = 0xff;

/// Where servers listen (IANA).
pub(crate) const PORT: u16 = 23;

/// Words of a prompt, in lower case.
const PROMPTS: [&[u8]; 4] = [b"login:", b"username:", b"user name:", b"password:"];

/// Words of a refusal, in lower case (login(1) of util-linux, shadow, busybox; common routers).
const REFUSALS: [&[u8]; 6] = [
    b"login incorrect",
    b"login failed",
    b"invalid login",
    b"authentication failed",
    b"bad password",
    b"access denied",
];

/// Parses the start of either side.
pub(crate) fn parse_stream(prefix: &[u8], from_initiator: bool, server_port: u16) -> Parsed {
    let expected = matches!(server_port, PORT | 2323);
    let mine = match prefix {
        // WILL, WONT, DO, DONT or a subnegotiation, of an option that is assigned (IANA: 0 to 49).
        [IAC, 0xfa..=0xfe, option, ..] => *option < 50 || expected,
        [IAC] | [IAC, 0xfa..=0xfe] => return Parsed::Incomplete,
        _ => expected && !from_initiator && prefix.iter().all(|&byte| byte.is_ascii() && byte != 0),
    };
    if !mine {
        return Parsed::NotMine;
    }
    let mut message = Message::new(Kind::Telnet);
    message.put_flag("server", !from_initiator);
    if !from_initiator {
        message.put_flag("login_prompt", count(prefix, &PROMPTS) > 0);
        message.put_count("failures", count(prefix, &REFUSALS));
    }
    Parsed::Done(message)
}

/// How often any of some words stands in a text, whatever their case.
fn count(text: &[u8], words: &[&[u8]]) -> usize {
    let at = |place: usize, word: &&[u8]| {
        text.get(place..place + word.len())
            .is_some_and(|part| part.eq_ignore_ascii_case(word))
    };
    let mut firsts = [false; 256];
    for first in words.iter().filter_map(|word| word.first()) {
        for case in [first.to_ascii_lowercase(), first.to_ascii_uppercase()] {
            if let Some(is_first) = firsts.get_mut(usize::from(case)) {
                *is_first = true;
            }
        }
    }
    text.iter()
        .enumerate()
        .filter(|(_, &byte)| firsts.get(usize::from(byte)) == Some(&true))
        .filter(|&(place, _)| words.iter().any(|word| at(place, word)))
        .count()
}

#[cfg(test)]
mod tests {
    use super::{parse_stream, Parsed};

    #[test]
    fn negotiation_is_known_on_any_port() {
        for (prefix, port, known) in [
            (&b"\xff\xfd\x18\xff\xfd\x20"[..], 4000, true),
            (&b"\xff\xd8\xff\xe0"[..], 23, false),
            (&b"\xff\xfe\xff\x00"[..], 4000, false),
        ] {
            let parsed = parse_stream(prefix, true, port);
            assert_eq!(matches!(parsed, Parsed::Done(_)), known, "{prefix:?}");
        }
        assert_eq!(parse_stream(b"\xff\xfb", false, 4000), Parsed::Incomplete);
    }

    #[test]
    fn prompts_and_refusals_are_read() {
        let text = b"\xff\xfd\x01host login: \r\nPassword: \r\nLogin incorrect\r\nhost LOGIN: \r\nLogin incorrect\r\n";
        let Parsed::Done(message) = parse_stream(text, false, 23) else {
            unreachable!("negotiation comes first");
        };
        assert!(message.flag("login_prompt"));
        assert_eq!(message.integer("failures"), Some(2));
        assert!(matches!(
            parse_stream(b"login: ", false, 23),
            Parsed::Done(_)
        ));
        assert_eq!(parse_stream(b"login: ", false, 99), Parsed::NotMine);
    }
}
