-- Who talked how much, in spans of five minutes, an hour and a day: what the dashboard shows without reading flows.
-- `kind` is host, service or pair; `peer` is '' but for pairs. Times are nanoseconds since the Unix epoch.

CREATE TABLE traffic (
    span BIGINT NOT NULL,
    kind TEXT NOT NULL,
    begun BIGINT NOT NULL,
    name TEXT NOT NULL,
    peer TEXT NOT NULL,
    packets_sent BIGINT NOT NULL,
    packets_received BIGINT NOT NULL,
    octets_sent BIGINT NOT NULL,
    octets_received BIGINT NOT NULL,
    flows BIGINT NOT NULL,
    PRIMARY KEY (span, kind, begun, name, peer)
);

-- One host over time; and what is too old.
CREATE INDEX traffic_by_name ON traffic (kind, name, span, begun);
CREATE INDEX traffic_by_time ON traffic (begun);

-- Findings and decisions over time; devices by address.
CREATE INDEX findings_by_begin ON findings (first_seen);
CREATE INDEX decisions_by_begin ON decisions (started);
CREATE INDEX devices_by_mac ON devices (mac);
