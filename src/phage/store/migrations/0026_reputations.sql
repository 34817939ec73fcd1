-- What AbuseIPDB said of an address, and when it was asked; the address '' says until when nobody asks.
-- Times are nanoseconds since the Unix epoch.

CREATE TABLE reputations (
    address TEXT NOT NULL PRIMARY KEY,
    asked BIGINT NOT NULL,
    body TEXT NOT NULL
);

CREATE INDEX reputations_by_time ON reputations (asked);
