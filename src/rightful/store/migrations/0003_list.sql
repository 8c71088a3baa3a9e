-- What operations are filtered and ordered by, never NULL, and where the list looks it up.

-- As the members of Graph's enumeration compare (store.listing.STATUS_ORDER).
ALTER TABLE operation ADD COLUMN status_rank INTEGER GENERATED ALWAYS AS (
  CASE status WHEN 'not_started' THEN 0 WHEN 'running' THEN 1 WHEN 'complete' THEN 2 WHEN 'failed' THEN 3 ELSE -1 END) VIRTUAL;
-- What has not ended comes before every moment (store.listing.NOT_YET).
ALTER TABLE operation ADD COLUMN completed_key INTEGER GENERATED ALWAYS AS (coalesce(completed_at, -1000000000000000000)) VIRTUAL;
CREATE INDEX operation_by_status ON operation (tenant_id, status_rank, submitted_at, id) WHERE status <> 'intent';
CREATE INDEX operation_by_end ON operation (tenant_id, completed_key, submitted_at, id) WHERE status <> 'intent';
