//! FTP (RFC 959; RFC 2428): what is said on the control connection, and the data connections that
//! it leads to.

use crate::body::Body;
use crate::line::{base_name, command, Line};
use crate::stream::{Ends, Output};

/// A data connection that is expected: where it will be listened for, and by which control
/// connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) address: [u8; 16],
    pub(crate) port: u16,
    pub(crate) control: u64,
}

/// What a data connection carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// Nobody has said so far.
    #[default]
    Unsaid,
    /// A list of files, which is none.
    List,
    /// A file, by its name.
    File(String),
}

impl Transfer {
    fn held(&self) -> usize {
        match self {
            Self::File(name) => name.capacity(),
            Self::Unsaid | Self::List => 0,
        }
    }
}

/// A control connection.
#[derive(Debug)]
pub(crate) struct Control {
    lines: [Line; 2],
    /// Its number, that data connections know it by.
    pub(crate) number: u64,
    pub(crate) transfer: Transfer,
    wants_tls: bool,
    is_deaf: bool,
}

impl Control {
    pub(crate) fn new(number: u64) -> Self {
        Self {
            lines: [Line::default(), Line::default()],
            number,
            transfer: Transfer::Unsaid,
            wants_tls: false,
            is_deaf: false,
        }
    }

    pub(crate) fn is_deaf(&self) -> bool {
        self.is_deaf
    }

    pub(crate) fn held(&self) -> usize {
        let lines: usize = self.lines.iter().map(Line::held).sum();
        lines + self.transfer.held()
    }

    pub(crate) fn push(&mut self, reverse: bool, data: &[u8], out: &mut Output<'_>) {
        let mut rest = data;
        while !rest.is_empty() && !self.is_deaf {
            let [forward, backward] = &mut self.lines;
            let (line, more) = if reverse { backward } else { forward }.take(rest);
            rest = more;
            if let Some(line) = line {
                if reverse {
                    self.answered(&line, out);
                } else {
                    self.said(&line, out);
                }
            }
        }
    }

    fn said(&mut self, line: &str, out: &mut Output<'_>) {
        let (word, rest) = command(line);
        let client = out.ends.initiator;
        match word.as_str() {
            "RETR" | "STOR" | "APPE" | "STOU" => {
                self.begin(Transfer::File(base_name(rest).to_owned()), out);
            }
            "LIST" | "NLST" | "MLSD" => self.begin(Transfer::List, out),
            "AUTH" => self.wants_tls = true,
            "PORT" => {
                if let Some((address, port)) = six_numbers(rest) {
                    out.expect(address, port, self.number);
                }
            }
            "EPRT" => {
                if let Some(port) = rest.split('|').nth(3).and_then(|p| p.parse().ok()) {
                    out.expect(client, port, self.number);
                }
            }
            _ => {}
        }
    }

    fn begin(&mut self, transfer: Transfer, out: &mut Output<'_>) {
        out.transfer = Some((self.number, transfer.clone()));
        self.transfer = transfer;
    }

    fn answered(&mut self, line: &str, out: &mut Output<'_>) {
        let server = out.ends.responder;
        if std::mem::take(&mut self.wants_tls) && line.starts_with("234") {
            self.is_deaf = true;
        } else if line.starts_with("227") {
            let numbers = line.trim_end_matches(|c: char| !c.is_ascii_digit());
            let from = numbers
                .rfind(|c: char| !c.is_ascii_digit() && c != ',')
                .map_or(0, |at| at + 1);
            if let Some((address, port)) = numbers.get(from..).and_then(six_numbers) {
                // What a server behind NAT says of itself is not where it is reached.
                out.expect(server, port, self.number);
                if address != server {
                    out.expect(address, port, self.number);
                }
            }
        } else if line.starts_with("229") {
            if let Some(port) = line.split('|').nth(3).and_then(|p| p.parse().ok()) {
                out.expect(server, port, self.number);
            }
        }
    }
}

/// An address and a port as RFC 959 writes them: h1,h2,h3,h4,p1,p2.
fn six_numbers(text: &str) -> Option<([u8; 16], u16)> {
    let mut numbers = [0_u8; 6];
    let mut words = text.split(',');
    for number in &mut numbers {
        *number = words.next()?.trim().parse().ok()?;
    }
    let [a, b, c, d, high, low] = numbers;
    Some((Ends::mapped([a, b, c, d]), u16::from_be_bytes([high, low])))
}

/// A data connection.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) control: u64,
    /// Its octets, by direction.
    bodies: [Body; 2],
    transfer: Transfer,
}

impl Data {
    pub(crate) fn new(control: u64, transfer: Transfer) -> Self {
        Self {
            control,
            bodies: [Body::default(), Body::default()],
            transfer,
        }
    }

    pub(crate) fn call(&mut self, transfer: Transfer) {
        self.transfer = transfer;
    }

    pub(crate) fn held(&self) -> usize {
        self.bodies.iter().map(Body::held).sum()
    }

    pub(crate) fn push(&mut self, reverse: bool, data: &[u8], out: &mut Output<'_>) {
        let [forward, backward] = &mut self.bodies;
        if reverse { backward } else { forward }.take(data, out);
    }

    pub(crate) fn end(&mut self, reverse: bool, out: &mut Output<'_>) {
        let [forward, backward] = &mut self.bodies;
        let mut body = std::mem::take(if reverse { backward } else { forward });
        match &self.transfer {
            Transfer::List => {}
            Transfer::Unsaid => body.finish(reverse, out),
            Transfer::File(name) => {
                body.rename(name);
                body.finish(reverse, out);
            }
        }
    }
}
