-- When an operation's progress began (and at what), and when it last grew: its pace is what it made between them, and how long is left is
-- reckoned from the last step, since checkpoints come in steps.

ALTER TABLE operation ADD COLUMN progress_from REAL;
ALTER TABLE operation ADD COLUMN progress_from_at INTEGER;
ALTER TABLE operation ADD COLUMN progress_at INTEGER;
ALTER TABLE read ADD COLUMN own_estimate INTEGER NOT NULL DEFAULT 0;  -- of this subject; else what one has on average
