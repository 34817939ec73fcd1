-- The ledger: decisions, what responders did with them, and what people did with both.
-- Times are nanoseconds since the Unix epoch. `expires` is 0 for never, `ended` is 0 while a decision stands.

CREATE TABLE decisions (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    action TEXT NOT NULL,
    direction TEXT NOT NULL,
    reason TEXT NOT NULL,
    rule TEXT NOT NULL,
    finding TEXT NOT NULL,
    author TEXT NOT NULL,
    started BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    dry_run BIGINT NOT NULL,
    spoofable BIGINT NOT NULL,
    ended BIGINT NOT NULL,
    ended_by TEXT NOT NULL,
    body TEXT NOT NULL
);

-- What stands (ended = 0) by id, and what may be forgotten (ended > 0) by age.
CREATE INDEX decisions_by_end ON decisions (ended, id);
CREATE INDEX decisions_by_target ON decisions (target, id);
CREATE INDEX decisions_by_finding ON decisions (finding, id);

CREATE TABLE receipts (
    decision TEXT NOT NULL REFERENCES decisions (id) ON DELETE CASCADE,
    responder TEXT NOT NULL,
    state TEXT NOT NULL,
    written BIGINT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (decision, responder)
);

CREATE TABLE decision_audit (
    id TEXT PRIMARY KEY,
    happened BIGINT NOT NULL,
    author TEXT NOT NULL,
    act TEXT NOT NULL,
    decision TEXT NOT NULL,
    detail TEXT NOT NULL
);

CREATE INDEX decision_audit_by_time ON decision_audit (happened, id);
CREATE INDEX decision_audit_by_decision ON decision_audit (decision);
