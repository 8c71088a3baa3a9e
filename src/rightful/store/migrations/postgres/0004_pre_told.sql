-- What the service that leads tells those that stand by, sealed: where they reach it.
ALTER TABLE lead ADD COLUMN told BYTEA NOT NULL DEFAULT '';
