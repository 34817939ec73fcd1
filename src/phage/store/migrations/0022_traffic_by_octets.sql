-- The busiest of each span, without reading all of it: a week has a thousand times as many rows as a page shows.
CREATE INDEX traffic_by_octets ON traffic
    (span, kind, begun, (CAST(octets_sent AS DOUBLE PRECISION) + CAST(octets_received AS DOUBLE PRECISION)));
