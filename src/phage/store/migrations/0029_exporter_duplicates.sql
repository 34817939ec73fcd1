-- What of an exporter's records another one had told already.

ALTER TABLE exporters ADD COLUMN duplicates BIGINT NOT NULL DEFAULT 0;
ALTER TABLE exporters ADD COLUMN duplicate_packets BIGINT NOT NULL DEFAULT 0;
