-- File scanning: samples by content, what engines said, verdicts with their history, jobs.
-- Times are nanoseconds since the Unix epoch, 0 for never.

CREATE TABLE samples (
    sha256 TEXT PRIMARY KEY,
    sha1 TEXT NOT NULL,
    md5 TEXT NOT NULL,
    size BIGINT NOT NULL,
    kind TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    submissions BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    verdict TEXT NOT NULL,
    tags TEXT NOT NULL
);

CREATE INDEX samples_by_time ON samples (last_seen);
CREATE INDEX samples_by_sha1 ON samples (sha1);
CREATE INDEX samples_by_md5 ON samples (md5);

CREATE TABLE sample_names (
    sha256 TEXT NOT NULL,
    name TEXT NOT NULL,
    seen BIGINT NOT NULL,
    PRIMARY KEY (sha256, name)
);

CREATE TABLE sample_facts (
    sha256 TEXT NOT NULL,
    fact TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (sha256, fact)
);

CREATE INDEX sample_facts_by_value ON sample_facts (fact, value);

CREATE TABLE verdicts (
    id TEXT PRIMARY KEY,
    sha256 TEXT NOT NULL,
    time BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    complete BIGINT NOT NULL,
    fingerprint TEXT NOT NULL,
    positives BIGINT NOT NULL,
    judged BIGINT NOT NULL,
    body TEXT NOT NULL
);

CREATE INDEX verdicts_by_sample ON verdicts (sha256, time);
CREATE INDEX verdicts_by_time ON verdicts (time);

CREATE TABLE engine_results (
    sha256 TEXT NOT NULL,
    engine TEXT NOT NULL,
    version TEXT NOT NULL,
    definitions TEXT NOT NULL,
    options TEXT NOT NULL,
    time BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (sha256, engine, version, definitions, options)
);

CREATE INDEX engine_results_by_time ON engine_results (time);

CREATE TABLE engine_crashes (
    sha256 TEXT NOT NULL,
    engine TEXT NOT NULL,
    crashes BIGINT NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (sha256, engine)
);

CREATE TABLE scan_jobs (
    id TEXT PRIMARY KEY,
    sha256 TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    priority BIGINT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    submitted BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    worker TEXT NOT NULL,
    lease TEXT NOT NULL,
    lease_until BIGINT NOT NULL,
    verdict TEXT NOT NULL,
    error TEXT NOT NULL
);

CREATE INDEX scan_jobs_by_state ON scan_jobs (state, priority, submitted);
CREATE INDEX scan_jobs_by_time ON scan_jobs (changed);
