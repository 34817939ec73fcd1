//! Templates (RFC 3954, 5 and 6; RFC 7011, 3.4): how the records of a set are laid out.

use super::element::SCOPE;
use super::fault::ExportFault;
use super::plan::Plan;
use crate::app::reader::Reader;

/// The length that says "told by each record" (RFC 7011, 3.2).
pub(super) const VARIABLE: u16 = u16::MAX;

/// Fields of one template that are followed. The longest that exporters send have about a hundred;
/// a datagram has room for 16,000.
pub(super) const MOST_FIELDS: usize = 1_024;

/// The longest record: what fits into a datagram behind the headers.
const LONGEST_RECORD: usize = 65_500;

/// Whose rules a template follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `NetFlow` version 9, and the fixed layouts of the versions before it.
    NetFlow,
    /// IPFIX.
    Ipfix,
}

/// One field of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Who numbered the element; 0 for IANA.
    pub enterprise: u32,
    /// The element.
    pub number: u16,
    /// Octets in a record, or [`VARIABLE`].
    pub length: u16,
}

impl Field {
    /// A field of an element of the IANA registry.
    pub const fn iana(number: u16, length: u16) -> Self {
        Self {
            enterprise: 0,
            number,
            length,
        }
    }
}

/// A template, with the plan that its records are copied by.
#[derive(Clone, Debug)]
pub struct Template {
    /// Its number; 0 for the fixed layouts.
    pub id: u16,
    /// Whether its records are about the exporter, not flows.
    pub options: bool,
    /// Fields in the order of the record. Those without octets are left out.
    pub fields: Vec<Field>,
    /// How many of the first fields are the scope of an options record.
    pub scopes: usize,
    /// Octets of a record; the least, where some are variable.
    pub length: usize,
    /// Whether a field is variable.
    pub variable: bool,
    pub(super) plan: Plan,
}

impl Template {
    /// Makes a template of its fields.
    pub(super) fn new(
        id: u16,
        fields: Vec<Field>,
        scopes: Option<usize>,
        dialect: Dialect,
    ) -> Result<Self, ExportFault> {
        if fields.len() > MOST_FIELDS {
            return Err(ExportFault::TemplateTooLarge);
        }
        let is_variable = |field: &Field| dialect == Dialect::Ipfix && field.length == VARIABLE;
        let length: usize = fields
            .iter()
            .map(|field| {
                if is_variable(field) {
                    1
                } else {
                    usize::from(field.length)
                }
            })
            .sum();
        if length == 0 {
            return Err(ExportFault::TemplateEmpty);
        }
        if length > LONGEST_RECORD {
            return Err(ExportFault::TemplateTooLarge);
        }
        let variable = fields.iter().any(is_variable);
        let plan = match scopes {
            None => Plan::compile(&fields, variable),
            Some(_) => Plan::default(),
        };
        Ok(Self {
            id,
            options: scopes.is_some(),
            scopes: scopes.unwrap_or(0),
            length,
            variable,
            plan,
            fields,
        })
    }

    /// Takes one record apart; ends where its octets do.
    pub fn walk<'a>(&'a self, record: &'a [u8]) -> Values<'a> {
        Values {
            fields: self.fields.iter(),
            rest: Reader::new(record),
            variable: self.variable,
        }
    }

    /// Whether two templates lay records out alike.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.options == other.options && self.scopes == other.scopes && self.fields == other.fields
    }

    /// What it weighs against the bound on all templates: its fields, and that it exists.
    pub(super) fn weight(&self) -> usize {
        self.fields.len() + 8
    }
}

/// The fields of one record with their octets.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    fields: std::slice::Iter<'a, Field>,
    rest: Reader<'a>,
    variable: bool,
}

impl<'a> Values<'a> {
    /// What stands behind the fields that were taken.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest.rest()
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = (&'a Field, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let field = self.fields.next()?;
        let value = if self.variable && field.length == VARIABLE {
            variable(&mut self.rest)?
        } else {
            self.rest.take(usize::from(field.length))?
        };
        Some((field, value))
    }
}

/// Reads a field that tells its length (RFC 7011, 7): one octet, or 255 and two.
#[inline]
pub(super) fn variable<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let length = match reader.u8()? {
        u8::MAX => reader.u16()?,
        short => u16::from(short),
    };
    reader.take(usize::from(length))
}

/// What a template set says about one number.
#[derive(Debug)]
pub(super) enum Change {
    /// A template.
    Learn(Template),
    /// A template is withdrawn (RFC 7011, 8.1); the number of a set withdraws all of its kind.
    Withdraw(u16),
}

/// Reads the next template of a set; None at its end.
pub(super) fn next(
    set: &mut Reader<'_>,
    dialect: Dialect,
    options: bool,
) -> Option<Result<Change, ExportFault>> {
    // What is shorter than a template's header is padding, and so are zeros.
    if set.len() < 4 || set.rest().iter().take(4).all(|octet| *octet == 0) {
        return None;
    }
    Some(match (dialect, options) {
        (Dialect::NetFlow, true) => netflow_options(set),
        _ => plain(set, dialect, options),
    })
}

fn plain(set: &mut Reader<'_>, dialect: Dialect, options: bool) -> Result<Change, ExportFault> {
    let id = set.u16().ok_or(ExportFault::TemplateTruncated)?;
    let count = set.u16().ok_or(ExportFault::TemplateTruncated)?;
    if count == 0 && dialect == Dialect::Ipfix {
        return Ok(Change::Withdraw(id));
    }
    let scopes = if options {
        Some(set.u16().ok_or(ExportFault::TemplateTruncated)?)
    } else {
        None
    };
    let mut fields = Vec::new();
    let mut scoped = 0;
    for place in 0..count {
        let field = field(set, dialect).ok_or(ExportFault::TemplateTruncated)?;
        if field.length > 0 && fields.len() <= MOST_FIELDS {
            fields.push(field);
            scoped += usize::from(scopes.is_some_and(|scopes| place < scopes));
        }
    }
    learn(id, fields, scopes.map(|_| scoped), dialect)
}

/// Reads an options template of `NetFlow` version 9 (RFC 3954, 6.1): the lengths of scope and option
/// fields in octets, and scope fields that are numbered apart.
fn netflow_options(set: &mut Reader<'_>) -> Result<Change, ExportFault> {
    let truncated = ExportFault::TemplateTruncated;
    let id = set.u16().ok_or(truncated)?;
    let scopes = set.u16().ok_or(truncated)? / 4;
    let options = set.u16().ok_or(truncated)? / 4;
    let mut fields = Vec::new();
    let mut scoped = 0;
    for place in 0..u32::from(scopes) + u32::from(options) {
        let mut field = field(set, Dialect::NetFlow).ok_or(truncated)?;
        let scope = place < u32::from(scopes);
        if scope {
            field.enterprise = SCOPE;
        }
        if field.length > 0 && fields.len() <= MOST_FIELDS {
            fields.push(field);
            scoped += usize::from(scope);
        }
    }
    learn(id, fields, Some(scoped), Dialect::NetFlow)
}

fn learn(
    id: u16,
    fields: Vec<Field>,
    scopes: Option<usize>,
    dialect: Dialect,
) -> Result<Change, ExportFault> {
    if id < 256 {
        return Err(ExportFault::TemplateNumber);
    }
    Template::new(id, fields, scopes, dialect).map(Change::Learn)
}

fn field(set: &mut Reader<'_>, dialect: Dialect) -> Option<Field> {
    /// Set where the number of the enterprise follows (RFC 7011, 3.2).
    const ENTERPRISE: u16 = 0x8000;
    let number = set.u16()?;
    let length = set.u16()?;
    let field = Field::iana(number, length);
    if dialect == Dialect::NetFlow || number & ENTERPRISE == 0 {
        return Some(field);
    }
    Some(Field {
        enterprise: set.u32()?,
        number: number & !ENTERPRISE,
        ..field
    })
}
