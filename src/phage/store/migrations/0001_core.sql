-- Findings, flows, devices, counters and saved models. Both engines read these types: SQLite by affinity.
-- Times are nanoseconds since the Unix epoch.

CREATE TABLE findings (
    id TEXT PRIMARY KEY,
    detector TEXT NOT NULL,
    attack TEXT NOT NULL,
    severity BIGINT NOT NULL,
    score DOUBLE PRECISION NOT NULL,
    state TEXT NOT NULL,
    device TEXT NOT NULL,
    mac TEXT NOT NULL,
    ip TEXT NOT NULL,
    summary TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    packets BIGINT NOT NULL,
    occurrences BIGINT NOT NULL,
    peers_total BIGINT NOT NULL,
    spoofable BIGINT NOT NULL,
    capture TEXT NOT NULL,
    body TEXT NOT NULL
);

CREATE INDEX findings_by_time ON findings (last_seen, id);
CREATE INDEX findings_by_device ON findings (device, last_seen);

CREATE TABLE finding_parties (
    finding TEXT NOT NULL REFERENCES findings (id) ON DELETE CASCADE,
    party TEXT NOT NULL,
    PRIMARY KEY (finding, party)
);

CREATE INDEX finding_parties_by_party ON finding_parties (party);

CREATE TABLE flows (
    begun BIGINT NOT NULL,
    id BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    src TEXT NOT NULL,
    dst TEXT NOT NULL,
    src_port BIGINT NOT NULL,
    dst_port BIGINT NOT NULL,
    protocol BIGINT NOT NULL,
    src_mac TEXT NOT NULL,
    dst_mac TEXT NOT NULL,
    vlan BIGINT NOT NULL,
    packets_sent BIGINT NOT NULL,
    packets_received BIGINT NOT NULL,
    octets_sent BIGINT NOT NULL,
    octets_received BIGINT NOT NULL,
    payload_sent BIGINT NOT NULL,
    payload_received BIGINT NOT NULL,
    flags_sent BIGINT NOT NULL,
    flags_received BIGINT NOT NULL,
    handshake BIGINT NOT NULL,
    state TEXT NOT NULL,
    end_reason TEXT NOT NULL,
    application TEXT NOT NULL,
    ended BIGINT NOT NULL,
    PRIMARY KEY (begun, id)
);

CREATE INDEX flows_by_time ON flows (last_seen, id);
CREATE INDEX flows_by_src ON flows (src, last_seen);
CREATE INDEX flows_by_dst ON flows (dst, last_seen);

CREATE TABLE devices (
    device TEXT PRIMARY KEY,
    mac TEXT NOT NULL,
    ip TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    packets BIGINT NOT NULL,
    octets BIGINT NOT NULL
);

CREATE INDEX devices_by_time ON devices (last_seen);

CREATE TABLE counters (
    minute BIGINT NOT NULL,
    name TEXT NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (minute, name)
);

CREATE TABLE models (
    name TEXT PRIMARY KEY,
    saved BIGINT NOT NULL,
    packets BIGINT NOT NULL,
    phase TEXT NOT NULL,
    checksum TEXT NOT NULL,
    octets BIGINT NOT NULL,
    note TEXT NOT NULL
);
