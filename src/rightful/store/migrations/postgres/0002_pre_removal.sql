-- That what a cancelled operation had written is being deleted, or was: there is nothing that a resume could go on from.

ALTER TABLE operation ADD COLUMN removal BIGINT NOT NULL DEFAULT 0;
