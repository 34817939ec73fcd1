//! Tests on bytes: what a filter means once the layers have offsets.

use super::syntax::{Operator, Relation};

/// A condition on the bytes of a frame. A load outside the captured bytes rejects the frame.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Always,
    Never,
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    /// `load & mask` compares with `value`.
    Compare {
        load: Load,
        mask: u32,
        comparison: Comparison,
        value: u32,
    },
    /// Two numbers compare.
    Relate(Relation, Value, Value),
}

/// Comparisons that the machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Greater,
    GreaterOrEqual,
}

/// A number taken from the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// 1, 2 or 4 bytes at a fixed offset.
    At { offset: u32, size: u32 },
    /// 1, 2 or 4 bytes behind the IPv4 header that starts at `header`.
    BehindIpv4 { header: u32, offset: u32, size: u32 },
    /// What the kernel knows beside the frame (`SKF_AD_*`).
    Beside(u32),
}

impl Load {
    /// `SKF_AD_VLAN_TAG`.
    pub(super) const VLAN_TAG: Self = Self::Beside(44);
    /// `SKF_AD_VLAN_TAG_PRESENT`.
    pub(super) const VLAN_TAG_PRESENT: Self = Self::Beside(48);
    /// `SKF_AD_PKTTYPE`.
    pub(super) const PACKET_TYPE: Self = Self::Beside(4);

    pub(super) fn byte(offset: u32) -> Self {
        Self::At { offset, size: 1 }
    }

    pub(super) fn half(offset: u32) -> Self {
        Self::At { offset, size: 2 }
    }

    pub(super) fn word(offset: u32) -> Self {
        Self::At { offset, size: 4 }
    }
}

/// A number that is computed.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Number(u32),
    Length,
    Slice {
        base: Base,
        index: Box<Value>,
        size: u32,
    },
    Negative(Box<Value>),
    Binary(Operator, Box<Value>, Box<Value>),
}

/// What an index counts from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Base {
    Fixed(u32),
    /// The end of the IPv4 header that starts here.
    BehindIpv4(u32),
}

impl Test {
    pub(super) fn equal(load: Load, value: u32) -> Self {
        Self::masked(load, u32::MAX, value)
    }

    pub(super) fn masked(load: Load, mask: u32, value: u32) -> Self {
        // A network of prefix length 0 holds every address, captured or not.
        if mask == 0 && value == 0 {
            return Self::Always;
        }
        Self::Compare {
            load,
            mask,
            comparison: Comparison::Equal,
            value,
        }
    }

    pub(super) fn above(load: Load, value: u32) -> Self {
        Self::Compare {
            load,
            mask: u32::MAX,
            comparison: Comparison::Greater,
            value,
        }
    }

    pub(super) fn at_least(load: Load, value: u32) -> Self {
        Self::Compare {
            load,
            mask: u32::MAX,
            comparison: Comparison::GreaterOrEqual,
            value,
        }
    }

    pub(super) fn not(test: Self) -> Self {
        match test {
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    pub(super) fn all(mut tests: Vec<Self>) -> Self {
        if tests.iter().any(|test| matches!(test, Self::Never)) {
            return Self::Never;
        }
        tests.retain(|test| !matches!(test, Self::Always));
        match tests.len() {
            0 => Self::Always,
            1 => tests.remove(0),
            _ => Self::All(tests),
        }
    }

    pub(super) fn any(mut tests: Vec<Self>) -> Self {
        if tests.iter().any(|test| matches!(test, Self::Always)) {
            return Self::Always;
        }
        tests.retain(|test| !matches!(test, Self::Never));
        match tests.len() {
            0 => Self::Never,
            1 => tests.remove(0),
            _ => Self::Any(tests),
        }
    }
}

/// Computes an operator as the machine does; `None` where it refuses.
pub(super) fn compute(operator: Operator, left: u32, right: u32) -> Option<u32> {
    Some(match operator {
        Operator::Or => left | right,
        Operator::Xor => left ^ right,
        Operator::And => left & right,
        // The machine shifts everything out from 32 bits on.
        Operator::ShiftLeft => left.checked_shl(right).unwrap_or(0),
        Operator::ShiftRight => left.checked_shr(right).unwrap_or(0),
        Operator::Add => left.wrapping_add(right),
        Operator::Subtract => left.wrapping_sub(right),
        Operator::Multiply => left.wrapping_mul(right),
        Operator::Divide => left.checked_div(right)?,
        Operator::Modulo => left.checked_rem(right)?,
    })
}
