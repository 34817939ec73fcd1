//! Why saved state is refused.

/// What is wrong with the bytes of a saved model. Nothing of them is taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelFault {
    /// The bytes do not begin with the magic of the state that is wanted.
    NotAModel,
    /// The bytes were written by another version of the layout.
    Version {
        /// The version that stands in the bytes.
        found: u32,
        /// The version that is read.
        expected: u32,
    },
    /// The bytes end before the state does, or go on after it.
    Length,
    /// A value lies outside its range.
    Value(&'static str),
    /// The state was learned from other features.
    Catalog,
}

impl std::fmt::Display for ModelFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotAModel => write!(f, "not a saved model"),
            Self::Version { found, expected } => {
                write!(
                    f,
                    "saved by layout version {found}, this program reads {expected}"
                )
            }
            Self::Length => write!(f, "cut short, or longer than it should be"),
            Self::Value(what) => write!(f, "{what} is out of range"),
            Self::Catalog => write!(f, "learned from other features than this program computes"),
        }
    }
}

impl std::error::Error for ModelFault {}
