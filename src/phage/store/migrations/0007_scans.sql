-- Active scans of our network, and what each showed to be different. Hosts, and what is remembered between scans,
-- are JSON. Times are nanoseconds since the Unix epoch.

CREATE TABLE scans (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    author TEXT NOT NULL,
    started BIGINT NOT NULL,
    ended BIGINT NOT NULL,
    hosts_total BIGINT NOT NULL,
    body TEXT NOT NULL
);

CREATE INDEX scans_by_time ON scans (started);

CREATE TABLE scan_diffs (
    scan TEXT NOT NULL,
    happened BIGINT NOT NULL,
    host TEXT NOT NULL,
    service TEXT NOT NULL,
    status TEXT NOT NULL,
    mac TEXT NOT NULL,
    was TEXT NOT NULL,
    became TEXT NOT NULL,
    notice BIGINT NOT NULL,
    PRIMARY KEY (scan, host, service, status)
);

CREATE INDEX scan_diffs_by_time ON scan_diffs (happened);

CREATE TABLE scan_memory (
    name TEXT PRIMARY KEY,
    body TEXT NOT NULL
);
