//! Lines of text protocols, however they are cut into segments.

/// Octets of a line that are kept: commands and file names; what is longer is cut.
const LONGEST: usize = 4096;

/// A line that is not complete yet.
#[derive(Debug, Default)]
pub(crate) struct Line {
    kept: Vec<u8>,
}

impl Line {
    /// Takes octets up to the end of a line; returns the line, if it is complete, and what follows.
    pub(crate) fn take<'a>(&mut self, data: &'a [u8]) -> (Option<String>, &'a [u8]) {
        let end = data.iter().position(|&octet| octet == b'\n');
        let (piece, rest) = match end {
            Some(end) => (data.get(..end), data.get(end + 1..)),
            None => (Some(data), None),
        };
        let room = LONGEST.saturating_sub(self.kept.len());
        self.kept
            .extend(piece.unwrap_or(&[]).iter().take(room).copied());
        let Some(rest) = rest else {
            return (None, &[]);
        };
        if self.kept.last() == Some(&b'\r') {
            self.kept.pop();
        }
        let line = String::from_utf8_lossy(&self.kept).into_owned();
        self.kept.clear();
        (Some(line), rest)
    }

    pub(crate) fn held(&self) -> usize {
        self.kept.capacity()
    }
}

/// The last part of a path: what people call the file.
pub(crate) fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// The word that begins a line, in capital letters, and the rest.
pub(crate) fn command(line: &str) -> (String, &str) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    (word.to_ascii_uppercase(), rest.trim())
}
