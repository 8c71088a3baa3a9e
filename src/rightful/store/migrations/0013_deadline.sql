-- When the person's request was received, which may be before it was submitted; and that the time to answer it was extended.

ALTER TABLE operation ADD COLUMN received_at INTEGER;                         -- NULL for an intent: when it is submitted
ALTER TABLE operation ADD COLUMN extension TEXT;
UPDATE operation SET received_at = submitted_at WHERE status <> 'intent';
CREATE INDEX operation_unanswered ON operation (tenant_id, received_at) WHERE status IN ('not_started', 'running', 'failed');
