//! What can be wrong with a capture file.

/// A damage of a capture file: reading ends there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureFault {
    /// What is wrong.
    pub kind: CaptureFaultKind,
    /// Where in the file the damaged header, record or block starts, in bytes.
    pub offset: u64,
}

/// The kinds of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CaptureFaultKind {
    /// The first bytes are those of neither format.
    NotACapture = 0,
    /// The version of the format is not one that can be read.
    VersionUnknown,
    /// The file ends within a header, record or block.
    Truncated,
    /// A record claims more bytes than a frame can have.
    RecordTooLong,
    /// A block's lengths contradict each other or its type.
    BlockMalformed,
    /// A block names an interface that was not described.
    InterfaceUnknown,
}

impl CaptureFaultKind {
    /// How many kinds there are.
    pub const COUNT: usize = 6;

    /// Names in the order of the discriminants, as they stand in counters and reports.
    pub const NAMES: [&'static str; Self::COUNT] = [
        "not_a_capture",
        "version_unknown",
        "truncated",
        "record_too_long",
        "block_malformed",
        "interface_unknown",
    ];

    /// The name in counters and reports.
    pub fn name(self) -> &'static str {
        Self::NAMES.get(self as usize).copied().unwrap_or("unknown")
    }
}
