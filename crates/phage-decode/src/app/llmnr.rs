//! Link-local multicast name resolution (RFC 4795).
//!
//! Fields as of [DNS](super::dns): `id`, `response`, `query`, `query_type`, `rcode`, `answers`,
//! `answer`, `ttl`, `size`; and `conflict`, a flag: the sender knows of another owner of the name.

use super::dns::put_header;
use super::dns::wire::Wire;
use super::fault::Reason;
use super::kind::Kind;
use super::message::Message;

/// Parses a message; `cut` says that its end was not captured.
pub(crate) fn parse(data: &[u8], cut: bool) -> Result<Message, Reason> {
    let wire = Wire::read(data, cut)?;
    // Section 2.1.1: one question, opcode 0; all else is to be discarded.
    if wire.header.opcode() != 0 || wire.questions.len() != 1 {
        return Err(Reason::Value);
    }
    let mut message = Message::new(Kind::Llmnr);
    put_header(&mut message, &wire);
    message.put_flag("conflict", wire.header.has(0x0400));
    message.put_count("size", data.len());
    Ok(message)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::{parse, Reason};

    const QUERY: &[u8] = b"\x12\x34\0\0\0\x01\0\0\0\0\0\0\x04wPAD\0\0\x01\0\x01";

    #[test]
    fn a_query_and_its_answer() {
        let query = parse(QUERY, false).unwrap();
        assert_eq!(query.text("query"), Some("wpad"));
        assert_eq!(query.integer("id"), Some(0x1234));
        assert!(!query.flag("response"));
        assert_eq!(query.get("rcode"), None);

        let mut answer = QUERY.to_vec();
        answer[2] = 0x80;
        answer[7] = 1;
        answer.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\x0a\0\0\x07");
        let answer = parse(&answer, false).unwrap();
        assert!(answer.flag("response"));
        assert_eq!(answer.list("answer"), ["A 10.0.0.7"]);
        assert_eq!(answer.integer("ttl"), Some(30));
    }

    #[test]
    fn no_question_or_another_opcode_is_refused() {
        let mut wrong = QUERY.to_vec();
        wrong[2] = 0x28;
        assert_eq!(parse(&wrong, false), Err(Reason::Value));
        assert_eq!(parse(&[0; 12], false), Err(Reason::Value));
        for end in 0..QUERY.len() {
            assert_eq!(parse(&QUERY[..end], true), Err(Reason::Truncated));
        }
    }
}
