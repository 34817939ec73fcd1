//! The classic BPF machine: instructions, and an interpreter for frames from files.
//!
//! Source: `McCanne` and Jacobson, "The BSD Packet Filter", USENIX 1993; the numbers are those of
//! Linux's `filter.h`, so that a program can be given to the kernel as it is.

use super::test::compute;

/// The kernel's limit on a program (`BPF_MAXINSNS`).
pub(super) const MOST_INSTRUCTIONS: usize = 4096;

/// One instruction, laid out as the kernel's `sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// Instructions to skip where a comparison holds.
    pub yes: u8,
    /// Instructions to skip where it does not.
    pub no: u8,
    /// The operand.
    pub k: u32,
}

impl Instruction {
    pub(crate) fn new(code: u16, k: u32) -> Self {
        Self {
            code,
            yes: 0,
            no: 0,
            k,
        }
    }
}

/// Instruction codes.
pub(super) mod code {
    use crate::filter::syntax::Operator;

    pub(crate) const LOAD_AT: u16 = 0x20;
    pub(crate) const LOAD_INDEXED: u16 = 0x40;
    pub(crate) const LOAD_NUMBER: u16 = 0x00;
    pub(crate) const LOAD_CELL: u16 = 0x60;
    pub(crate) const LOAD_LENGTH: u16 = 0x80;
    pub(crate) const LOAD_HEADER_LENGTH: u16 = 0xb1;
    pub(crate) const STORE: u16 = 0x02;
    pub(crate) const NEGATE: u16 = 0x84;
    pub(crate) const GO: u16 = 0x05;
    pub(crate) const IF_EQUAL: u16 = 0x15;
    pub(crate) const IF_GREATER: u16 = 0x25;
    pub(crate) const IF_NOT_LESS: u16 = 0x35;
    pub(crate) const RETURN: u16 = 0x06;
    pub(crate) const A_TO_X: u16 = 0x07;
    /// The right operand is X, not the constant.
    pub(crate) const BY_X: u16 = 0x08;

    pub(crate) fn size(bytes: u32) -> u16 {
        match bytes {
            1 => 0x10,
            2 => 0x08,
            _ => 0x00,
        }
    }

    /// Arithmetic with a constant.
    pub(crate) fn operator(operator: Operator) -> u16 {
        0x04 | match operator {
            Operator::Add => 0x00,
            Operator::Subtract => 0x10,
            Operator::Multiply => 0x20,
            Operator::Divide => 0x30,
            Operator::Or => 0x40,
            Operator::And => 0x50,
            Operator::ShiftLeft => 0x60,
            Operator::ShiftRight => 0x70,
            Operator::Modulo => 0x90,
            Operator::Xor => 0xa0,
        }
    }

    pub(crate) fn to_operator(code: u16) -> Option<Operator> {
        Some(match code & 0xf0 {
            0x00 => Operator::Add,
            0x10 => Operator::Subtract,
            0x20 => Operator::Multiply,
            0x30 => Operator::Divide,
            0x40 => Operator::Or,
            0x50 => Operator::And,
            0x60 => Operator::ShiftLeft,
            0x70 => Operator::ShiftRight,
            0x90 => Operator::Modulo,
            0xa0 => Operator::Xor,
            _ => return None,
        })
    }
}

/// Runs a program over a frame: how many of its bytes to keep, 0 to reject it.
///
/// `bytes` are those captured, `length` how many there were on the wire. A load outside the
/// captured bytes, a division by zero and an instruction that is not known reject the frame.
/// Jumps go forward only, so a program ends after at most its own length.
pub fn run(program: &[Instruction], bytes: &[u8], length: u32) -> u32 {
    walk(program, bytes, length).unwrap_or(0)
}

#[inline]
fn load(bytes: &[u8], offset: usize, code: u16) -> Option<u32> {
    match code & 0x18 {
        0x10 => bytes.get(offset).map(|byte| u32::from(*byte)),
        0x08 => {
            let two = bytes.get(offset..offset.checked_add(2)?)?;
            Some(u16::from_be_bytes(two.try_into().ok()?).into())
        }
        0x00 => {
            let four = bytes.get(offset..offset.checked_add(4)?)?;
            Some(u32::from_be_bytes(four.try_into().ok()?))
        }
        _ => None,
    }
}

fn walk(program: &[Instruction], bytes: &[u8], length: u32) -> Option<u32> {
    let mut a = 0u32;
    let mut x = 0u32;
    let mut cells = [0u32; 16];
    let mut next = 0usize;
    loop {
        let instruction = program.get(next)?;
        next += 1;
        let (code, k) = (instruction.code, instruction.k);
        match code {
            0x20 | 0x28 | 0x30 => a = load(bytes, k as usize, code)?,
            0x40 | 0x48 | 0x50 => a = load(bytes, (x as usize).checked_add(k as usize)?, code)?,
            code::LOAD_NUMBER => a = k,
            code::LOAD_CELL => a = *cells.get(k as usize)?,
            code::LOAD_LENGTH => a = length,
            code::LOAD_HEADER_LENGTH => x = u32::from(bytes.get(k as usize)? & 0xf) * 4,
            code::STORE => *cells.get_mut(k as usize)? = a,
            code::NEGATE => a = a.wrapping_neg(),
            code::GO => next = next.checked_add(k as usize)?,
            code::RETURN => return Some(k),
            code::A_TO_X => x = a,
            _ => {
                let right = if code & code::BY_X == 0 { k } else { x };
                match code & 0x07 {
                    0x05 => {
                        let holds = match code & !code::BY_X {
                            code::IF_EQUAL => a == right,
                            code::IF_GREATER => a > right,
                            code::IF_NOT_LESS => a >= right,
                            _ => return None,
                        };
                        let skip = if holds {
                            instruction.yes
                        } else {
                            instruction.no
                        };
                        next += usize::from(skip);
                    }
                    0x04 => a = compute(code::to_operator(code)?, a, right)?,
                    _ => return None,
                }
            }
        }
    }
}
