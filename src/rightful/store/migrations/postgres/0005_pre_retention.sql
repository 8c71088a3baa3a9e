-- What is left of operations and of audit records that were kept long enough and purged.

CREATE TABLE receipt (
  tenant_id TEXT COLLATE "C" NOT NULL,
  operation_id TEXT COLLATE "C" NOT NULL,
  subject_id TEXT COLLATE "C" NOT NULL,
  receipt_sha256 TEXT COLLATE "C" NOT NULL,
  completed_at BIGINT NOT NULL,
  operation_seq BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, operation_id)
);
CREATE INDEX receipt_of_subject ON receipt (tenant_id, subject_id, completed_at);
CREATE INDEX receipt_by_end ON receipt (tenant_id, completed_at);
ALTER TABLE receipt ENABLE ROW LEVEL SECURITY;
ALTER TABLE receipt FORCE ROW LEVEL SECURITY;
CREATE POLICY tenants ON receipt USING (
  (SELECT current_setting('rightful.tenant', true)) = '*'
  OR (tenant_id = (SELECT current_setting('rightful.tenant', true)) AND tenant_id <> ''));

CREATE TABLE retention (
  tenant_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  purged_at BIGINT,
  start_seq BIGINT NOT NULL DEFAULT 0,
  start TEXT COLLATE "C"
);
ALTER TABLE retention ENABLE ROW LEVEL SECURITY;
ALTER TABLE retention FORCE ROW LEVEL SECURITY;
CREATE POLICY tenants ON retention USING (
  (SELECT current_setting('rightful.tenant', true)) = '*'
  OR (tenant_id = (SELECT current_setting('rightful.tenant', true)) AND tenant_id <> ''));

-- Records go where a start was put down for those that stay; in no other way.
CREATE OR REPLACE FUNCTION audit_refused() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF EXISTS (SELECT 1 FROM retention WHERE tenant_id = OLD.tenant_id AND start_seq >= OLD.seq) THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION 'audit records are only appended, never changed or deleted' USING ERRCODE = 'integrity_constraint_violation';
END $$;
