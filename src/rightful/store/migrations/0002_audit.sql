-- The audit trail: one hash chain for each tenant, and one ('') for what belongs to none. Records are appended in the transaction of what
-- they record, and never changed. The triggers keep accidents away; who tampers on purpose is found by the chain and its checkpoints.

CREATE TABLE audit (
  tenant_id TEXT NOT NULL,
  seq INTEGER NOT NULL,                    -- 1, 2, 3, … in the chain
  record TEXT NOT NULL,                    -- canonical JSON (audit.record)
  hash BLOB NOT NULL,                      -- SHA-256 over the hash before it and the record
  PRIMARY KEY (tenant_id, seq)
) WITHOUT ROWID;
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
  BEGIN SELECT RAISE(ABORT, 'audit records are never changed'); END;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
  BEGIN SELECT RAISE(ABORT, 'audit records are never deleted'); END;
-- REPLACE would delete without the trigger above.
CREATE TRIGGER audit_is_never_replaced BEFORE INSERT ON audit
  WHEN EXISTS (SELECT 1 FROM audit WHERE tenant_id = NEW.tenant_id AND seq >= NEW.seq)
  BEGIN SELECT RAISE(ABORT, 'audit records are only appended'); END;

ALTER TABLE operation ADD COLUMN actor TEXT NOT NULL DEFAULT '{}'; -- who submitted it, and from where (audit.record.Actor)
