//! What was wrong with an application message, as it is counted.

use super::kind::Kind;

/// Why a message could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// The bytes end before the message does.
    Truncated = 0,
    /// A length or count does not fit what it measures.
    Length,
    /// A name is not one: reserved label type, pointer that does not go back, too long.
    Name,
    /// A field holds a value that its protocol does not allow.
    Value,
    /// The message is larger than is followed.
    TooLarge,
}

impl Reason {
    /// How many reasons there are.
    pub const COUNT: usize = 5;

    /// All reasons, in the order of the discriminants.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Truncated,
        Self::Length,
        Self::Name,
        Self::Value,
        Self::TooLarge,
    ];

    /// The name in counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Length => "length",
            Self::Name => "name",
            Self::Value => "value",
            Self::TooLarge => "too_large",
        }
    }
}

/// A fault in a message of one protocol; [`AppFault::index`] is its place in an array of counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AppFault {
    /// Whose message it was.
    pub kind: Kind,
    /// Why it could not be read.
    pub reason: Reason,
}

impl AppFault {
    /// How many faults there are: the length of an array of counters.
    pub const COUNT: usize = Kind::COUNT * Reason::COUNT;

    /// The place in an array of counters, below [`AppFault::COUNT`].
    pub const fn index(self) -> usize {
        (self.kind as usize - 1) * Reason::COUNT + self.reason as usize
    }

    /// The fault at a place.
    pub fn from_index(index: usize) -> Option<Self> {
        Some(Self {
            kind: *Kind::ALL.get(index / Reason::COUNT)?,
            reason: *Reason::ALL.get(index % Reason::COUNT)?,
        })
    }

    /// The name in counters and reports, for example `dns_truncated`.
    pub fn name(self) -> String {
        format!("{}_{}", self.kind.name(), self.reason.name())
    }
}

#[cfg(test)]
mod tests {
    use super::AppFault;
    use std::collections::HashSet;

    #[test]
    fn every_index_has_its_own_fault_and_name() {
        let mut names = HashSet::new();
        for index in 0..AppFault::COUNT {
            let fault = AppFault::from_index(index);
            assert_eq!(fault.map(AppFault::index), Some(index));
            assert!(names.insert(fault.map(AppFault::name)));
        }
        assert_eq!(AppFault::from_index(AppFault::COUNT), None);
    }
}
