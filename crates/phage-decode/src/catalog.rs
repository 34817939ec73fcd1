//! What a feature is called, what it is measured in, and how it is read.

/// How a feature is laid on a scale before a model sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// As it is.
    Linear,
    /// `ln(1 + x)` for counts, rates, sizes and times, `-ln(1 - x)` below zero.
    Logarithmic,
}

/// One feature of the catalog.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    /// Name in reports: `snake_case`, the same on every run.
    pub name: &'static str,
    /// Unit of the value, for example `packets/s`; `1` for a ratio.
    pub unit: &'static str,
    /// What the value is, in words that a report can print: "distinct peers contacted in the last minute".
    pub meaning: &'static str,
    /// How it is laid on a scale.
    pub scale: Scale,
    /// The smallest width of the normal range, in the unit: differences below it mean nothing.
    pub floor: f32,
}
