-- How many operations of a tenant have not ended: each submit asks, and counting them takes longer the more there are.

CREATE TABLE open_operations (
  tenant_id TEXT PRIMARY KEY,
  number INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO open_operations
  SELECT tenant_id, count(*) FROM operation WHERE status IN ('intent', 'not_started', 'running') GROUP BY tenant_id;

CREATE TRIGGER operation_opened AFTER INSERT ON operation WHEN NEW.status IN ('intent', 'not_started', 'running')
BEGIN
  INSERT INTO open_operations VALUES (NEW.tenant_id, 1) ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER operation_ended AFTER UPDATE OF status ON operation
  WHEN OLD.status IN ('intent', 'not_started', 'running') AND NEW.status NOT IN ('intent', 'not_started', 'running')
BEGIN
  UPDATE open_operations SET number = number - 1 WHERE tenant_id = NEW.tenant_id;
END;
CREATE TRIGGER operation_resumed AFTER UPDATE OF status ON operation
  WHEN OLD.status NOT IN ('intent', 'not_started', 'running') AND NEW.status IN ('intent', 'not_started', 'running')
BEGIN
  UPDATE open_operations SET number = number + 1 WHERE tenant_id = NEW.tenant_id;
END;
CREATE TRIGGER operation_dropped AFTER DELETE ON operation WHEN OLD.status IN ('intent', 'not_started', 'running')
BEGIN
  UPDATE open_operations SET number = number - 1 WHERE tenant_id = OLD.tenant_id;
END;
