-- Profiles: what devices normally do. `body` is JSON. Times are nanoseconds since the Unix epoch.

CREATE TABLE profiles (
    device TEXT PRIMARY KEY,
    phase TEXT NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT NOT NULL,
    body TEXT NOT NULL
);
