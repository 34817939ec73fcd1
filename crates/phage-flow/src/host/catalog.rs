//! The behaviour features: what each is called, measures and means.

use phage_decode::catalog::{Feature, Scale};

/// Behaviour features of a packet's subject device.
pub const BEHAVIOUR: usize = 32;

/// Behaviour features of one group; each group is looked at by one small autoencoder.
pub const GROUP: usize = 8;

const fn feature(
    name: &'static str,
    unit: &'static str,
    meaning: &'static str,
    scale: Scale,
    floor: f32,
) -> Feature {
    Feature {
        name,
        unit,
        meaning,
        scale,
        floor,
    }
}

use Scale::{Linear, Logarithmic};

/// The behaviour features in order: volume, relations, health of connections, names and
/// neighbours, eight of each. All are of the subject device; rates are damped with a half-life of
/// ten seconds where nothing else is said.
pub static BEHAVIOUR_CATALOG: [Feature; BEHAVIOUR] = [
    // Volume.
    feature("packets_out_rate", "packets/s", "packets sent per second, over the last ten seconds or so", Logarithmic, 0.5),
    feature("packets_in_rate", "packets/s", "packets received per second, over the last ten seconds or so", Logarithmic, 0.5),
    feature("octets_out_rate", "octets/s", "octets sent per second, over the last ten seconds or so", Logarithmic, 100.0),
    feature("octets_in_rate", "octets/s", "octets received per second, over the last ten seconds or so", Logarithmic, 100.0),
    feature("flows_out_rate", "flows/s", "flows begun per second, over the last ten seconds or so", Logarithmic, 0.1),
    feature("flows_in_rate", "flows/s", "flows that others began to it per second, over the last ten seconds or so", Logarithmic, 0.1),
    feature("sent_share", "1", "share of the octets of the last minute or so that it sent", Linear, 0.1),
    feature("length", "octets", "length of this packet", Logarithmic, 32.0),
    // Relations.
    feature("peers_out", "peers", "distinct peers contacted in the last minute", Logarithmic, 1.0),
    feature("endpoints_out", "endpoints", "distinct pairs of peer and port contacted in the last minute", Logarithmic, 1.0),
    feature("peers_in", "peers", "distinct peers that contacted it in the last minute", Logarithmic, 1.0),
    feature("ports_in", "ports", "distinct own ports contacted by others in the last minute", Logarithmic, 1.0),
    feature("new_peers", "peers", "peers contacted for the first time ever, in the last minute or so", Logarithmic, 1.0),
    feature("peer_novelty", "1", "how new the peer of this packet is to it: 1 for a neighbour never met (half of that for a remote host), halved every half hour", Linear, 0.1),
    feature("service_novelty", "1", "how new this service is to it (protocol, port, role, at home or remote): 1 at first, halved every half hour", Linear, 0.1),
    feature("device_novelty", "1", "how new the device itself is: 1 at first sight, halved every two hours", Linear, 0.1),
    // Health of connections.
    feature("unanswered_out", "connections", "connections it began that wait for an answer, over the last ten seconds or so", Logarithmic, 1.0),
    feature("unanswered_in", "connections", "connections begun to it that it has not answered, over the last ten seconds or so", Logarithmic, 1.0),
    feature("resets_in_rate", "packets/s", "TCP resets received per second, over the last ten seconds or so", Logarithmic, 0.1),
    feature("resets_out_rate", "packets/s", "TCP resets sent per second, over the last ten seconds or so", Logarithmic, 0.1),
    feature("unreachable_in_rate", "packets/s", "ICMP errors received per second (unreachable, time exceeded), over the last ten seconds or so", Logarithmic, 0.1),
    feature("echo_out_rate", "packets/s", "ICMP echo requests sent per second, over the last ten seconds or so", Logarithmic, 0.1),
    feature("failed_share", "1", "share of the connections it began in the last minute or so that failed", Linear, 0.1),
    feature("odd_rate", "packets/s", "fragments and impossible TCP flag combinations sent or received per second, over the last ten seconds or so", Logarithmic, 0.1),
    // Names and neighbours.
    feature("arp_out_rate", "packets/s", "ARP requests sent per second, over the last ten seconds or so", Logarithmic, 0.1),
    feature("arp_mismatches", "packets", "ARP packets of the last minute or so in which it claimed an address that another MAC holds", Logarithmic, 0.2),
    feature("arp_targets", "addresses", "distinct addresses asked for by ARP in the last minute", Logarithmic, 1.0),
    feature("dns_rate", "questions/s", "DNS questions asked per second, over the last ten seconds or so", Logarithmic, 0.1),
    feature("dns_length", "octets", "mean length of the names asked for in the last minute or so", Logarithmic, 4.0),
    feature("dns_entropy", "bits", "mean entropy per character of the names asked for in the last minute or so", Linear, 0.25),
    feature("dns_failed_share", "1", "share of DNS answers in the last minute or so that said there is no such name or failed", Linear, 0.1),
    feature("group_rate", "packets/s", "broadcast and multicast packets sent per second, over the last ten seconds or so", Logarithmic, 0.1),
];
