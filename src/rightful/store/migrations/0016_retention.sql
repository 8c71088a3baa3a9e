-- What is left of operations and of audit records that were kept long enough and purged.

CREATE TABLE receipt (                     -- of an operation that is gone: later receipts of the same person go on from the last one
  tenant_id TEXT NOT NULL,
  operation_id TEXT NOT NULL,
  subject_id TEXT NOT NULL,
  receipt_sha256 TEXT NOT NULL,
  completed_at INTEGER NOT NULL,
  operation_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, operation_id)
) WITHOUT ROWID;
CREATE INDEX receipt_of_subject ON receipt (tenant_id, subject_id, completed_at);
CREATE INDEX receipt_by_end ON receipt (tenant_id, completed_at);

CREATE TABLE retention (
  tenant_id TEXT NOT NULL PRIMARY KEY,     -- '' for the chain of what belongs to none
  purged_at INTEGER,                       -- when somebody last looked for what was kept long enough, and found no more
  start_seq INTEGER NOT NULL DEFAULT 0,    -- the number of the last audit record that is gone, or about to go
  start TEXT                               -- the signed start of what is left of the chain (audit.start)
) WITHOUT ROWID;

-- Records go where a start was put down for those that stay; in no other way.
DROP TRIGGER audit_is_never_deleted;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
  WHEN NOT EXISTS (SELECT 1 FROM retention WHERE tenant_id = OLD.tenant_id AND start_seq >= OLD.seq)
  BEGIN SELECT RAISE(ABORT, 'audit records are never deleted'); END;
