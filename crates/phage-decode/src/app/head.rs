//! Heads of HTTP's shape: a start line and header lines. HTTP/1 and SSDP share it.

use super::fault::Reason;
use super::text::{printable, trimmed};

/// Longest head that is followed, in bytes: servers refuse more (Apache 8,190, nginx 8 kB a line).
pub(crate) const MAX_HEAD: usize = 8 * 1024;

/// Most header lines that are looked at; Apache and nginx refuse more than 100.
const MAX_LINES: usize = 100;

/// A head: its start line and the lines below, without line ends.
pub(crate) struct Head<'a> {
    pub(crate) start: &'a [u8],
    lines: Vec<(&'a [u8], &'a [u8])>,
}

/// The lines of some bytes and whether each was ended by a line feed.
fn lines(data: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    data.split_inclusive(|&byte| byte == b'\n')
        .map(|line| match line {
            [head @ .., b'\r', b'\n'] | [head @ .., b'\n'] => (head, true),
            _ => (line, false),
        })
}

/// The first line of some bytes, without its end; `None` where no line has ended.
pub(crate) fn first_line(data: &[u8]) -> Option<&[u8]> {
    lines(data)
        .next()
        .filter(|(_, ended)| *ended)
        .map(|(line, _)| line)
}

impl<'a> Head<'a> {
    /// Reads a head. [`Reason::Truncated`] means that the empty line at its end is missing; with
    /// `open` what is there is taken instead, but for a last line that is cut.
    pub(crate) fn read(data: &'a [u8], open: bool) -> Result<Self, Reason> {
        let mut lines = lines(data);
        let (start, ended) = lines.next().ok_or(Reason::Truncated)?;
        if !ended {
            return Err(Reason::Truncated);
        }
        let mut head = Self {
            start,
            lines: Vec::new(),
        };
        for (line, ended) in lines {
            if !ended {
                break;
            }
            if line.is_empty() {
                return Ok(head);
            }
            let colon = line.iter().position(|&byte| byte == b':');
            if let Some((name, [_, value @ ..])) = colon.and_then(|at| line.split_at_checked(at)) {
                if head.lines.len() < MAX_LINES {
                    head.lines.push((name, value));
                }
            }
        }
        if open {
            Ok(head)
        } else {
            Err(Reason::Truncated)
        }
    }

    /// The value of the first line with a name, white space around it removed.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a [u8]> {
        let same =
            |line: &&(&[u8], &[u8])| line.0.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
        self.lines
            .iter()
            .find(same)
            .map(|(_, value)| value.trim_ascii())
    }

    /// The same as text; `None` where it is empty.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.raw(name).and_then(trimmed)
    }

    /// The same as a number of at most 18 digits.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        number(self.raw(name)?)
    }

    /// The start line in its three parts; the last may hold spaces, and be empty.
    pub(crate) fn parts(&self) -> Option<[&'a [u8]; 3]> {
        let mut parts = self.start.splitn(3, |&byte| byte == b' ');
        Some([parts.next()?, parts.next()?, parts.next().unwrap_or(&[])])
    }
}

/// Decimal digits as a number; at most 18, so that it fits.
pub(crate) fn number(digits: &[u8]) -> Option<i64> {
    let sound = (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    sound.then(|| {
        digits
            .iter()
            .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'))
    })
}

/// The version in `HTTP/1.1`.
pub(crate) fn version(part: &[u8]) -> Option<String> {
    let digits = part.strip_prefix(b"HTTP/")?;
    match digits {
        [b'0'..=b'9'] | [b'0'..=b'9', b'.', b'0'..=b'9'] => Some(printable(digits)),
        _ => None,
    }
}
