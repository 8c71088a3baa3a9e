-- How often the service died while it held a read, or the end of a package, with nothing brought further in between; and when it first and
-- last did with nothing beside it, which is all that counts beyond a suspicion.

ALTER TABLE read ADD COLUMN deaths BIGINT NOT NULL DEFAULT 0;
ALTER TABLE read ADD COLUMN first_death_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE read ADD COLUMN last_death_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE operation ADD COLUMN deaths BIGINT NOT NULL DEFAULT 0;
ALTER TABLE operation ADD COLUMN first_death_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE operation ADD COLUMN last_death_at BIGINT NOT NULL DEFAULT 0;
