//! Packet filters: the language of pcap-filter(7), compiled to classic BPF by phage itself.
//!
//! The same expression serves both ways a frame can come: [`Filter::compile`] makes a program for
//! frames from files, which [`Filter::matches`] runs here; [`Filter::compile_live`] makes one for
//! the kernel, where the outermost VLAN tag stands beside the frame. What is not supported:
//! names of hosts and networks, `protochain`, `gateway`, 802.11, ATM, `llc`, `geneve`, `vxlan`.
//!
//! No input, expression or frame, makes this module fail otherwise than by an error with a
//! position or a frame that does not match.

mod arithmetic;
mod assemble;
mod layout;
mod lex;
mod lower;
mod names;
mod operand;
mod parse;
mod program;
mod syntax;
mod test;

#[cfg(test)]
mod tests;

use std::fmt;

use phage_decode::LinkType;

use layout::{Layout, Variant};
use syntax::Node;
use test::{Load, Test};

pub(crate) use program::code::RETURN;
pub use program::{run, Instruction};

/// Bytes to keep of a frame that passes: more than any frame has.
pub const WHOLE_FRAME: u32 = 262_144;

/// Expressions are a line somebody wrote, or a list of addresses somebody generated; what is
/// longer would not fit the kernel's program limit anyway.
const LONGEST: usize = 1 << 18;

/// Why an expression is not a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// Where in the expression, in bytes from its start.
    pub at: usize,
    /// What is wrong there.
    pub message: String,
}

impl FilterError {
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
        }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (at character {})", self.message, self.at + 1)
    }
}

impl std::error::Error for FilterError {}

/// A compiled filter for frames of one link type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    program: Vec<Instruction>,
}

impl Filter {
    /// Compiles an expression for frames as capture files hold them; the empty one matches all.
    pub fn compile(expression: &str, link: LinkType) -> Result<Self, FilterError> {
        Self::build(expression, link, false, WHOLE_FRAME)
    }

    /// Compiles an expression for the kernel's side of an interface; frames are cut to `snap`
    /// bytes.
    pub fn compile_live(expression: &str, link: LinkType, snap: u32) -> Result<Self, FilterError> {
        Self::build(expression, link, true, snap)
    }

    /// Checks the grammar of an expression, whatever the link type.
    pub fn check(expression: &str) -> Result<(), FilterError> {
        limit(expression)?;
        parse::parse(expression).map(|_| ())
    }

    /// Whether a frame passes: its captured bytes, and its length on the wire.
    #[inline]
    pub fn matches(&self, bytes: &[u8], length: u32) -> bool {
        run(&self.program, bytes, length) != 0
    }

    /// The program, as the kernel takes it.
    pub fn program(&self) -> &[Instruction] {
        &self.program
    }

    fn build(expression: &str, link: LinkType, live: bool, snap: u32) -> Result<Self, FilterError> {
        limit(expression)?;
        let test = match parse::parse(expression)? {
            None => Test::Always,
            Some(node) => meaning(&node, link, live)?,
        };
        Ok(Self {
            program: assemble::assemble(&test, snap)?,
        })
    }
}

fn limit(expression: &str) -> Result<(), FilterError> {
    if expression.len() > LONGEST {
        return Err(FilterError::new(
            LONGEST,
            format!("the filter is longer than {LONGEST} characters"),
        ));
    }
    Ok(())
}

/// The tests of a condition, over every variant that frames of the link type come in.
fn meaning(node: &Node, link: LinkType, live: bool) -> Result<Test, FilterError> {
    let plain = lower::lower(node, &mut Layout::new(link, Variant::Plain)?, live)?;
    let other = if live && link == LinkType::ETHERNET && lower::asks_vlan(node) {
        Some((Variant::TagBeside, Test::equal(Load::VLAN_TAG_PRESENT, 1)))
    } else if link == LinkType::PPP || link == LinkType(50) {
        let framed = Test::equal(Load::half(0), 0xff03);
        Some((Variant::PppBare, Test::not(framed)))
    } else {
        None
    };
    let Some((variant, applies)) = other else {
        return Ok(plain);
    };
    let varied = lower::lower(node, &mut Layout::new(link, variant)?, live)?;
    Ok(Test::any(vec![
        Test::all(vec![applies.clone(), varied]),
        Test::all(vec![Test::not(applies), plain]),
    ]))
}
