-- Threat intelligence: how each feed does, and indicators that say more than a network.
-- Networks of long lists lie in files beside the store. Times are nanoseconds since the Unix epoch, 0 for never.

CREATE TABLE feeds (
    name TEXT PRIMARY KEY,
    updated BIGINT NOT NULL,
    tried BIGINT NOT NULL,
    due BIGINT NOT NULL,
    entries BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    fault TEXT NOT NULL,
    body TEXT NOT NULL
);

CREATE TABLE indicators (
    feed TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    confidence BIGINT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    tags TEXT NOT NULL,
    description TEXT NOT NULL,
    tlp TEXT NOT NULL,
    PRIMARY KEY (feed, kind, value)
);

CREATE INDEX indicators_by_value ON indicators (value);
