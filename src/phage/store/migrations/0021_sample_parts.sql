-- How far a job of scanning is (JSON), and what is in which sample: by the hash of a part its containers
-- are found.

ALTER TABLE scan_jobs ADD COLUMN progress TEXT NOT NULL DEFAULT '';

CREATE TABLE sample_parts (
    parent TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (parent, sha256)
);

CREATE INDEX sample_parts_by_part ON sample_parts (sha256);
