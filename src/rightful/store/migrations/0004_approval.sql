-- A second administrator's approval.

ALTER TABLE operation ADD COLUMN by_application INTEGER NOT NULL DEFAULT 1;   -- no person asked; so too where it is not known
ALTER TABLE operation ADD COLUMN approval TEXT;                               -- NULL: none is needed; waiting, given, not_given
ALTER TABLE operation ADD COLUMN approval_digest TEXT;                        -- keyed, of what is approved
ALTER TABLE operation ADD COLUMN approval_until INTEGER;
ALTER TABLE operation ADD COLUMN approval_by TEXT;                            -- who approved or rejected
CREATE INDEX operation_unapproved ON operation (approval_until) WHERE status = 'not_started' AND approval = 'waiting';
CREATE INDEX operation_bound ON operation (seq) WHERE status IN ('not_started', 'running') AND approval IN ('waiting', 'given');
-- SQLite takes a partial index only where the query repeats its condition word for word: status = 'intent' did not take operation_waiting.
DROP INDEX operation_waiting;
CREATE INDEX operation_intent ON operation (status, seq) WHERE status = 'intent';
CREATE INDEX operation_queued ON operation (status, seq) WHERE status = 'not_started' AND approval IS NOT 'waiting';
