//! Domain names on the wire: labels and compression pointers (RFC 1035, section 4.1.4).

use crate::app::fault::Reason;
use crate::app::text::{append, MAX_TEXT};

/// Longest name on the wire, length octets and the root included (RFC 1035, section 2.3.4).
const MAX_WIRE: usize = 255;

/// A name: the octets of its labels, and where each label ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Name {
    octets: Vec<u8>,
    ends: Vec<u8>,
}

impl Name {
    /// Reads a name at a place of a message; answers it and the place behind it.
    ///
    /// A pointer must lead before the start of the run of labels that it ends, so following
    /// pointers always ends: there is no loop to count.
    pub(crate) fn read(message: &[u8], start: usize) -> Result<(Self, usize), Reason> {
        let mut name = Self::default();
        let mut at = start;
        let mut run = start;
        let mut behind = None;
        loop {
            let length = *message.get(at).ok_or(Reason::Truncated)?;
            match length >> 6 {
                0 if length == 0 => return Ok((name, behind.unwrap_or(at + 1))),
                0 => {
                    let label = message
                        .get(at + 1..at + 1 + usize::from(length))
                        .ok_or(Reason::Truncated)?;
                    name.push(label)?;
                    at += 1 + label.len();
                }
                3 => {
                    let low = *message.get(at + 1).ok_or(Reason::Truncated)?;
                    let target = usize::from(length & 0x3f) << 8 | usize::from(low);
                    if target >= run {
                        return Err(Reason::Name);
                    }
                    behind = behind.or(Some(at + 2));
                    at = target;
                    run = target;
                }
                _ => return Err(Reason::Name),
            }
        }
    }

    fn push(&mut self, label: &[u8]) -> Result<(), Reason> {
        self.octets.extend_from_slice(label);
        // A length octet for each label and one for the root.
        if self.octets.len() + self.ends.len() + 2 > MAX_WIRE {
            return Err(Reason::Name);
        }
        let end = u8::try_from(self.octets.len()).map_err(|_| Reason::Name)?;
        self.ends.push(end);
        Ok(())
    }

    /// The labels, first to last.
    pub(crate) fn labels(&self) -> impl DoubleEndedIterator<Item = &[u8]> + '_ {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let spans: Vec<(u8, u8)> = starts.zip(self.ends.iter().copied()).collect();
        spans.into_iter().map(|(start, end)| {
            self.octets
                .get(usize::from(start)..usize::from(end))
                .unwrap_or(&[])
        })
    }

    /// How many labels the name has.
    pub(crate) fn count(&self) -> usize {
        self.ends.len()
    }

    /// Characters of the name with its dots.
    pub(crate) fn length(&self) -> usize {
        self.octets.len() + self.ends.len().saturating_sub(1)
    }

    /// Octets of the longest label.
    pub(crate) fn longest_label(&self) -> usize {
        self.labels().map(<[u8]>::len).max().unwrap_or(0)
    }

    /// Shannon entropy of the labels' octets in bits for each octet; 0 for the root.
    pub(crate) fn entropy(&self) -> f64 {
        let mut counts = [0_u32; 256];
        for &octet in &self.octets {
            if let Some(count) = counts.get_mut(usize::from(octet)) {
                *count += 1;
            }
        }
        let total = self.octets.len() as f64;
        counts
            .iter()
            .filter(|&&count| count > 0)
            .map(|&count| {
                let share = f64::from(count) / total;
                -share * share.log2()
            })
            .sum::<f64>()
            // One octet alone gives -0.
            .max(0.0)
    }

    /// The name as text, as it was sent; a dot inside a label is escaped; the root is `.`.
    pub(crate) fn text(&self) -> String {
        if self.ends.is_empty() {
            return ".".to_owned();
        }
        let mut out = String::with_capacity(self.length());
        for (index, label) in self.labels().enumerate() {
            if index > 0 && !append(&mut out, b".", b"", MAX_TEXT) {
                break;
            }
            if !append(&mut out, label, b".", MAX_TEXT) {
                break;
            }
        }
        out
    }

    /// The name as text in lower case: names compare without case (RFC 4343), and some resolvers
    /// mix it at random.
    pub(crate) fn lower(&self) -> String {
        let mut text = self.text();
        text.make_ascii_lowercase();
        text
    }

    /// The name without its first labels.
    pub(crate) fn parent(&self, skip: usize) -> Self {
        let mut parent = Self::default();
        for label in self.labels().skip(skip) {
            // Fewer labels than a name that did fit.
            let _ = parent.push(label);
        }
        parent
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "tests")]
    use super::{Name, Reason};

    fn read(message: &[u8], at: usize) -> Result<(String, usize), Reason> {
        Name::read(message, at).map(|(name, behind)| (name.text(), behind))
    }

    #[test]
    fn the_example_of_rfc_1035_section_4_1_4() {
        let mut message = vec![0; 20];
        message.extend(b"\x01F\x03ISI\x04ARPA\0");
        message.resize(40, 0);
        message.extend(b"\x03FOO\xc0\x14");
        message.resize(64, 0);
        message.extend(b"\xc0\x1a");
        message.resize(92, 0);
        assert_eq!(read(&message, 20), Ok(("F.ISI.ARPA".into(), 32)));
        assert_eq!(read(&message, 40), Ok(("FOO.F.ISI.ARPA".into(), 46)));
        assert_eq!(read(&message, 64), Ok(("ARPA".into(), 66)));
        assert_eq!(read(&message, 91), Ok((".".into(), 92)));
    }

    #[test]
    fn pointers_that_loop_or_go_forward_are_refused() {
        assert_eq!(read(b"\xc0\x00", 0), Err(Reason::Name));
        assert_eq!(read(b"\x01a\xc0\x00", 0), Err(Reason::Name));
        assert_eq!(read(b"\xc0\x02\xc0\x00", 2), Err(Reason::Name));
        assert_eq!(read(b"\xc0\x02\x01a\x00", 0), Err(Reason::Name));
        assert_eq!(read(b"\x40a\x00", 0), Err(Reason::Name));
        assert_eq!(read(b"\x80a\x00", 0), Err(Reason::Name));
    }

    #[test]
    fn a_chain_of_pointers_that_grows_a_name_is_cut_at_255_octets() {
        // Each entry is a label of 60 octets and a pointer to the entry before.
        let mut message = vec![0_u8];
        let mut last = 0_u16;
        for _ in 0..8 {
            let start = message.len() as u16;
            message.push(60);
            message.extend([b'x'; 60]);
            message.extend((0xc000 | last).to_be_bytes());
            last = start;
        }
        assert_eq!(read(&message, usize::from(last)), Err(Reason::Name));
        assert!(read(&message, 1 + 63 * 3).is_ok());
    }

    #[test]
    fn the_longest_name_is_read_and_one_more_octet_refused() {
        let mut wire = Vec::new();
        for length in [63_u8, 63, 63, 61] {
            wire.push(length);
            wire.extend(vec![b'a'; usize::from(length)]);
        }
        wire.push(0);
        assert_eq!(wire.len(), 255);
        assert_eq!(read(&wire, 0).map(|(text, _)| text.len()), Ok(253));
        let mut longer = b"\x3e".to_vec();
        longer.extend([b'b'; 62]);
        longer.extend(&wire[64..]);
        assert!(read(&longer, 0).is_ok());
        let mut too_long = vec![1, b'b'];
        too_long.extend(&wire);
        assert_eq!(read(&too_long, 0), Err(Reason::Name));
    }

    #[test]
    fn text_shows_where_labels_end() {
        let (name, _) = Name::read(b"\x03a.b\x02\xffc\x04Home\x00", 0).unwrap_or_default();
        assert_eq!(name.text(), "a\\x2eb.\\xffc.Home");
        assert_eq!(name.lower(), "a\\x2eb.\\xffc.home");
        assert_eq!(
            (name.count(), name.length(), name.longest_label()),
            (3, 11, 4)
        );
        assert_eq!(name.parent(2).text(), "Home");
        assert_eq!(name.parent(3).text(), ".");
    }

    #[test]
    fn entropy_of_known_distributions() {
        let entropy = |wire: &[u8]| Name::read(wire, 0).map_or(-1.0, |(name, _)| name.entropy());
        assert!((entropy(b"\x04aaaa\x00") - 0.0).abs() < 1e-12);
        assert!((entropy(b"\x02ab\x02cd\x00") - 2.0).abs() < 1e-12);
        assert!((entropy(b"\x04aaab\x00") - 0.811_278_124_459_132_8).abs() < 1e-12);
        assert!((entropy(b"\x00") - 0.0).abs() < 1e-12);
    }
}
