//! Multicast DNS and DNS service discovery (RFC 6762, RFC 6763).
//!
//! | field | type | what |
//! |---|---|---|
//! | `response` | flag | an announcement or answer, not a question |
//! | `queries` | list | questions: `PTR _ipp._tcp.local` |
//! | `services` | list | service types that are offered (response) or asked for (query): `_ipp._tcp` |
//! | `names` | list | instances and hosts that the sender says it has: `Printer`, `printer.local` |
//! | `answers` | list | records of the sender: `PTR owner target`, `SRV owner 0 0 631 host`, `TXT owner k=v`, `A owner 192.0.2.1` |
//! | `known_answers` | integer | answers that a querier already knows; they speak of others and are left out |
//! | `size` | integer | octets of the message |
//!
//! A query's authority section holds the records that a probing host wants for itself (RFC 6762,
//! section 8.2), so they stand among `answers` and `names`.

use super::dns::name::Name;
use super::dns::record::{owned_summary, type_name};
use super::dns::wire::{Record, Wire};
use super::fault::Reason;
use super::kind::Kind;
use super::message::Message;
use super::text::{bounded, MAX_ITEMS};

const PTR: u16 = 12;
const OPT: u16 = 41;
const NSEC: u16 = 47;

/// Parses a message; `cut` says that its end was not captured.
pub(crate) fn parse(data: &[u8], cut: bool) -> Result<Message, Reason> {
    let wire = Wire::read(data, cut)?;
    if wire.header.opcode() != 0 {
        return Err(Reason::Value);
    }
    let response = wire.header.is_response();
    let [answers, authority, additional] = &wire.sections;
    let own: Vec<&Record> = if response {
        answers.iter().chain(additional).collect()
    } else {
        authority.iter().collect()
    };
    let own = || {
        own.iter()
            .filter(|record| !matches!(record.kind, OPT | NSEC))
    };

    let mut message = Message::new(Kind::Mdns);
    message.put_flag("response", response);
    let asked = wire.questions.iter().take(MAX_ITEMS);
    message.put_list(
        "queries",
        asked
            .map(|question| {
                bounded(format!(
                    "{} {}",
                    type_name(question.kind),
                    question.name.text()
                ))
            })
            .collect(),
    );

    let mut services = Vec::new();
    let mut names = Vec::new();
    for question in &wire.questions {
        if !response {
            note(&mut services, service(&question.name));
        }
    }
    for record in own() {
        note(&mut services, service(&record.name));
        match record.kind {
            PTR => {
                if let Ok((target, _)) = Name::read(data, record.start) {
                    note(&mut services, service(&target));
                    note(&mut names, instance(&target));
                }
            }
            1 | 28 => note(&mut names, Some(record.name.text())),
            _ => note(&mut names, instance(&record.name)),
        }
    }
    message.put_list("services", services);
    message.put_list("names", names);
    message.put_list(
        "answers",
        own()
            .take(MAX_ITEMS)
            .map(|record| owned_summary(&wire, record))
            .collect(),
    );
    if !response {
        message.put_count("known_answers", answers.len());
    }
    message.put_count("size", data.len());
    Ok(message)
}

/// Adds a text that is not in the list; the list stays at its bound.
fn note(list: &mut Vec<String>, text: Option<String>) {
    if let Some(text) = text {
        if list.len() < MAX_ITEMS && !list.contains(&text) {
            list.push(text);
        }
    }
}

/// The place of a service type in a name: the label before `_tcp` or `_udp`.
fn service_at(name: &Name) -> Option<usize> {
    let labels: Vec<&[u8]> = name.labels().collect();
    let protocol = labels.iter().rposition(|label| {
        label.eq_ignore_ascii_case(b"_tcp") || label.eq_ignore_ascii_case(b"_udp")
    })?;
    let at = protocol.checked_sub(1)?;
    labels
        .get(at)
        .filter(|label| label.first() == Some(&b'_'))
        .map(|_| at)
}

/// The service type in a name, for example `_ipp._tcp`; the meta query `_services._dns-sd` is none.
fn service(name: &Name) -> Option<String> {
    let tail = name.parent(service_at(name)?);
    let mut labels = tail.labels();
    let (kind, protocol) = (labels.next()?, labels.next()?);
    if kind.eq_ignore_ascii_case(b"_dns-sd") {
        return None;
    }
    let mut out = super::text::printable(kind);
    out.push('.');
    out.push_str(&super::text::printable(protocol));
    out.make_ascii_lowercase();
    Some(bounded(out))
}

/// The instance before a service type (RFC 6763, section 4.1), for example `Office printer`.
fn instance(name: &Name) -> Option<String> {
    let at = service_at(name)?;
    let first = name.labels().next()?;
    // A subtype (RFC 6763, section 7.1) and the meta query start with an underscore too.
    (at > 0 && first.first() != Some(&b'_')).then(|| super::text::printable(first))
}

#[cfg(test)]
mod tests;
