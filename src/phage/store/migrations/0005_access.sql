-- Who may ask and change: users, sessions, tokens, one-time links; and the chained log of every change.
-- Secrets are kept as hashes only. Times are nanoseconds since the Unix epoch, 0 for never.

CREATE TABLE users (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    password TEXT NOT NULL,
    totp TEXT NOT NULL,
    totp_step BIGINT NOT NULL,
    created BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    last_login BIGINT NOT NULL
);

CREATE TABLE sessions (
    digest TEXT PRIMARY KEY,
    username TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    created BIGINT NOT NULL,
    last_used BIGINT NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL
);

CREATE INDEX sessions_by_user ON sessions (username, last_used);

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    username TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    last_used BIGINT NOT NULL,
    last_address TEXT NOT NULL,
    revoked BIGINT NOT NULL
);

CREATE UNIQUE INDEX tokens_by_digest ON tokens (digest);
CREATE INDEX tokens_by_user ON tokens (username);

CREATE TABLE login_links (
    digest TEXT PRIMARY KEY,
    username TEXT NOT NULL,
    role TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL
);

CREATE TABLE audit (
    number BIGINT PRIMARY KEY,
    happened BIGINT NOT NULL,
    actor TEXT NOT NULL,
    act TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
);

CREATE INDEX audit_by_actor ON audit (actor, number);

-- What people say about findings: the feedback that detectors and rules are judged by.
CREATE TABLE finding_labels (
    finding TEXT PRIMARY KEY REFERENCES findings (id) ON DELETE CASCADE,
    label TEXT NOT NULL,
    note TEXT NOT NULL,
    author TEXT NOT NULL,
    written BIGINT NOT NULL
);

-- Lists as the API asks for them: narrowed by one column, newest first.
CREATE INDEX findings_by_detector ON findings (detector, last_seen, id);
CREATE INDEX findings_by_state ON findings (state, last_seen, id);
CREATE INDEX findings_by_detector_severity ON findings (detector, severity, last_seen, id);
CREATE INDEX findings_by_state_severity ON findings (state, severity, last_seen, id);
CREATE INDEX findings_by_severity ON findings (severity, last_seen, id);
CREATE INDEX devices_by_ip ON devices (ip);
