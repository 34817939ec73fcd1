//! Bodies of HTTP/1 messages (RFC 9112), both ways.

use std::collections::VecDeque;

use crate::body::Body;
use crate::line::base_name;
use crate::stream::Output;

/// Octets of a message's head; servers refuse more.
const HEAD: usize = 64 * 1024;
/// Octets of a head that are looked at in one go.
const LOOK: usize = 1024;
/// Requests that wait for their answers.
const PIPELINED: usize = 64;
/// Digits of a chunk's size, and its extensions.
const CHUNK_LINE: usize = 1024;

/// What the answer to a request has to know of it.
#[derive(Debug)]
struct Pending {
    has_no_body: bool,
    is_tunnel: bool,
    name: String,
}

#[derive(Debug)]
enum Stage {
    /// Octets of a head so far.
    Head(Vec<u8>),
    /// So many octets of a body are still to come.
    Sized(u64, Body),
    /// A line of a chunked body (RFC 9112, 7.1): a size, the end of a chunk, a trailer.
    ChunkLine(Vec<u8>, Part, Body),
    /// So many octets of a chunk are still to come.
    Chunk(u64, Body),
    /// All that comes.
    UntilEnd(Body),
    /// Not HTTP, or not any more.
    Deaf,
}

/// Which line of a chunked body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Size,
    End,
    Trailer,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Http {
    stages: [Stage; 2],
    pending: VecDeque<Pending>,
}

impl Http {
    pub(crate) fn new() -> Self {
        Self {
            stages: [Stage::Head(Vec::new()), Stage::Head(Vec::new())],
            pending: VecDeque::new(),
        }
    }

    pub(crate) fn is_deaf(&self) -> bool {
        self.stages.iter().all(|s| matches!(s, Stage::Deaf))
    }

    pub(crate) fn held(&self) -> usize {
        let stages: usize = self
            .stages
            .iter()
            .map(|stage| match stage {
                Stage::Head(head) => head.capacity(),
                Stage::ChunkLine(line, _, body) => line.capacity() + body.held(),
                Stage::Sized(_, body) | Stage::Chunk(_, body) | Stage::UntilEnd(body) => {
                    body.held()
                }
                Stage::Deaf => 0,
            })
            .sum();
        stages + self.pending.iter().map(|p| p.name.len()).sum::<usize>()
    }

    /// Takes octets; `reverse` for those of the server.
    pub(crate) fn push(&mut self, reverse: bool, data: &[u8], out: &mut Output<'_>) {
        let mut rest = data;
        while !rest.is_empty() {
            let stage = self.replace(reverse, Stage::Deaf);
            let (next, more) = match stage {
                Stage::Head(head) => self.head(reverse, head, rest, out),
                Stage::Sized(left, body) => sized(left, body, rest, reverse, out),
                Stage::ChunkLine(line, part, body) => {
                    chunk_line(line, part, body, rest, reverse, out)
                }
                Stage::Chunk(left, body) => chunk(left, body, rest, out),
                Stage::UntilEnd(mut body) => {
                    body.take(rest, out);
                    (Stage::UntilEnd(body), &[][..])
                }
                Stage::Deaf => (Stage::Deaf, &[][..]),
            };
            self.replace(reverse, next);
            rest = more;
        }
    }

    /// A direction has ended.
    pub(crate) fn end(&mut self, reverse: bool, out: &mut Output<'_>) {
        match self.replace(reverse, Stage::Deaf) {
            Stage::UntilEnd(body) => body.finish(reverse, out),
            Stage::Sized(_, body) | Stage::Chunk(_, body) | Stage::ChunkLine(_, _, body) => {
                body.abandon(out);
            }
            Stage::Head(_) | Stage::Deaf => {}
        }
    }

    fn replace(&mut self, reverse: bool, stage: Stage) -> Stage {
        let [forward, backward] = &mut self.stages;
        std::mem::replace(if reverse { backward } else { forward }, stage)
    }

    fn head<'a>(
        &mut self,
        reverse: bool,
        mut head: Vec<u8>,
        data: &'a [u8],
        out: &mut Output<'_>,
    ) -> (Stage, &'a [u8]) {
        if head.is_empty() && matches!(data.first(), Some(b'\r' | b'\n')) {
            // Empty lines before a message are to be ignored (RFC 9112, 2.2).
            return (Stage::Head(head), data.get(1..).unwrap_or(&[]));
        }
        let known = head.len();
        // Little by little: of many short messages in one segment none copies all that follow.
        let end = data.chunks(LOOK).find_map(|piece| {
            let looked = head.len();
            head.extend_from_slice(piece);
            end_of_head(&head, looked)
        });
        let Some(end) = end else {
            let stage = if head.len() > HEAD {
                out.counters.malformed += 1;
                Stage::Deaf
            } else {
                Stage::Head(head)
            };
            return (stage, &[]);
        };
        let rest = data.get(end - known..).unwrap_or(&[]);
        let text = String::from_utf8_lossy(head.get(..end).unwrap_or(&[])).into_owned();
        let message = Message::read(&text);
        let stage = if reverse {
            self.response(&message, out)
        } else {
            self.request(&message, out)
        };
        (stage, rest)
    }

    fn request(&mut self, message: &Message<'_>, out: &mut Output<'_>) -> Stage {
        let mut words = message.first.split(' ');
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        if !words.next().unwrap_or("").starts_with("HTTP/1.") {
            out.counters.malformed += 1;
            return Stage::Deaf;
        }
        let path = target.split(['?', '#']).next().unwrap_or("");
        let name = base_name(path).to_owned();
        if self.pending.len() < PIPELINED {
            self.pending.push_back(Pending {
                has_no_body: method == "HEAD",
                is_tunnel: method == "CONNECT",
                name: name.clone(),
            });
        }
        let mut body = Body::new(&name);
        if message
            .get("content-type")
            .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("multipart/"))
        {
            // A form's files are parts of a message: it is handed on as one (RFC 7578).
            let kind = message.get("content-type").unwrap_or("");
            body.rename(&format!("{name}.eml"));
            body.take(
                format!("MIME-Version: 1.0\r\nContent-Type: {kind}\r\n\r\n").as_bytes(),
                out,
            );
        }
        message.stage(body, false)
    }

    fn response(&mut self, message: &Message<'_>, out: &mut Output<'_>) -> Stage {
        let mut words = message.first.split(' ');
        let version = words.next().unwrap_or("");
        let status: u16 = words.next().and_then(|s| s.parse().ok()).unwrap_or(0);
        if !version.starts_with("HTTP/1.") || !(100..600).contains(&status) {
            out.counters.malformed += 1;
            return Stage::Deaf;
        }
        if status == 101 {
            self.replace(false, Stage::Deaf);
            return Stage::Deaf;
        }
        if status < 200 {
            return Stage::Head(Vec::new());
        }
        let asked = self.pending.pop_front();
        if asked.as_ref().is_some_and(|p| p.is_tunnel) && status < 300 {
            self.replace(false, Stage::Deaf);
            return Stage::Deaf;
        }
        if matches!(status, 204 | 304) || asked.as_ref().is_some_and(|p| p.has_no_body) {
            return Stage::Head(Vec::new());
        }
        let given = message.get("content-disposition").and_then(file_name);
        let name = given.or(asked.map(|p| p.name)).unwrap_or_default();
        message.stage(Body::new(&name), true)
    }
}

/// The head of a message.
struct Message<'a> {
    first: &'a str,
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> Message<'a> {
    fn read(text: &'a str) -> Self {
        let mut lines = text.lines();
        Self {
            first: lines.next().unwrap_or("").trim_end(),
            fields: lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.trim(), value.trim()))
                .collect(),
        }
    }

    /// The last field of a name: who lies about a length is read as the receiver does at the end.
    fn get(&self, name: &str) -> Option<&'a str> {
        let found = self
            .fields
            .iter()
            .rev()
            .find(|(field, _)| field.eq_ignore_ascii_case(name));
        found.map(|(_, value)| *value)
    }

    /// What follows the head (RFC 9112, 6.3).
    fn stage(&self, body: Body, is_response: bool) -> Stage {
        let coding = self.get("transfer-encoding").unwrap_or("");
        if coding.to_ascii_lowercase().contains("chunked") {
            return Stage::ChunkLine(Vec::new(), Part::Size, body);
        }
        match self.get("content-length").map(str::parse::<u64>) {
            Some(Ok(0)) => Stage::Head(Vec::new()),
            Some(Ok(length)) => Stage::Sized(length, body),
            _ if is_response => Stage::UntilEnd(body),
            _ => Stage::Head(Vec::new()),
        }
    }
}

/// Where a head ends: after its empty line. `known` octets were looked at before.
fn end_of_head(head: &[u8], known: usize) -> Option<usize> {
    let from = known.saturating_sub(3);
    let window = head.get(from..)?;
    let mut last = None;
    for (place, octet) in window.iter().enumerate() {
        if *octet == b'\n' {
            let between = last.map(|at: usize| window.get(at + 1..place).unwrap_or(&[]));
            if matches!(between, Some(&[] | b"\r")) {
                return Some(from + place + 1);
            }
            last = Some(place);
        }
    }
    None
}

/// The name of a file in `Content-Disposition` (RFC 6266).
fn file_name(value: &str) -> Option<String> {
    let parameter = value.split(';').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("filename")
            .then_some(value)
    })?;
    Some(base_name(parameter.trim().trim_matches('"')).to_owned())
}

fn sized<'a>(
    left: u64,
    mut body: Body,
    data: &'a [u8],
    reverse: bool,
    out: &mut Output<'_>,
) -> (Stage, &'a [u8]) {
    let count = usize::try_from(left).map_or(data.len(), |left| left.min(data.len()));
    let (piece, rest) = data.split_at(count);
    body.take(piece, out);
    let left = left - count as u64;
    if left > 0 {
        return (Stage::Sized(left, body), rest);
    }
    body.finish(reverse, out);
    (Stage::Head(Vec::new()), rest)
}

fn chunk<'a>(left: u64, mut body: Body, data: &'a [u8], out: &mut Output<'_>) -> (Stage, &'a [u8]) {
    let count = usize::try_from(left).map_or(data.len(), |left| left.min(data.len()));
    let (piece, rest) = data.split_at(count);
    body.take(piece, out);
    let left = left - count as u64;
    let stage = if left > 0 {
        Stage::Chunk(left, body)
    } else {
        Stage::ChunkLine(Vec::new(), Part::End, body)
    };
    (stage, rest)
}

fn chunk_line<'a>(
    mut line: Vec<u8>,
    part: Part,
    body: Body,
    data: &'a [u8],
    reverse: bool,
    out: &mut Output<'_>,
) -> (Stage, &'a [u8]) {
    let end = data.iter().position(|&octet| octet == b'\n');
    let (piece, rest) = data.split_at(end.map_or(data.len(), |end| end + 1));
    line.extend_from_slice(piece);
    if line.len() > CHUNK_LINE {
        out.counters.malformed += 1;
        body.abandon(out);
        return (Stage::Deaf, rest);
    }
    if end.is_none() {
        return (Stage::ChunkLine(line, part, body), rest);
    }
    let text = String::from_utf8_lossy(&line);
    let text = text.trim();
    let stage = match part {
        Part::End => Stage::ChunkLine(Vec::new(), Part::Size, body),
        Part::Trailer if text.is_empty() => {
            body.finish(reverse, out);
            Stage::Head(Vec::new())
        }
        Part::Trailer => Stage::ChunkLine(Vec::new(), Part::Trailer, body),
        Part::Size => {
            let digits = text.split(';').next().unwrap_or("").trim();
            match u64::from_str_radix(digits, 16) {
                Ok(0) => Stage::ChunkLine(Vec::new(), Part::Trailer, body),
                Ok(size) => Stage::Chunk(size, body),
                Err(_) => {
                    out.counters.malformed += 1;
                    body.abandon(out);
                    Stage::Deaf
                }
            }
        }
    };
    (stage, rest)
}
