-- How often a read was claimed and given back before anything of it was read: no attempt, in the ledger.

ALTER TABLE read ADD COLUMN given_back INTEGER NOT NULL DEFAULT 0;
