-- Exporters of flows, by observation domain. Times are nanoseconds since the Unix epoch.

CREATE TABLE exporters (
    address TEXT NOT NULL,
    domain BIGINT NOT NULL,
    version BIGINT NOT NULL,
    name TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    sampling BIGINT NOT NULL,
    drift BIGINT NOT NULL,
    datagrams BIGINT NOT NULL,
    octets BIGINT NOT NULL,
    records BIGINT NOT NULL,
    options BIGINT NOT NULL,
    templates BIGINT NOT NULL,
    withdrawn BIGINT NOT NULL,
    early BIGINT NOT NULL,
    lost BIGINT NOT NULL,
    reordered BIGINT NOT NULL,
    restarts BIGINT NOT NULL,
    unknown_elements BIGINT NOT NULL,
    malformed BIGINT NOT NULL,
    PRIMARY KEY (address, domain, version)
);

CREATE INDEX exporters_by_time ON exporters (last_seen);
