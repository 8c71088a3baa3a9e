-- What waits for a later try is out of the indexes that claims look into: a claim takes as long with a hundred thousand waiting as with none.
-- not_before is 0 for what may be tried now; a claim sets it to 0 for what is due.

DROP INDEX read_pending;
DROP INDEX read_scan;
DROP INDEX operation_finishable;
CREATE INDEX read_pending ON read (tenant_id, operation_seq, position, partition) WHERE state = 'pending' AND not_before = 0;
CREATE INDEX read_scan ON read (tenant_id, source_name, partition, operation_seq) WHERE state = 'pending' AND not_before = 0;
CREATE INDEX read_waiting ON read (not_before) WHERE state = 'pending' AND not_before > 0;
CREATE INDEX operation_finishable ON operation (tenant_id, seq)
  WHERE status = 'running' AND open_reads = 0 AND owner IS NULL AND not_before = 0;
CREATE INDEX operation_retried ON operation (not_before) WHERE not_before > 0;
