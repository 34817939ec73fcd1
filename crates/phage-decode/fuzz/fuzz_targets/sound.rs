//! What holds for every message, whatever bytes it was made of.

use phage_decode::app::{Message, Parsed, Value, MAX_ITEMS, MAX_TEXT};

fn text(text: &str) {
    assert!(text.len() <= MAX_TEXT, "{} bytes", text.len());
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

fn message(message: &Message) {
    for (index, (name, value)) in message.fields.iter().enumerate() {
        assert!(
            message
                .fields
                .iter()
                .skip(index + 1)
                .all(|(other, _)| other != name),
            "{name} twice"
        );
        match value {
            Value::Text(value) => text(value),
            Value::List(items) => {
                assert!((1..=MAX_ITEMS).contains(&items.len()));
                items.iter().for_each(|item| text(item));
            }
            Value::Real(real) => assert!(real.is_finite()),
            Value::Integer(_) | Value::Flag(_) => {}
        }
    }
}

/// Fails where an answer breaks a bound.
pub fn check(parsed: &Parsed) {
    match parsed {
        Parsed::Done(done) => message(done),
        Parsed::Malformed(fault) => assert!(!fault.name().is_empty()),
        Parsed::Incomplete | Parsed::NotMine => {}
    }
}
