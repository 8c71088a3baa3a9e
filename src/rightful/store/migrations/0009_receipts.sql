-- The receipt before an operation's own, for the same person, as it was when the end of its package was begun: '' where there was none,
-- NULL where the end is still to come. The digest of its own receipt is in `package`.

ALTER TABLE operation ADD COLUMN receipt_before TEXT;
CREATE INDEX operation_completed ON operation (tenant_id, subject_id, completed_at) WHERE status = 'complete';
