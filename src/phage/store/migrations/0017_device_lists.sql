-- What lists of devices show, without the evidence behind it. `labels` is a JSON list.

ALTER TABLE devices ADD COLUMN shown TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';
