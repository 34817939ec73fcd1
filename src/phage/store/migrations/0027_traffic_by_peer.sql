-- With whom a host talks: it is found on either side of a pair.
CREATE INDEX traffic_by_peer ON traffic (peer, span, begun) WHERE kind = 'pair';
