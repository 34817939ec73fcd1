//! Numbers in a filter: slices of the packet, and what is computed with them.
//!
//! Operators bind, loosest first: `|`, `^`, `&`, shifts, `+ -`, `* / %`. (The language leaves `^`
//! and `%` unplaced.)

use super::lex::Token;
use super::parse::{describe, Parser};
use super::syntax::{Arithmetic, Node, Operator, Primitive, Relation};
use super::FilterError;

/// Operators in one number. Each may be a level of the tree.
const MOST_OPERATORS: usize = 64;

/// The operator and how tightly it binds.
fn operator(token: &Token) -> Option<(Operator, u8)> {
    let Token::Sign(sign) = token else {
        // `&&` and `||` join conditions; single signs reach here.
        return None;
    };
    Some(match *sign {
        "|" => (Operator::Or, 1),
        "^" => (Operator::Xor, 2),
        "&" => (Operator::And, 3),
        "<<" => (Operator::ShiftLeft, 4),
        ">>" => (Operator::ShiftRight, 4),
        "+" => (Operator::Add, 5),
        "-" => (Operator::Subtract, 5),
        "*" => (Operator::Multiply, 6),
        "/" => (Operator::Divide, 6),
        "%" => (Operator::Modulo, 6),
        _ => return None,
    })
}

fn comparison(token: &Token) -> Option<Relation> {
    let Token::Sign(sign) = token else {
        return None;
    };
    Some(match *sign {
        "=" => Relation::Equal,
        "!=" => Relation::NotEqual,
        ">" => Relation::Greater,
        ">=" => Relation::GreaterOrEqual,
        "<" => Relation::Less,
        "<=" => Relation::LessOrEqual,
        _ => return None,
    })
}

impl Parser {
    /// A comparison of two numbers, where one starts here; else nothing is taken.
    pub(super) fn relation(&mut self) -> Result<Option<Node>, FilterError> {
        let at = self.at();
        let start = self.place();
        let surely = self.is_keyword(0, &["len"])
            || self.is_sign(0, "-")
            || (self.protocol_at(0).is_some() && self.is_sign(1, "["));
        let perhaps = self.is_sign(0, "(") || matches!(self.peek(), Some(Token::Number(_)));
        if !surely && !perhaps {
            return Ok(None);
        }
        // What starts with a number or parenthesis may be an operand or a condition instead; only
        // the comparison sign tells.
        let left = match self.number(&mut 0, 0) {
            Ok(left) => left,
            Err(fault) if surely => return Err(fault),
            Err(_) => {
                self.go_back(start);
                return Ok(None);
            }
        };
        let Some(relation) = self.peek().and_then(comparison) else {
            if surely {
                return Err(
                    self.wrong("a number must be compared: '=', '!=', '<', '>', '<=' or '>='")
                );
            }
            self.go_back(start);
            return Ok(None);
        };
        self.take();
        let right = self.number(&mut 0, 0)?;
        Ok(Some(Node::Test(
            at,
            Primitive::Relation(relation, left, right),
        )))
    }

    /// Operators that bind tighter than `loosest`, by precedence climbing.
    fn number(&mut self, operators: &mut usize, loosest: u8) -> Result<Arithmetic, FilterError> {
        let mut left = self.deeper(|parser| parser.atom(operators))?;
        while let Some((operator, binds)) = self.peek().and_then(operator) {
            if binds <= loosest {
                break;
            }
            *operators += 1;
            if *operators > MOST_OPERATORS {
                return Err(self.wrong("too many operators in one number"));
            }
            let at = self.at();
            self.take();
            let right = self.number(operators, binds)?;
            left = Arithmetic::Binary(at, operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn atom(&mut self, operators: &mut usize) -> Result<Arithmetic, FilterError> {
        let at = self.at();
        if let Some(protocol) = self.protocol_at(0) {
            self.take();
            self.expect_sign("[")?;
            let index = Box::new(self.number(operators, 0)?);
            let mut size = 1;
            if self.is_sign(0, ":") {
                self.take();
                let place = self.at();
                size = match self.take() {
                    Some(Token::Number(size @ (1 | 2 | 4))) => size,
                    _ => return Err(FilterError::new(place, "a slice has 1, 2 or 4 bytes")),
                };
            }
            self.expect_sign("]")?;
            return Ok(Arithmetic::Slice {
                at,
                protocol,
                index,
                size,
            });
        }
        match self.take() {
            Some(Token::Number(number)) => Ok(Arithmetic::Number(number)),
            Some(Token::Keyword("len")) => Ok(Arithmetic::Length),
            Some(Token::Sign("-")) => {
                *operators += 1;
                let inner = self.deeper(|parser| parser.atom(operators))?;
                Ok(Arithmetic::Negative(Box::new(inner)))
            }
            Some(Token::Sign("(")) => {
                let inner = self.number(operators, 0)?;
                self.expect_sign(")")?;
                Ok(inner)
            }
            Some(token) => Err(FilterError::new(
                at,
                format!("expected a number, found {}", describe(&token)),
            )),
            None => Err(FilterError::new(at, "a number is missing at the end")),
        }
    }
}
