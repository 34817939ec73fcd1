-- The first and the last of a span: by time alone other spans stand between.
DROP INDEX traffic_by_time;
CREATE INDEX traffic_by_time ON traffic (span, begun);
