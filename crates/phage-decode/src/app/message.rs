//! A message: its kind and its fields by name.

use super::fault::AppFault;
use super::kind::Kind;
use super::text::MAX_ITEMS;

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Printable text of at most [`MAX_TEXT`](super::MAX_TEXT) bytes.
    Text(String),
    /// A count, size, time or code.
    Integer(i64),
    /// A measure.
    Real(f64),
    /// Yes or no.
    Flag(bool),
    /// At most [`MAX_ITEMS`](super::MAX_ITEMS) texts.
    List(Vec<String>),
}

/// One application message; every field is bounded and printable.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The protocol.
    pub kind: Kind,
    /// Fields by the names that the protocol's module documents; each name at most once.
    pub fields: Vec<(&'static str, Value)>,
}

/// What a parser answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed {
    /// A whole message.
    Done(Message),
    /// More bytes can make it a message.
    Incomplete,
    /// It belongs to a protocol that is decoded, and is wrong.
    Malformed(AppFault),
    /// Nothing that is decoded; more bytes will not change that.
    NotMine,
}

impl Message {
    /// A message without fields.
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            fields: Vec::with_capacity(16),
        }
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields
            .iter()
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value)
    }

    /// The value of a text field.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value of an integer field.
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Value::Integer(integer) => Some(*integer),
            _ => None,
        }
    }

    /// The value of a measure.
    pub fn real(&self, name: &str) -> Option<f64> {
        match self.get(name)? {
            Value::Real(real) => Some(*real),
            _ => None,
        }
    }

    /// Whether a flag is there and set.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Flag(true)))
    }

    /// The items of a list field; empty where there is none.
    pub fn list(&self, name: &str) -> &[String] {
        match self.get(name) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }

    /// Adds a text that was made printable and bounded.
    pub(crate) fn put_text(&mut self, name: &'static str, text: impl Into<String>) {
        self.fields.push((name, Value::Text(text.into())));
    }

    /// Adds a text where there is one.
    pub(crate) fn put_some(&mut self, name: &'static str, text: Option<String>) {
        if let Some(text) = text {
            self.put_text(name, text);
        }
    }

    /// Adds an integer.
    pub(crate) fn put_integer(&mut self, name: &'static str, integer: impl Into<i64>) {
        self.fields.push((name, Value::Integer(integer.into())));
    }

    /// Adds a size or count of things in memory.
    pub(crate) fn put_count(&mut self, name: &'static str, count: usize) {
        self.put_integer(name, i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Adds a measure.
    pub(crate) fn put_real(&mut self, name: &'static str, real: f64) {
        self.fields.push((name, Value::Real(real)));
    }

    /// Adds a flag.
    pub(crate) fn put_flag(&mut self, name: &'static str, flag: bool) {
        self.fields.push((name, Value::Flag(flag)));
    }

    /// Adds a list, cut to its bound; an empty list is left out.
    pub(crate) fn put_list(&mut self, name: &'static str, mut items: Vec<String>) {
        items.truncate(MAX_ITEMS);
        if !items.is_empty() {
            self.fields.push((name, Value::List(items)));
        }
    }
}
