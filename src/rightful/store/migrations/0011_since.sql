-- The earlier operation that one is the difference to, and what is kept of a complete one to compare later ones with: sealed, the secret of
-- its fingerprints and where they lie in its file beside the store (store.fingerprint_folder). Erased when its time is up, or on request.

ALTER TABLE operation ADD COLUMN since TEXT;
ALTER TABLE operation ADD COLUMN sealed_fingerprints BLOB;
CREATE INDEX operation_compared ON operation (since) WHERE since IS NOT NULL AND status IN ('intent', 'not_started', 'running');
CREATE INDEX operation_kept ON operation (tenant_id, completed_at) WHERE sealed_fingerprints IS NOT NULL;
