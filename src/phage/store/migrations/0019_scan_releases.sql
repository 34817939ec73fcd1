-- Definitions that are rolled out to workers, and workers that are asked to end.
-- Times are nanoseconds since the Unix epoch, 0 for never.

CREATE TABLE scan_releases (
    id TEXT PRIMARY KEY,
    engine TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    name TEXT NOT NULL,
    size BIGINT NOT NULL,
    state TEXT NOT NULL,
    canary TEXT NOT NULL,
    author TEXT NOT NULL,
    made BIGINT NOT NULL,
    tried BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    fault TEXT NOT NULL
);

CREATE INDEX scan_releases_by_engine ON scan_releases (engine, made);

ALTER TABLE scan_workers ADD COLUMN ending BIGINT NOT NULL DEFAULT 0;
