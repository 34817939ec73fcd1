//! Messages of SMTP (RFC 5321; BDAT: RFC 3030), handed on as they were sent.

use crate::body::Body;
use crate::line::{command, Line};
use crate::stream::Output;

const NAME: &str = "message.eml";

#[derive(Debug)]
enum Stage {
    Commands,
    /// DATA was said, and nothing answered yet; what a client that does not wait said since.
    Asked(Vec<u8>),
    /// Lines of a message; where in a line it is.
    Data(Body, Place),
    /// So many octets of a chunk, the last of its message or not.
    Chunk(u64, bool),
    Deaf,
}

/// Where in a line of a message we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Start,
    Dot,
    DotReturn,
    Middle,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Smtp {
    stage: Stage,
    line: Line,
    answer: Line,
    /// A message of chunks so far.
    chunks: Option<Body>,
    wants_tls: bool,
    /// Commands that were not answered yet: they may be sent ahead (RFC 2920), DATA as the last.
    unanswered: u32,
}

impl Smtp {
    pub(crate) fn new() -> Self {
        Self {
            stage: Stage::Commands,
            line: Line::default(),
            answer: Line::default(),
            chunks: None,
            wants_tls: false,
            unanswered: 0,
        }
    }

    pub(crate) fn is_deaf(&self) -> bool {
        matches!(self.stage, Stage::Deaf)
    }

    pub(crate) fn held(&self) -> usize {
        let body = match &self.stage {
            Stage::Data(body, _) => body.held(),
            Stage::Asked(ahead) => ahead.capacity(),
            _ => 0,
        };
        let chunks = self.chunks.as_ref().map_or(0, Body::held);
        body + chunks + self.line.held() + self.answer.held()
    }

    pub(crate) fn push(&mut self, reverse: bool, data: &[u8], out: &mut Output<'_>) {
        let mut rest = data;
        while !rest.is_empty() {
            rest = if reverse {
                self.answered(rest, out)
            } else {
                self.said(rest, out)
            };
        }
    }

    /// The connection ends; a message that is not complete was never delivered.
    pub(crate) fn end(&mut self, reverse: bool, out: &mut Output<'_>) {
        if reverse {
            return;
        }
        if let Stage::Data(body, _) = std::mem::replace(&mut self.stage, Stage::Deaf) {
            body.abandon(out);
        }
        if let Some(body) = self.chunks.take() {
            body.abandon(out);
        }
    }

    fn answered<'a>(&mut self, data: &'a [u8], out: &mut Output<'_>) -> &'a [u8] {
        let (line, rest) = self.answer.take(data);
        let Some(line) = line else {
            return rest;
        };
        if line.get(3..4) == Some("-") {
            return rest; // More of this answer follows.
        }
        self.unanswered = self.unanswered.saturating_sub(1);
        if self.unanswered > 0 {
            return rest;
        }
        if let Stage::Asked(ahead) = &mut self.stage {
            let ahead = std::mem::take(ahead);
            self.stage = if line.starts_with("354") {
                Stage::Data(Body::new(NAME), Place::Start)
            } else {
                Stage::Commands
            };
            self.push(false, &ahead, out);
        }
        if std::mem::take(&mut self.wants_tls) && line.starts_with("220") {
            out.counters.encrypted += 1;
            self.stage = Stage::Deaf;
        }
        rest
    }

    fn said<'a>(&mut self, data: &'a [u8], out: &mut Output<'_>) -> &'a [u8] {
        match std::mem::replace(&mut self.stage, Stage::Commands) {
            Stage::Data(body, place) => self.message(body, place, data, out),
            Stage::Chunk(left, is_last) => self.chunk(left, is_last, data, out),
            Stage::Deaf => {
                self.stage = Stage::Deaf;
                &[]
            }
            // Whether it is a message the server says: many take one that comes too early.
            Stage::Asked(mut ahead) => {
                if ahead.len() + data.len() > out.limits.file {
                    out.counters.too_large += 1;
                    self.stage = Stage::Deaf;
                } else {
                    ahead.extend_from_slice(data);
                    self.stage = Stage::Asked(ahead);
                }
                &[]
            }
            Stage::Commands => {
                let (line, rest) = self.line.take(data);
                if let Some(line) = line {
                    self.obey(&line);
                }
                if let Stage::Chunk(0, is_last) = self.stage {
                    self.stage = Stage::Commands;
                    self.chunk(0, is_last, &[], out);
                }
                rest
            }
        }
    }

    fn obey(&mut self, line: &str) {
        let (word, rest) = command(line);
        self.unanswered = self.unanswered.saturating_add(1);
        match word.as_str() {
            "DATA" => self.stage = Stage::Asked(Vec::new()),
            "STARTTLS" => self.wants_tls = true,
            "RSET" | "MAIL" => self.chunks = None,
            "BDAT" => {
                let mut words = rest.split(' ');
                let size = words.next().and_then(|size| size.parse().ok());
                let is_last = words.next().is_some_and(|w| w.eq_ignore_ascii_case("LAST"));
                match size {
                    Some(size) => {
                        self.chunks.get_or_insert_with(|| Body::new(NAME));
                        self.stage = Stage::Chunk(size, is_last);
                    }
                    None => self.stage = Stage::Deaf,
                }
            }
            _ => {}
        }
    }

    fn chunk<'a>(
        &mut self,
        left: u64,
        is_last: bool,
        data: &'a [u8],
        out: &mut Output<'_>,
    ) -> &'a [u8] {
        let count = usize::try_from(left).map_or(data.len(), |left| left.min(data.len()));
        let (piece, rest) = data.split_at(count);
        if let Some(body) = &mut self.chunks {
            body.take(piece, out);
        }
        let left = left - count as u64;
        if left > 0 {
            self.stage = Stage::Chunk(left, is_last);
        } else if is_last {
            if let Some(body) = self.chunks.take() {
                body.finish(false, out);
            }
        }
        rest
    }

    /// Lines of a message: the dot that stands before another is taken away, one alone ends it.
    fn message<'a>(
        &mut self,
        mut body: Body,
        mut place: Place,
        data: &'a [u8],
        out: &mut Output<'_>,
    ) -> &'a [u8] {
        let mut from = 0;
        for (at, &octet) in data.iter().enumerate() {
            place = match (place, octet) {
                (Place::Start, b'.') => {
                    body.take(data.get(from..at).unwrap_or(&[]), out);
                    from = at + 1;
                    Place::Dot
                }
                (Place::Dot, b'\r') => {
                    from = at + 1; // It belongs to the end, if it is one.
                    Place::DotReturn
                }
                (Place::Dot | Place::DotReturn, b'\n') => {
                    body.finish(false, out);
                    self.unanswered = self.unanswered.saturating_add(1);
                    return data.get(at + 1..).unwrap_or(&[]);
                }
                (Place::DotReturn, _) => {
                    body.take(b"\r", out);
                    Place::Middle
                }
                (_, b'\n') => Place::Start,
                _ => Place::Middle,
            };
        }
        body.take(data.get(from..).unwrap_or(&[]), out);
        self.stage = Stage::Data(body, place);
        &[]
    }
}
