use super::{parse_stream, MAX_HEAD};
use crate::app::message::{Message, Parsed};

fn done(prefix: &[u8]) -> Message {
    match parse_stream(prefix) {
        Parsed::Done(message) => message,
        other => unreachable!("{other:?}"),
    }
}

const REQUEST: &[u8] = b"POST /login?next=%2F HTTP/1.1\r\nHost: cam.example:8080\r\nuser-agent:  curl/8.1 \r\n\
    Content-Type: application/json\r\nContent-Length: 17\r\nAuthorization: Basic YWRtaW46c2VjcmV0\r\n\r\nbody";

#[test]
fn a_request_tells_no_secret() {
    let message = done(REQUEST);
    assert_eq!(message.text("method"), Some("POST"));
    assert_eq!(message.text("uri"), Some("/login?next=%2F"));
    assert_eq!(message.integer("uri_length"), Some(15));
    assert_eq!(message.text("host"), Some("cam.example:8080"));
    assert_eq!(message.text("user_agent"), Some("curl/8.1"));
    assert_eq!(message.text("version"), Some("1.1"));
    assert_eq!(message.text("content_type"), Some("application/json"));
    assert_eq!(message.integer("content_length"), Some(17));
    assert_eq!(message.text("authorization"), Some("basic"));
    assert!(!format!("{message:?}").contains("YWRt"));

    let bare =
        b"GET http://admin:pa@ss@cam.example/x@y?z HTTP/1.0\nAuthorization: 0123456789abcdef\n\n";
    let message = done(bare);
    assert_eq!(message.text("uri"), Some("http://cam.example/x@y?z"));
    assert_eq!(message.text("authorization"), Some("other"));
    assert!(
        !format!("{message:?}").contains("0123456789") && !format!("{message:?}").contains("pa@")
    );
}

#[test]
fn a_response() {
    let message = done(
        b"HTTP/1.1 401 Unauthorized\r\nServer: lighttpd/1.4.35\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"y\"\r\n\
          Content-Length: 99999999999999999999\r\nbroken line\r\n: no name\r\n\r\n",
    );
    assert_eq!(message.integer("status"), Some(401));
    assert_eq!(message.text("server"), Some("lighttpd/1.4.35"));
    assert_eq!(message.text("www_authenticate"), Some("digest"));
    assert_eq!(message.get("content_length"), None);
    assert_eq!(message.get("method"), None);
    assert_eq!(done(b"HTTP/1.0 200\r\n\r\n").integer("status"), Some(200));
}

#[test]
fn targets_of_all_forms() {
    assert_eq!(
        done(b"CONNECT a.example:443 HTTP/1.1\r\n\r\n").text("uri"),
        Some("a.example:443")
    );
    assert_eq!(
        done(b"GET /a b c HTTP/1.1\r\n\r\n").text("uri"),
        Some("/a b c")
    );
    assert_eq!(
        done(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").text("version"),
        Some("2.0")
    );
    let escaped = done(b"GET /\x00\x1b[2J\xff HTTP/1.1\r\n\r\n");
    assert_eq!(escaped.text("uri"), Some("/\\x00\\x1b[2J\\xff"));
}

#[test]
fn cut_anywhere_more_is_awaited() {
    let head = REQUEST.len() - 4;
    for end in 1..head {
        assert_eq!(
            parse_stream(REQUEST.get(..end).unwrap_or(&[])),
            Parsed::Incomplete,
            "{end}"
        );
    }
    assert_eq!(parse_stream(b"HTT"), Parsed::Incomplete);
}

#[test]
fn other_text_is_not_mine() {
    for other in [
        &b"OPTIONS rtsp://cam/ RTSP/1.0\r\n\r\n"[..],
        b"INVITE sip:x SIP/2.0\r\n",
        b"USER root\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        b"\x16\x03\x01",
        b" GET / HTTP/1.1\r\n\r\n",
    ] {
        assert_eq!(parse_stream(other), Parsed::NotMine, "{other:?}");
    }
    assert!(matches!(
        parse_stream(b"HTTP/1.1 abc\r\n\r\n"),
        Parsed::Malformed(_)
    ));
}

#[test]
fn an_endless_head_is_taken_as_far_as_it_goes() {
    let mut endless = b"GET / HTTP/1.1\r\nHost: h\r\n".to_vec();
    endless.extend(b"X: y\r\n".repeat(MAX_HEAD));
    assert_eq!(done(&endless).text("host"), Some("h"));
    let mut line = b"GET /".to_vec();
    line.resize(2 * MAX_HEAD, b'a');
    assert_eq!(parse_stream(&line), Parsed::NotMine);
    let long = [b"GET /", &vec![b'a'; 4000][..], b" HTTP/1.1\r\n\r\n"].concat();
    let message = done(&long);
    assert_eq!(message.text("uri").map(str::len), Some(255));
    assert_eq!(message.integer("uri_length"), Some(4001));
}
