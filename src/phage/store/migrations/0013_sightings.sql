-- Names and fingerprints that devices had to do with: what an indicator that comes later is looked up in.
-- Times are nanoseconds since the Unix epoch.

CREATE TABLE sightings (
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    device TEXT NOT NULL,
    ip TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    times BIGINT NOT NULL,
    PRIMARY KEY (kind, value, device)
);

CREATE INDEX sightings_by_time ON sightings (last_seen);
CREATE INDEX sightings_by_device ON sightings (device, last_seen);
