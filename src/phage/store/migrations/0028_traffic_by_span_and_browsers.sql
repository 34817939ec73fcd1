-- The first and the last of a span: by time alone other spans stand between.
DROP INDEX traffic_by_time;
CREATE INDEX traffic_by_time ON traffic (span, begun);

-- Browsers that are told of findings by Web Push while no page is open. `id` is made of the endpoint;
-- times are nanoseconds since the Unix epoch, `failures` those in a row.
CREATE TABLE browsers (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    endpoint TEXT NOT NULL,
    public_key TEXT NOT NULL,
    secret TEXT NOT NULL,
    agent TEXT NOT NULL,
    created BIGINT NOT NULL,
    told BIGINT NOT NULL,
    failures BIGINT NOT NULL
);

CREATE INDEX browsers_by_user ON browsers (username, created);
