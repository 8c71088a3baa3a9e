-- How often the service died while it held a read, with nothing brought further in between: in company it counts as suspicion alone.

ALTER TABLE read ADD COLUMN deaths BIGINT NOT NULL DEFAULT 0;
