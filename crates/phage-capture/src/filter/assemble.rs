//! Tests become a program of the classic BPF machine.

use super::program::{code, Instruction, MOST_INSTRUCTIONS};
use super::syntax::{Operator, Relation};
use super::test::{Base, Comparison, Load, Test, Value};
use super::FilterError;

/// Cells of the machine's scratch memory (`BPF_MEMWORDS`).
const CELLS: u32 = 16;

/// `SKF_AD_OFF`: loads from here on read what the kernel knows beside the frame.
const BESIDE: u32 = 0xffff_f000;

#[derive(Clone, Copy)]
struct Label(usize);

enum Item {
    Plain(u16, u32),
    Branch {
        code: u16,
        k: u32,
        yes: Label,
        no: Label,
    },
    Go(Label),
}

/// What the registers are known to hold, so that the same load is not made twice in a row.
#[derive(Clone, Copy, Default, PartialEq)]
struct Known {
    a: Option<(Load, u32)>,
    x: Option<u32>,
}

#[derive(Default)]
struct Place {
    item: usize,
    known: Option<Known>,
}

struct Assembler {
    items: Vec<Item>,
    labels: Vec<Place>,
    known: Known,
}

/// Assembles a test; a frame that passes is accepted with `snap` bytes.
pub(super) fn assemble(test: &Test, snap: u32) -> Result<Vec<Instruction>, FilterError> {
    let mut assembler = Assembler {
        items: Vec::new(),
        labels: Vec::new(),
        known: Known::default(),
    };
    let accept = assembler.label();
    let reject = assembler.label();
    assembler.test(test, accept, reject)?;
    assembler.place(accept);
    assembler.plain(code::RETURN, snap)?;
    assembler.place(reject);
    assembler.plain(code::RETURN, 0)?;
    assembler.link()
}

impl Assembler {
    fn label(&mut self) -> Label {
        self.labels.push(Place::default());
        Label(self.labels.len() - 1)
    }

    /// Puts a label here. Nothing falls through to it: tests end in branches.
    fn place(&mut self, label: Label) {
        let here = self.items.len();
        if let Some(place) = self.labels.get_mut(label.0) {
            place.item = here;
            self.known = place.known.unwrap_or_default();
        }
    }

    /// Notes that control goes from here to a label.
    fn reach(&mut self, label: Label) {
        let now = self.known;
        if let Some(place) = self.labels.get_mut(label.0) {
            place.known = Some(match place.known {
                None => now,
                Some(before) => Known {
                    a: before.a.filter(|_| before.a == now.a),
                    x: before.x.filter(|_| before.x == now.x),
                },
            });
        }
    }

    fn push(&mut self, item: Item) -> Result<(), FilterError> {
        if self.items.len() >= MOST_INSTRUCTIONS {
            return Err(FilterError::new(
                0,
                format!("the filter needs more than {MOST_INSTRUCTIONS} instructions"),
            ));
        }
        self.items.push(item);
        Ok(())
    }

    fn plain(&mut self, code: u16, k: u32) -> Result<(), FilterError> {
        self.push(Item::Plain(code, k))
    }

    fn branch(&mut self, code: u16, k: u32, yes: Label, no: Label) -> Result<(), FilterError> {
        self.reach(yes);
        self.reach(no);
        self.push(Item::Branch { code, k, yes, no })
    }

    fn go(&mut self, label: Label) -> Result<(), FilterError> {
        self.reach(label);
        self.push(Item::Go(label))
    }

    fn test(&mut self, test: &Test, yes: Label, no: Label) -> Result<(), FilterError> {
        match test {
            Test::Always => self.go(yes),
            Test::Never => self.go(no),
            Test::Not(inner) => self.test(inner, no, yes),
            Test::All(parts) => self.chain(parts, yes, |next| (next, no)),
            Test::Any(parts) => self.chain(parts, no, |next| (yes, next)),
            Test::Compare {
                load,
                mask,
                comparison,
                value,
            } => {
                self.load(*load, *mask)?;
                let code = match comparison {
                    Comparison::Equal => code::IF_EQUAL,
                    Comparison::Greater => code::IF_GREATER,
                    Comparison::GreaterOrEqual => code::IF_NOT_LESS,
                };
                self.branch(code, *value, yes, no)
            }
            Test::Relate(relation, left, right) => self.relate(*relation, left, right, yes, no),
        }
    }

    /// Tests one after the other; `exits` gives the labels of all but the last, whose undecided
    /// exit is `end`.
    fn chain(
        &mut self,
        parts: &[Test],
        end: Label,
        exits: impl Fn(Label) -> (Label, Label),
    ) -> Result<(), FilterError> {
        let Some((last, others)) = parts.split_last() else {
            return self.go(end);
        };
        for part in others {
            let next = self.label();
            let (yes, no) = exits(next);
            self.test(part, yes, no)?;
            self.place(next);
        }
        let (yes, no) = exits(end);
        self.test(last, yes, no)
    }

    fn load(&mut self, load: Load, mask: u32) -> Result<(), FilterError> {
        if self.known.a == Some((load, mask)) {
            return Ok(());
        }
        if self.known.a != Some((load, u32::MAX)) {
            match load {
                Load::At { offset, size } => {
                    self.plain(code::LOAD_AT | code::size(size), offset)?;
                }
                Load::BehindIpv4 {
                    header,
                    offset,
                    size,
                } => {
                    self.header_length(header)?;
                    self.plain(code::LOAD_INDEXED | code::size(size), offset)?;
                }
                Load::Beside(what) => {
                    self.plain(code::LOAD_AT | code::size(4), BESIDE.wrapping_add(what))?;
                }
            }
        }
        if mask != u32::MAX {
            self.plain(code::operator(Operator::And), mask)?;
        }
        self.known.a = Some((load, mask));
        Ok(())
    }

    /// Loads the length of the IPv4 header at an offset into X.
    fn header_length(&mut self, header: u32) -> Result<(), FilterError> {
        if self.known.x == Some(header) {
            return Ok(());
        }
        self.known.x = Some(header);
        self.plain(code::LOAD_HEADER_LENGTH, header)
    }

    fn relate(
        &mut self,
        relation: Relation,
        left: &Value,
        right: &Value,
        yes: Label,
        no: Label,
    ) -> Result<(), FilterError> {
        let mut by_register = 0;
        let mut k = 0;
        if let Value::Number(number) = right {
            self.value(left, 0)?;
            k = *number;
        } else {
            self.pair(left, right, 0)?;
            by_register = code::BY_X;
        }
        let (code, yes, no) = match relation {
            Relation::Equal => (code::IF_EQUAL, yes, no),
            Relation::NotEqual => (code::IF_EQUAL, no, yes),
            Relation::Greater => (code::IF_GREATER, yes, no),
            Relation::LessOrEqual => (code::IF_GREATER, no, yes),
            Relation::GreaterOrEqual => (code::IF_NOT_LESS, yes, no),
            Relation::Less => (code::IF_NOT_LESS, no, yes),
        };
        self.known = Known::default();
        self.branch(code | by_register, k, yes, no)
    }

    /// Leaves the left number in A and the right one in X.
    fn pair(&mut self, left: &Value, right: &Value, cell: u32) -> Result<(), FilterError> {
        if cell >= CELLS {
            return Err(FilterError::new(0, "the numbers are nested too deeply"));
        }
        self.value(left, cell)?;
        self.plain(code::STORE, cell)?;
        self.value(right, cell + 1)?;
        self.plain(code::A_TO_X, 0)?;
        self.plain(code::LOAD_CELL, cell)
    }

    /// Leaves a number in A; cells from `cell` on are free.
    fn value(&mut self, value: &Value, cell: u32) -> Result<(), FilterError> {
        self.known = Known::default();
        match value {
            Value::Number(number) => self.plain(code::LOAD_NUMBER, *number)?,
            Value::Length => self.plain(code::LOAD_LENGTH, 0)?,
            Value::Negative(inner) => {
                self.value(inner, cell)?;
                self.plain(code::NEGATE, 0)?;
            }
            Value::Slice { base, index, size } => self.slice(*base, index, *size, cell)?,
            Value::Binary(operator, left, right) => {
                let code = code::operator(*operator);
                if let Value::Number(number) = **right {
                    self.value(left, cell)?;
                    self.plain(code, number)?;
                } else {
                    self.pair(left, right, cell)?;
                    self.plain(code | code::BY_X, 0)?;
                }
            }
        }
        self.known = Known::default();
        Ok(())
    }

    fn slice(
        &mut self,
        base: Base,
        index: &Value,
        size: u32,
        cell: u32,
    ) -> Result<(), FilterError> {
        let size = code::size(size);
        if let Value::Number(index) = *index {
            return match base {
                Base::Fixed(base) => self.plain(code::LOAD_AT | size, base.saturating_add(index)),
                Base::BehindIpv4(header) => {
                    self.header_length(header)?;
                    self.plain(code::LOAD_INDEXED | size, header.saturating_add(index))
                }
            };
        }
        self.value(index, cell)?;
        let start = match base {
            Base::Fixed(base) => base,
            Base::BehindIpv4(header) => {
                self.plain(code::LOAD_HEADER_LENGTH, header)?;
                self.plain(code::operator(Operator::Add) | code::BY_X, 0)?;
                header
            }
        };
        self.plain(code::A_TO_X, 0)?;
        self.plain(code::LOAD_INDEXED | size, start)
    }

    /// Turns labels into distances. A branch reaches 255 instructions ahead; what is farther gets
    /// a jump beside the branch.
    fn link(&self) -> Result<Vec<Instruction>, FilterError> {
        let mut far = vec![(false, false); self.items.len()];
        loop {
            let starts = self.starts(&far);
            let mut grown = false;
            for ((item, start), far) in self.items.iter().zip(&starts).zip(&mut far) {
                if let Item::Branch { yes, no, .. } = item {
                    let reach = |label: &Label| self.target(&starts, *label) - start - 1 > 255;
                    let now = (far.0 || reach(yes), far.1 || reach(no));
                    grown |= now != *far;
                    *far = now;
                }
            }
            if !grown {
                return self.write(&starts, &far);
            }
        }
    }

    /// The instruction that each item starts at.
    fn starts(&self, far: &[(bool, bool)]) -> Vec<usize> {
        let mut next = 0;
        self.items
            .iter()
            .zip(far)
            .map(|(_, far)| {
                let start = next;
                next += 1 + usize::from(far.0) + usize::from(far.1);
                start
            })
            .collect()
    }

    fn target(&self, starts: &[usize], label: Label) -> usize {
        self.labels
            .get(label.0)
            .and_then(|place| starts.get(place.item))
            .copied()
            .unwrap_or_default()
    }

    fn write(
        &self,
        starts: &[usize],
        far: &[(bool, bool)],
    ) -> Result<Vec<Instruction>, FilterError> {
        let mut program = Vec::new();
        for ((item, start), far) in self.items.iter().zip(starts).zip(far) {
            let distance =
                |label: Label, from: usize| (self.target(starts, label) - from - 1) as u32;
            match *item {
                Item::Plain(code, k) => program.push(Instruction::new(code, k)),
                Item::Go(label) => {
                    program.push(Instruction::new(code::GO, distance(label, *start)));
                }
                Item::Branch { code, k, yes, no } => {
                    let near = |label, is_far, jump: usize| {
                        if is_far {
                            jump as u8
                        } else {
                            distance(label, *start) as u8
                        }
                    };
                    program.push(Instruction {
                        code,
                        yes: near(yes, far.0, 0),
                        no: near(no, far.1, usize::from(far.0)),
                        k,
                    });
                    if far.0 {
                        program.push(Instruction::new(code::GO, distance(yes, start + 1)));
                    }
                    if far.1 {
                        let jump = start + 1 + usize::from(far.0);
                        program.push(Instruction::new(code::GO, distance(no, jump)));
                    }
                }
            }
        }
        if program.len() > MOST_INSTRUCTIONS {
            return Err(FilterError::new(
                0,
                format!("the filter needs more than {MOST_INSTRUCTIONS} instructions"),
            ));
        }
        Ok(program)
    }
}
