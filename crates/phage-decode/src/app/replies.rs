//! FTP (RFC 959) and SMTP (RFC 5321): lines with three-digit codes from the server, verbs from
//! the client. Both begin alike, so one recogniser tells them apart.
//!
//! | field | type | what |
//! |---|---|---|
//! | `server` | flag | the server's side |
//! | `command` | text | the first verb; client only |
//! | `code` | integer | code of the greeting; server only |
//! | `banner` | text | text of the greeting; server only |
//! | `failures` | integer | refused logins so far (FTP 530; SMTP 535, RFC 4954); server only |
//! | `logged_in` | flag | a login was accepted (FTP 230; SMTP 235); server only |

use super::head::first_line;
use super::kind::Kind;
use super::message::{Message, Parsed};
use super::text::{printable, trimmed};

/// Most bytes in which a server must show which of the two it speaks.
const MAX_UNDECIDED: usize = 1024;

/// Most bytes of a client's first line that are awaited (RFC 5321, section 4.5.3.1.4).
const MAX_COMMAND: usize = 512;

/// Parses the start of either side.
pub(crate) fn parse_stream(prefix: &[u8], from_initiator: bool, server_port: u16) -> Parsed {
    let hint = match server_port {
        21 | 2121 => Some(Kind::Ftp),
        25 | 465 | 587 | 2525 => Some(Kind::Smtp),
        _ => None,
    };
    if from_initiator {
        command(prefix, hint)
    } else {
        greeting(prefix, hint)
    }
}

fn command(prefix: &[u8], hint: Option<Kind>) -> Parsed {
    const FTP: [&[u8]; 9] = [
        b"USER", b"AUTH", b"FEAT", b"SYST", b"OPTS", b"HOST", b"CLNT", b"QUIT", b"NOOP",
    ];
    const SMTP: [&[u8]; 3] = [b"EHLO", b"HELO", b"LHLO"];
    let head = prefix.get(..4).unwrap_or(prefix).to_ascii_uppercase();
    let possible = |verbs: &[&[u8]]| verbs.iter().any(|verb| verb.starts_with(&head));
    // Other protocols know USER and AUTH too; nothing else says EHLO.
    let kind = if hint == Some(Kind::Ftp) && possible(&FTP) {
        Kind::Ftp
    } else if possible(&SMTP) {
        Kind::Smtp
    } else {
        return Parsed::NotMine;
    };
    match first_line(prefix) {
        Some(line) if matches!(line.get(4), None | Some(b' ')) && line.len() >= 4 => {
            let mut message = Message::new(kind);
            message.put_flag("server", false);
            message.put_text("command", printable(&head));
            Parsed::Done(message)
        }
        None if prefix.len() < MAX_COMMAND => Parsed::Incomplete,
        _ => Parsed::NotMine,
    }
}

/// The lines of a server: code, whether it is the last line of its reply, text.
fn replies(prefix: &[u8]) -> impl Iterator<Item = (i64, bool, &[u8])> {
    let whole = prefix
        .split_inclusive(|&byte| byte == b'\n')
        .filter(|line| line.ends_with(b"\n"));
    whole.filter_map(|line| {
        let (code, rest) = line.split_at_checked(3)?;
        let code = super::head::number(code)?;
        let text = rest.get(1..).unwrap_or(&[]).trim_ascii();
        Some((code, rest.first() != Some(&b'-'), text))
    })
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len())
        .any(|window| window.eq_ignore_ascii_case(word))
}

fn greeting(prefix: &[u8], hint: Option<Kind>) -> Parsed {
    // Ready, ready soon, closing, too many, refused.
    let codes: &[&[u8]] = if hint.is_some() {
        &[b"220", b"120", b"421", b"530", b"554"]
    } else {
        &[b"220"]
    };
    let head = prefix.get(..3).unwrap_or(prefix);
    if !codes.iter().any(|code| code.starts_with(head))
        || !matches!(prefix.get(3), None | Some(b' ' | b'-' | b'\r' | b'\n'))
    {
        return Parsed::NotMine;
    }
    let Some((code, _, banner)) = replies(prefix).next() else {
        return if prefix.len() < MAX_UNDECIDED {
            Parsed::Incomplete
        } else {
            Parsed::NotMine
        };
    };
    let Some(kind) = kind(prefix, hint) else {
        return if prefix.len() < MAX_UNDECIDED {
            Parsed::Incomplete
        } else {
            Parsed::NotMine
        };
    };
    let (refused, accepted) = if kind == Kind::Ftp {
        (530, 230)
    } else {
        (535, 235)
    };
    let count = |wanted| {
        replies(prefix)
            .filter(|(code, last, _)| *last && *code == wanted)
            .count()
    };
    let mut message = Message::new(kind);
    message.put_flag("server", true);
    message.put_integer("code", code);
    message.put_some("banner", trimmed(banner));
    message.put_count("failures", count(refused));
    message.put_flag("logged_in", count(accepted) > 0);
    Parsed::Done(message)
}

/// Which of the two a server speaks, by its greeting, the port, or the replies that follow.
fn kind(prefix: &[u8], hint: Option<Kind>) -> Option<Kind> {
    let greeting = || replies(prefix).take_while(|(code, _, _)| *code == 220);
    if greeting().any(|(_, _, text)| contains(text, b"SMTP")) {
        return Some(Kind::Smtp);
    }
    if greeting().any(|(_, _, text)| contains(text, b"FTP")) {
        return Some(Kind::Ftp);
    }
    hint.or_else(|| {
        replies(prefix).find_map(|(code, _, _)| match code {
            230 | 234 | 331 | 530 => Some(Kind::Ftp),
            250 | 334 | 354 | 535 => Some(Kind::Smtp),
            _ => None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{parse_stream, Kind, Message, Parsed};

    fn server(prefix: &[u8], port: u16) -> Option<Message> {
        match parse_stream(prefix, false, port) {
            Parsed::Done(message) => Some(message),
            _ => None,
        }
    }

    #[test]
    fn ftp_counts_refused_logins() {
        let text = b"220-Welcome\r\n220 (vsFTPd 3.0.3)\r\n331 Please specify the password.\r\n\
            530 Login incorrect.\r\n331 Again.\r\n530-More\r\n530 Login incorrect.\r\n53";
        let message = server(text, 21);
        assert_eq!(
            message.as_ref().map(|message| message.kind),
            Some(Kind::Ftp)
        );
        assert_eq!(
            message
                .as_ref()
                .and_then(|message| message.integer("failures")),
            Some(2)
        );
        assert_eq!(
            message.as_ref().and_then(|message| message.text("banner")),
            Some("Welcome")
        );
        assert!(!message.is_some_and(|message| message.flag("logged_in")));
    }

    #[test]
    fn smtp_is_known_by_its_greeting_on_any_port() {
        let message = server(
            b"220 mx.example ESMTP Postfix\r\n250 ok\r\n535 5.7.8 no\r\n",
            9025,
        );
        assert_eq!(
            message.as_ref().map(|message| message.kind),
            Some(Kind::Smtp)
        );
        assert_eq!(
            message.and_then(|message| message.integer("failures")),
            Some(1)
        );
    }

    #[test]
    fn a_mute_greeting_is_told_by_what_follows() {
        assert_eq!(
            parse_stream(b"220 ready\r\n", false, 9999),
            Parsed::Incomplete
        );
        let kind = |prefix| server(prefix, 9999).map(|message| message.kind);
        assert_eq!(kind(b"220 ready\r\n331 password\r\n"), Some(Kind::Ftp));
        assert_eq!(kind(b"220 ready\r\n250 hello\r\n"), Some(Kind::Smtp));
        assert_eq!(
            server(b"220 ready\r\n", 21).map(|message| message.kind),
            Some(Kind::Ftp)
        );
        assert_eq!(parse_stream(b"2200 x\r\n", false, 21), Parsed::NotMine);
        assert_eq!(parse_stream(b"22", false, 9999), Parsed::Incomplete);
    }

    #[test]
    fn clients_are_known_by_their_verb() {
        let kind = |prefix: &[u8], port| match parse_stream(prefix, true, port) {
            Parsed::Done(message) => {
                Some((message.kind, message.text("command").map(str::to_owned)))
            }
            _ => None,
        };
        assert_eq!(
            kind(b"ehlo host\r\n", 26),
            Some((Kind::Smtp, Some("EHLO".into())))
        );
        assert_eq!(
            kind(b"USER root\r\n", 21),
            Some((Kind::Ftp, Some("USER".into())))
        );
        assert_eq!(kind(b"USER root\r\n", 110), None);
        assert_eq!(kind(b"USERX root\r\n", 21), None);
    }
}
