//! The tree becomes tests on bytes, for one link type.

use std::net::Ipv6Addr;

use super::layout::Layout;
use super::syntax::{
    Arithmetic, Carrier, Direction, Node, Operator, Primitive, Protocol, Relation, ARP, RARP,
};
use super::test::{compute, Base, Load, Test, Value};
use super::FilterError;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// IPv6 fragment header (RFC 8200, 4.5).
const FRAGMENT: u32 = 44;
/// Length of the fixed IPv6 header.
const IPV6_HEADER: u32 = 40;
const PORTED: [u8; 3] = [6, 17, 132];

/// Whether `vlan` occurs.
pub(super) fn asks_vlan(node: &Node) -> bool {
    match node {
        Node::All(parts) | Node::Any(parts) => parts.iter().any(asks_vlan),
        Node::Not(inner) => asks_vlan(inner),
        Node::Test(_, primitive) => matches!(primitive, Primitive::Vlan(_)),
    }
}

/// Lowers a condition. Nodes are visited as they were written, since `vlan`, `mpls` and `pppoes`
/// move the layers for everything written after them.
pub(super) fn lower(node: &Node, layout: &mut Layout, live: bool) -> Result<Test, FilterError> {
    let every = |parts: &[Node], layout: &mut Layout| {
        parts
            .iter()
            .map(|part| lower(part, layout, live))
            .collect::<Result<Vec<_>, _>>()
    };
    Ok(match node {
        Node::All(parts) => Test::all(every(parts, layout)?),
        Node::Any(parts) => Test::any(every(parts, layout)?),
        Node::Not(inner) => Test::not(lower(inner, layout, live)?),
        Node::Test(at, primitive) => test(*at, primitive, layout, live)?,
    })
}

fn test(
    at: usize,
    primitive: &Primitive,
    layout: &mut Layout,
    live: bool,
) -> Result<Test, FilterError> {
    match primitive {
        Primitive::Is(protocol) => is(at, *protocol, layout),
        &Primitive::Ipv4 {
            protocol,
            direction,
            address,
            mask,
        } => ipv4(at, protocol, direction, (address, mask), layout),
        &Primitive::Ipv6 {
            direction,
            address,
            bits,
        } => ipv6(at, direction, address, bits, layout),
        &Primitive::Ethernet { direction, address } => {
            ethernet_only(at, layout)?;
            Ok(ends(direction, 6, 0, |offset| {
                hardware(layout.header + offset, address)
            }))
        }
        &Primitive::Port {
            transport,
            direction,
            low,
            high,
        } => ports(at, transport, direction, (low, high), layout),
        Primitive::Carries(number) => layout.carries(*number, at),
        Primitive::Broadcast => {
            ethernet_only(at, layout)?;
            Ok(hardware(layout.header, [0xff; 6]))
        }
        Primitive::Multicast(Protocol::Ip) => Ok(Test::all(vec![
            layout.carries(IPV4, at)?,
            Test::at_least(Load::byte(layout.network() + 16), 224),
        ])),
        Primitive::Multicast(Protocol::Ip6) => Ok(Test::all(vec![
            layout.carries(IPV6, at)?,
            Test::equal(Load::byte(layout.network() + 24), 255),
        ])),
        Primitive::Multicast(_) => {
            ethernet_only(at, layout)?;
            Ok(Test::masked(Load::byte(layout.header), 1, 1))
        }
        Primitive::Vlan(id) => layout.enter_vlan(*id, at),
        Primitive::Mpls(label) => layout.enter_mpls(*label, at),
        Primitive::PppoeDiscovery => layout.carries(0x8863, at),
        Primitive::PppoeSession(id) => layout.enter_pppoe(*id, at),
        Primitive::Inbound(wanted) => layout.inbound(*wanted, live, at),
        Primitive::Relation(relation, left, right) => relate(*relation, left, right, layout),
    }
}

fn ethernet_only(at: usize, layout: &Layout) -> Result<(), FilterError> {
    if layout.is_ethernet() {
        return Ok(());
    }
    Err(FilterError::new(
        at,
        "frames of this link type have no Ethernet addresses",
    ))
}

/// Applies a test to the fields of the ends that a direction names.
fn ends(direction: Direction, source: u32, destination: u32, one: impl Fn(u32) -> Test) -> Test {
    match direction {
        Direction::Source => one(source),
        Direction::Destination => one(destination),
        Direction::Either => Test::any(vec![one(source), one(destination)]),
        Direction::Both => Test::all(vec![one(source), one(destination)]),
    }
}

fn hardware(offset: u32, [a, b, c, d, e, f]: [u8; 6]) -> Test {
    Test::all(vec![
        Test::equal(Load::word(offset + 2), u32::from_be_bytes([c, d, e, f])),
        Test::equal(Load::half(offset), u16::from_be_bytes([a, b]).into()),
    ])
}

fn is(at: usize, protocol: Protocol, layout: &Layout) -> Result<Test, FilterError> {
    Ok(match protocol {
        Protocol::Link => Test::Always,
        Protocol::Ip => layout.carries(IPV4, at)?,
        Protocol::Ip6 => layout.carries(IPV6, at)?,
        Protocol::EtherType(number) => layout.carries(number, at)?,
        Protocol::Llc(point) => layout.carries(point.into(), at)?,
        Protocol::Transport(number, carrier) => {
            let number = u32::from(number);
            let mut tests = Vec::new();
            if carrier != Carrier::Ip6 {
                tests.push(Test::all(vec![
                    layout.carries(IPV4, at)?,
                    Test::equal(Load::byte(layout.network() + 9), number),
                ]));
            }
            if carrier != Carrier::Ip {
                let next = Load::byte(layout.network() + 6);
                tests.push(Test::all(vec![
                    layout.carries(IPV6, at)?,
                    // A fragment header may stand before it.
                    Test::any(vec![
                        Test::equal(next, number),
                        Test::all(vec![
                            Test::equal(next, FRAGMENT),
                            Test::equal(Load::byte(layout.network() + IPV6_HEADER), number),
                        ]),
                    ]),
                ]));
            }
            Test::any(tests)
        }
    })
}

fn ipv4(
    at: usize,
    protocol: Option<Protocol>,
    direction: Direction,
    (address, mask): (u32, u32),
    layout: &Layout,
) -> Result<Test, FilterError> {
    let within = |source, destination| {
        ends(direction, source, destination, |offset| {
            Test::masked(Load::word(layout.network() + offset), mask, address)
        })
    };
    let in_ip = || -> Result<Test, FilterError> {
        Ok(Test::all(vec![layout.carries(IPV4, at)?, within(12, 16)]))
    };
    // Sender and target protocol addresses, which stand alike in ARP and RARP.
    let in_arp = |number| -> Result<Test, FilterError> {
        Ok(Test::all(vec![layout.carries(number, at)?, within(14, 24)]))
    };
    match protocol {
        Some(Protocol::EtherType(number)) => in_arp(number),
        None if !layout.has_labels() => {
            let (Protocol::EtherType(arp), Protocol::EtherType(rarp)) = (ARP, RARP) else {
                return in_ip();
            };
            Ok(Test::any(vec![in_ip()?, in_arp(arp)?, in_arp(rarp)?]))
        }
        _ => in_ip(),
    }
}

fn ipv6(
    at: usize,
    direction: Direction,
    address: Ipv6Addr,
    bits: u32,
    layout: &Layout,
) -> Result<Test, FilterError> {
    let mask = !u128::MAX.checked_shr(bits).unwrap_or(0);
    let words = |value: u128| (0..4u32).map(move |i| (value >> (96 - 32 * i)) as u32);
    let one = |offset: u32| {
        Test::all(
            words(address.to_bits())
                .zip(words(mask))
                .zip((0u32..).step_by(4))
                .filter(|((_, mask), _)| *mask != 0)
                .map(|((word, mask), step)| {
                    Test::masked(Load::word(layout.network() + offset + step), mask, word)
                })
                .collect(),
        )
    };
    Ok(Test::all(vec![
        layout.carries(IPV6, at)?,
        ends(direction, 8, 24, one),
    ]))
}

fn ports(
    at: usize,
    transport: Option<u8>,
    direction: Direction,
    (low, high): (u16, u16),
    layout: &Layout,
) -> Result<Test, FilterError> {
    let network = layout.network();
    let one_of = |load| {
        let all: Vec<Test> = PORTED
            .into_iter()
            .filter(|known| transport.is_none_or(|asked| asked == *known))
            .map(|number| Test::equal(load, number.into()))
            .collect();
        Test::any(all)
    };
    let within = |load| {
        if low == high {
            return Test::equal(load, low.into());
        }
        Test::all(vec![
            Test::at_least(load, low.into()),
            Test::not(Test::above(load, high.into())),
        ])
    };
    Ok(Test::any(vec![
        Test::all(vec![
            layout.carries(IPV4, at)?,
            one_of(Load::byte(network + 9)),
            first_fragment(network),
            ends(direction, 0, 2, |offset| {
                within(Load::BehindIpv4 {
                    header: network,
                    offset: network + offset,
                    size: 2,
                })
            }),
        ]),
        Test::all(vec![
            layout.carries(IPV6, at)?,
            one_of(Load::byte(network + 6)),
            ends(direction, 0, 2, |offset| {
                within(Load::half(network + IPV6_HEADER + offset))
            }),
        ]),
    ]))
}

/// Tests that an IPv4 packet is whole or a first fragment.
fn first_fragment(network: u32) -> Test {
    Test::masked(Load::half(network + 6), 0x1fff, 0)
}

fn relate(
    relation: Relation,
    left: &Arithmetic,
    right: &Arithmetic,
    layout: &Layout,
) -> Result<Test, FilterError> {
    let mut tests = Vec::new();
    let left = value(left, layout, &mut tests)?;
    let right = value(right, layout, &mut tests)?;
    tests.push(match (&left, &right) {
        (Value::Number(left), Value::Number(right)) => {
            let holds = match relation {
                Relation::Equal => left == right,
                Relation::NotEqual => left != right,
                Relation::Greater => left > right,
                Relation::GreaterOrEqual => left >= right,
                Relation::Less => left < right,
                Relation::LessOrEqual => left <= right,
            };
            if holds {
                Test::Always
            } else {
                Test::Never
            }
        }
        _ => Test::Relate(relation, left, right),
    });
    Ok(Test::all(tests))
}

/// Lowers a number; `checks` gets what must hold before its slices may be loaded.
fn value(
    number: &Arithmetic,
    layout: &Layout,
    checks: &mut Vec<Test>,
) -> Result<Value, FilterError> {
    Ok(match number {
        Arithmetic::Number(number) => Value::Number(*number),
        Arithmetic::Length => Value::Length,
        Arithmetic::Negative(inner) => match value(inner, layout, checks)? {
            Value::Number(number) => Value::Number(number.wrapping_neg()),
            inner => Value::Negative(Box::new(inner)),
        },
        Arithmetic::Binary(at, operator, left, right) => {
            let left = value(left, layout, checks)?;
            let right = value(right, layout, checks)?;
            if let (Value::Number(left), Value::Number(number)) = (&left, &right) {
                if let Some(result) = compute(*operator, *left, *number) {
                    return Ok(Value::Number(result));
                }
            }
            // The kernel refuses programs with such constants.
            match (operator, &right) {
                (Operator::Divide | Operator::Modulo, Value::Number(0)) => {
                    return Err(FilterError::new(*at, "division by zero"));
                }
                (Operator::ShiftLeft | Operator::ShiftRight, Value::Number(32..)) => {
                    return Err(FilterError::new(*at, "a shift is by at most 31 bits"));
                }
                _ => {}
            }
            Value::Binary(*operator, Box::new(left), Box::new(right))
        }
        Arithmetic::Slice {
            at,
            protocol,
            index,
            size,
        } => {
            let index = value(index, layout, checks)?;
            // Offsets from 2^31 on mean something else to the kernel.
            if matches!(index, Value::Number(offset) if offset > i32::MAX as u32 / 2) {
                return Err(FilterError::new(*at, "the offset is too large"));
            }
            let base = start(*at, *protocol, layout, checks)?;
            Value::Slice {
                base,
                index: Box::new(index),
                size: *size,
            }
        }
    })
}

/// Where a protocol's header starts, and what must hold for it to be there.
fn start(
    at: usize,
    protocol: Protocol,
    layout: &Layout,
    checks: &mut Vec<Test>,
) -> Result<Base, FilterError> {
    let network = layout.network();
    if protocol != Protocol::Link {
        checks.push(is(at, protocol, layout)?);
    }
    Ok(match protocol {
        Protocol::Link => Base::Fixed(layout.header),
        Protocol::Transport(_, Carrier::Ip6) => {
            checks.push(Test::equal(Load::byte(network + 6), 58));
            Base::Fixed(network + IPV6_HEADER)
        }
        Protocol::Transport(..) => {
            checks.push(layout.carries(IPV4, at)?);
            checks.push(first_fragment(network));
            Base::BehindIpv4(network)
        }
        _ => Base::Fixed(network),
    })
}
