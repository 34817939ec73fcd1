-- Fleets of machines that scan files: what is there, and how many a person wants (-1: as needed).

CREATE TABLE scan_fleets (
    name TEXT PRIMARY KEY,
    fixed BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    body TEXT NOT NULL
);
