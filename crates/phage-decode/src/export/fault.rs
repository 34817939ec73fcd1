//! What was wrong with a datagram of an exporter, as it is counted.

/// Why a datagram, or a part of it, could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExportFault {
    /// The first octets name no version that is decoded.
    Version = 0,
    /// The datagram ends inside its header.
    Header,
    /// The header counts more records than the datagram holds, or than the format allows.
    Count,
    /// A set is shorter than its header or longer than the datagram.
    SetLength,
    /// A template ends before its fields do.
    TemplateTruncated,
    /// A template's number is one of those that are reserved for sets.
    TemplateNumber,
    /// A template has no field or its records no length.
    TemplateEmpty,
    /// A template has more fields, or longer records, than are followed.
    TemplateTooLarge,
    /// A record ends before its fields do.
    RecordTruncated,
    /// Octets behind the end of the message.
    Trailing,
    /// A sample, or a record in it, ends before its length says.
    SampleTruncated,
    /// The packet in a sample could not be decoded down to its transport header.
    SampledPacket,
}

impl ExportFault {
    /// How many kinds there are: the length of an array of counters.
    pub const COUNT: usize = 12;

    /// Names in the order of the discriminants, as they stand in counters and reports.
    pub const NAMES: [&'static str; Self::COUNT] = [
        "version",
        "header",
        "count",
        "set_length",
        "template_truncated",
        "template_number",
        "template_empty",
        "template_too_large",
        "record_truncated",
        "trailing",
        "sample_truncated",
        "sampled_packet",
    ];
}

/// Counters by kind of fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults(pub [u64; ExportFault::COUNT]);

impl Faults {
    /// Counts one.
    pub(super) fn count(&mut self, fault: ExportFault) {
        if let Some(counter) = self.0.get_mut(fault as usize) {
            *counter += 1;
        }
    }

    /// Names and counts.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        ExportFault::NAMES.into_iter().zip(self.0)
    }

    /// Faults of any kind.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}
