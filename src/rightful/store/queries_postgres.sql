-- Statements that PostgreSQL takes in another form than SQLite; all others stand in queries.sql.

-- name: lease_operation
-- Which receipt came before is settled once: whoever begins the end of the package again writes the same. Of an operation that was purged
-- it is kept by itself.
UPDATE operation SET owner = :owner, attempt = attempt + 1, lease_until = :lease_until, receipt_before = coalesce(receipt_before, (
  SELECT CAST(json_build_object('operationId', b.id, 'receiptSha256', b.receipt_sha256) AS text) FROM (
    SELECT o.id, CAST(o.package AS json) ->> 'receipt_sha256' AS receipt_sha256, o.completed_at, o.seq FROM operation o
    WHERE o.tenant_id = operation.tenant_id AND o.subject_id = operation.subject_id AND o.status = 'complete'
    UNION ALL
    SELECT r.operation_id, r.receipt_sha256, r.completed_at, r.operation_seq FROM receipt r
    WHERE r.tenant_id = operation.tenant_id AND r.subject_id = operation.subject_id
  ) AS b WHERE b.receipt_sha256 <> '' ORDER BY b.completed_at DESC, b.seq DESC LIMIT 1), '')
WHERE id = :id
RETURNING id, tenant_id, subject_id, subject_kind, caller_key, storage_location, sealed_location, prefix, language, recipient, key_file, submitted_at,
  attempt, since, receipt_before, deaths, first_death_at, last_death_at;

-- name: first_pending
-- The oldest read of a tenant, but for scans that are not planned and still gather. `alone` is the group that it is claimed with; 0: any.
SELECT operation_id, source_name, partition, spec_digest, sealed_cursor IS NULL AS is_fresh, alone, deaths FROM read
WHERE state = 'pending' AND not_before = 0 AND tenant_id = :tenant_id
  AND NOT (spec_digest = '' AND source_name IN (SELECT json_array_elements_text(CAST(:gathering AS json))))
ORDER BY operation_seq, position, partition LIMIT 1;

-- name: still_open
-- Which of these operations have not ended.
SELECT id FROM operation WHERE status IN ('not_started', 'running') AND id IN (SELECT json_array_elements_text(CAST(:ids AS json)));

-- name: first_entries
-- Of each of these operations what it was accepted with.
SELECT operation_id, source_name, partition, number, revision, state, sha256, size_bytes, rows, sealed FROM entry
WHERE operation_id IN (SELECT json_array_elements_text(CAST(:ids AS json))) AND source_name = '' AND partition = 0
ORDER BY operation_id, number, revision;

-- name: our_reads
SELECT operation_id, attempt FROM read WHERE operation_id IN (SELECT json_array_elements_text(CAST(:ids AS json)))
  AND source_name = :source_name AND partition = :partition AND owner = :owner AND state = 'leased';

-- name: reads_of
SELECT operation_id, state = 'done' AS is_done, rows, estimated_rows, size_bytes, estimated_bytes FROM read
WHERE operation_id IN (SELECT json_array_elements_text(CAST(:ids AS json)));

-- name: lease_reads
UPDATE read SET state = 'leased', owner = :owner, attempt = attempt + 1, lease_until = :lease_until
WHERE operation_id IN (SELECT json_array_elements_text(CAST(:ids AS json))) AND source_name = :source_name AND partition = :partition
RETURNING operation_id, source_name, partition, spec_digest, sealed_spec, attempt, failures, next_part, sealed_cursor, rows, files,
  size_bytes, skipped, sealed_outcome, deaths, first_death_at, last_death_at;

-- name: running_operations
SELECT id, tenant_id, subject_id, subject_kind, caller_key, storage_location, sealed_location, prefix, language, recipient, key_file, submitted_at,
  since, 0 AS attempt, NULL AS receipt_before, 0 AS deaths, 0 AS first_death_at, 0 AS last_death_at
FROM operation WHERE id IN (SELECT json_array_elements_text(CAST(:ids AS json))) AND status = 'running' AND started_at IS NOT NULL;

-- name: start_operations
UPDATE operation SET status = 'running', started_at = coalesce(started_at, :now)
WHERE id IN (SELECT json_array_elements_text(CAST(:ids AS json))) AND status IN ('not_started', 'running')
RETURNING id, tenant_id, subject_id, subject_kind, caller_key, storage_location, sealed_location, prefix, language, recipient, key_file, submitted_at,
  since, 0 AS attempt, NULL AS receipt_before, 0 AS deaths, 0 AS first_death_at, 0 AS last_death_at;

-- name: unanswered
-- What was received within a time and is not complete; of what failed, that which nobody gave up (operation.model.GIVEN_UP) and no later
-- operation of the same person takes the place of: one that was given up takes nobody's.
SELECT o.* FROM operation o
WHERE o.tenant_id = :tenant_id AND o.status IN ('not_started', 'running', 'failed') AND o.received_at BETWEEN :received_from AND :received_to
  AND (o.status <> 'failed' OR CAST(o.failure AS json) ->> 'code' NOT IN ('cancelled', 'rejected') AND NOT EXISTS (
    SELECT 1 FROM operation l WHERE l.tenant_id = o.tenant_id AND l.subject_id = o.subject_id
      AND l.submitted_at > o.submitted_at AND l.status <> 'intent'
      AND (l.status <> 'failed' OR CAST(l.failure AS json) ->> 'code' NOT IN ('cancelled', 'rejected'))))
ORDER BY o.received_at, o.id LIMIT :most;

-- name: purge_events
DELETE FROM outgoing_event
WHERE tenant_id = :tenant_id AND operation_id IN (SELECT json_array_elements_text(CAST(:ids AS json)));
