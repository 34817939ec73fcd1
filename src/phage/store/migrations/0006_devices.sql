-- Devices above their addresses, and what happened to them. `body` holds what no question asks for, as JSON; '' for
-- a device that an older phage saw. Times are nanoseconds since the Unix epoch.

ALTER TABLE devices ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN vendor TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN product TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN category TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN system TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN present BIGINT NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN body TEXT NOT NULL DEFAULT '';

CREATE TABLE device_events (
    happened BIGINT NOT NULL,
    device TEXT NOT NULL,
    what TEXT NOT NULL,
    detail TEXT NOT NULL,
    author TEXT NOT NULL,
    PRIMARY KEY (happened, device, what, detail)
);

CREATE INDEX device_events_by_device ON device_events (device, happened);
