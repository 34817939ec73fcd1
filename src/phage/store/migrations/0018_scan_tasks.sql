-- Many workers: samples taken apart, one task for each engine and file, and who works.
-- Times are nanoseconds since the Unix epoch by the master's clock, 0 for never.

CREATE TABLE scan_plans (
    job TEXT PRIMARY KEY,
    made BIGINT NOT NULL,
    body TEXT NOT NULL
);

CREATE TABLE scan_tasks (
    id TEXT PRIMARY KEY,
    job TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    engine TEXT NOT NULL,
    priority BIGINT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    made BIGINT NOT NULL,
    worker TEXT NOT NULL,
    lease TEXT NOT NULL,
    lease_until BIGINT NOT NULL,
    published BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    error TEXT NOT NULL,
    body TEXT NOT NULL,
    answer TEXT NOT NULL,
    UNIQUE (job, sha256, engine)
);

CREATE INDEX scan_tasks_by_job ON scan_tasks (job, state);
CREATE INDEX scan_tasks_by_state ON scan_tasks (state, published, priority);
CREATE INDEX scan_tasks_by_lease ON scan_tasks (state, lease_until);

CREATE TABLE scan_workers (
    name TEXT PRIMARY KEY,
    token TEXT NOT NULL,
    started BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    body TEXT NOT NULL
);
