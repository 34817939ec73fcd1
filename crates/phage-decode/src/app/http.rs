//! HTTP/1 heads (RFC 9110, RFC 9112).
//!
//! | field | type | what |
//! |---|---|---|
//! | `method` | text | requests only |
//! | `uri` | text | request target, its start; credentials before a host are left out |
//! | `uri_length` | integer | bytes of the whole target |
//! | `host`, `user_agent` | text | requests only |
//! | `authorization` | text | scheme only: `basic`, `bearer`, ..., `other` |
//! | `status` | integer | responses only |
//! | `server` | text | responses only |
//! | `www_authenticate` | text | scheme only, as above; responses only |
//! | `location` | text | responses only; credentials before a host are left out |
//! | `version` | text | `1.1`; `2.0` for the preface of HTTP/2 |
//! | `content_type` | text | |
//! | `content_length` | integer | |
//! | `failures` | integer | responses so far that asked for a login, with no other among them; where there are many |

use super::fault::{AppFault, Reason};
use super::head::{first_line, version, Head, MAX_HEAD};
use super::kind::Kind;
use super::message::{Message, Parsed};
use super::text::{named, printable};

/// Longest method that is believed; the longest registered one has 17 letters.
const MAX_METHOD: usize = 20;

/// What the first bytes can be.
enum Shape {
    Request,
    Response,
    Undecided,
    Other,
}

/// Status of a response to a request without a login, or with a wrong one (RFC 9110, section 15.5.2).
const UNAUTHORIZED: i64 = 401;

/// Whether responses that follow a first one can tell of guessing.
pub(crate) fn is_followed(message: &Message) -> bool {
    message.integer("status") == Some(UNAUTHORIZED)
}

/// Counts how many of a connection's latest responses in a row asked for a login.
pub(crate) fn count_refused(prefix: &[u8]) -> Parsed {
    let mut answer = parse_stream(prefix);
    if let Parsed::Done(message) = &mut answer {
        let mut refused = 0;
        for line in prefix.windows(12) {
            if let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', status @ ..] = line {
                refused = if status == b"401" { refused + 1 } else { 0 };
            }
        }
        message.put_count("failures", refused);
    }
    answer
}

/// Parses the first head of a stream.
pub(crate) fn parse_stream(prefix: &[u8]) -> Parsed {
    let request = match shape(prefix) {
        Shape::Request => true,
        Shape::Response => false,
        Shape::Undecided => return Parsed::Incomplete,
        Shape::Other => return Parsed::NotMine,
    };
    // A head that is longer than servers take says enough in what is there.
    let is_long = prefix.len() >= MAX_HEAD;
    let head = match Head::read(prefix.get(..MAX_HEAD).unwrap_or(prefix), is_long) {
        Ok(head) => head,
        Err(Reason::Truncated) if !is_long => return Parsed::Incomplete,
        Err(_) => return malformed(Reason::TooLarge),
    };
    let message = if request {
        read_request(&head)
    } else {
        read_response(&head)
    };
    message.map_or_else(|| malformed(Reason::Value), Parsed::Done)
}

fn malformed(reason: Reason) -> Parsed {
    Parsed::Malformed(AppFault {
        kind: Kind::Http,
        reason,
    })
}

/// Tells by the first line whether this is HTTP.
fn shape(prefix: &[u8]) -> Shape {
    const RESPONSE: &[u8] = b"HTTP/1.";
    if prefix.starts_with(RESPONSE) {
        return Shape::Response;
    }
    if RESPONSE.starts_with(prefix) {
        return Shape::Undecided;
    }
    let letters = prefix
        .iter()
        .take_while(|byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_'))
        .count();
    match prefix.get(letters) {
        _ if letters > MAX_METHOD => Shape::Other,
        None => Shape::Undecided,
        Some(b' ') if letters >= 3 => match first_line(prefix) {
            Some(line) => {
                let last = line.rsplit(|&byte| byte == b' ').next().unwrap_or(&[]);
                if version(last).is_some() {
                    Shape::Request
                } else {
                    Shape::Other
                }
            }
            None if prefix.len() >= MAX_HEAD => Shape::Other,
            None => Shape::Undecided,
        },
        Some(_) => Shape::Other,
    }
}

fn read_request(head: &Head<'_>) -> Option<Message> {
    let space = head.start.iter().position(|&byte| byte == b' ')?;
    let last = head.start.iter().rposition(|&byte| byte == b' ')?;
    let target = head.start.get(space + 1..last)?.trim_ascii();
    let mut message = Message::new(Kind::Http);
    message.put_text("method", printable(head.start.get(..space)?));
    message.put_text("uri", without_credentials(target));
    message.put_count("uri_length", target.len());
    message.put_text("version", version(head.start.get(last + 1..)?)?);
    message.put_some("host", head.text("host"));
    message.put_some("user_agent", head.text("user-agent"));
    message.put_some("authorization", head.raw("authorization").map(scheme));
    put_content(&mut message, head);
    Some(message)
}

fn read_response(head: &Head<'_>) -> Option<Message> {
    let [first, status, _] = head.parts()?;
    let &[a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] = status else {
        return None;
    };
    let digits = [a, b, c].map(|digit| i64::from(digit - b'0'));
    let [hundreds, tens, ones] = digits;
    let mut message = Message::new(Kind::Http);
    message.put_integer("status", hundreds * 100 + tens * 10 + ones);
    message.put_text("version", version(first)?);
    message.put_some("server", head.text("server"));
    message.put_some("www_authenticate", head.raw("www-authenticate").map(scheme));
    message.put_some("location", head.raw("location").map(without_credentials));
    put_content(&mut message, head);
    Some(message)
}

fn put_content(message: &mut Message, head: &Head<'_>) {
    message.put_some("content_type", head.text("content-type"));
    if let Some(length) = head.number("content-length") {
        message.put_integer("content_length", length);
    }
}

/// A target as text; in `scheme://user:password@host/` what stands before the host is left out.
fn without_credentials(target: &[u8]) -> String {
    let authority = target
        .windows(3)
        .position(|window| window == b"://")
        .map(|at| at + 3);
    if let Some((scheme, rest)) = authority.and_then(|at| target.split_at_checked(at)) {
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?' | b'#'))
            .unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if let Some(at) = authority.iter().rposition(|&byte| byte == b'@') {
            let host = authority.get(at + 1..).unwrap_or(&[]);
            return printable(&[scheme, host, path].concat());
        }
    }
    printable(target)
}

/// The name of an authentication scheme (IANA registry and common ones). Nothing else of the
/// header is ever told: a token without a scheme would be the secret itself.
fn scheme(value: &[u8]) -> String {
    const SCHEMES: [&str; 16] = [
        "basic",
        "bearer",
        "digest",
        "negotiate",
        "ntlm",
        "oauth",
        "dpop",
        "gnap",
        "hoba",
        "mutual",
        "vapid",
        "scram-sha-1",
        "scram-sha-256",
        "aws4-hmac-sha256",
        "token",
        "apikey",
    ];
    let first = value
        .split(|byte| matches!(byte, b' ' | b'\t' | b','))
        .next()
        .unwrap_or(&[]);
    let known = SCHEMES
        .into_iter()
        .find(|known| known.as_bytes().eq_ignore_ascii_case(first));
    named(known.or(Some("other")), 0_u8)
}

#[cfg(test)]
mod tests;
