-- The jobs of a sample: a re-scan that finds something tells of who got it.

CREATE INDEX scan_jobs_by_sample ON scan_jobs (sha256, changed);
