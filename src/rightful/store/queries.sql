-- Every statement of the store, by name, as both SQLite and PostgreSQL take it; those few that PostgreSQL takes in another form stand in
-- queries_postgres.sql as well. `:x` are parameters. Whole numbers everywhere, no truth values in columns; sums are cast, since PostgreSQL's
-- are of another type.

-- name: find_repeat_key
-- The operation that an equal repeat key of this caller named before; none that ended long ago, and one that failed only where asked for.
SELECT o.id, o.status, o.request_digest FROM repeat_key k JOIN operation o ON o.id = k.operation_id
WHERE k.caller_key = :caller_key AND k.repeat_key = :repeat_key AND (o.status <> 'failed' OR :even_failed)
  AND (o.status NOT IN ('complete', 'failed') OR o.completed_at >= :since);

-- name: find_open
-- The operation of the same caller, subject and container that has not ended.
SELECT id, status, request_digest FROM operation
WHERE tenant_id = :tenant_id AND caller_key = :caller_key AND subject_id = :subject_id AND subject_kind = :subject_kind
  AND container_key = :container_key
  AND status IN ('intent', 'not_started', 'running');

-- name: add_intent
INSERT INTO operation (id, tenant_id, subject_id, subject_kind, caller_key, by_application, container_key, request_digest, correlation_id,
  storage_location, sealed_location, prefix, language, recipient, key_file, status, submitted_at, received_at, actor, since)
VALUES (:id, :tenant_id, :subject_id, :subject_kind, :caller_key, :by_application, :container_key, :request_digest, :correlation_id,
  :storage_location, :sealed_location, :prefix, :language, :recipient, :key_file, 'intent', :submitted_at,
  :received_at, :actor, :since);

-- name: add_repeat_key
INSERT INTO repeat_key (caller_key, repeat_key, operation_id) VALUES (:caller_key, :repeat_key, :operation_id)
ON CONFLICT (caller_key, repeat_key) DO UPDATE SET operation_id = excluded.operation_id;

-- name: promote
UPDATE operation SET status = 'not_started', received_at = coalesce(received_at, submitted_at), open_reads = :open_reads,
  approval = CASE WHEN CAST(:waiting_for AS TEXT) IS NULL THEN NULL ELSE 'waiting' END,
  approval_digest = :digest, approval_until = :until, waiting_for = :waiting_for,
  waiting_since = CASE WHEN CAST(:waiting_for AS TEXT) IS NULL THEN NULL ELSE :now END
WHERE id = :id AND status = 'intent' RETURNING seq, tenant_id, subject_id, actor;

-- name: approve
UPDATE operation SET approval = 'given', approval_by = :by, waiting_for = NULL, waiting_since = NULL
WHERE id = :id AND tenant_id = :tenant_id AND status = 'not_started' AND approval = 'waiting' AND approval_until > :now
RETURNING tenant_id, subject_id;

-- name: reject
UPDATE operation SET status = 'failed', completed_at = :now, failure = :failure, sealed_location = NULL, waiting_for = NULL,
  waiting_since = NULL, approval = 'not_given', approval_by = :by
WHERE id = :id AND tenant_id = :tenant_id AND status = 'not_started' AND approval = 'waiting' RETURNING tenant_id, subject_id;

-- name: end_unapproved
-- Operations whose time to be approved is over.
UPDATE operation SET status = 'failed', completed_at = :now, failure = :failure, sealed_location = NULL, waiting_for = NULL,
  waiting_since = NULL, approval = 'not_given'
WHERE status = 'not_started' AND approval = 'waiting' AND approval_until <= :now RETURNING id, tenant_id, subject_id;

-- name: end_restored
-- What had not ended when a backup was made: what became of it since is not known.
UPDATE operation SET status = 'failed', completed_at = :now, failure = :failure, sealed_location = NULL, owner = NULL, lease_until = NULL,
  waiting_for = NULL, waiting_since = NULL, approval = CASE WHEN approval = 'waiting' THEN 'not_given' ELSE approval END
WHERE status IN ('not_started', 'running') RETURNING id, tenant_id, subject_id;

-- name: bound
SELECT id, tenant_id, subject_id, subject_kind, container_key, approval_digest FROM operation
WHERE approval IN ('waiting', 'given') AND status IN ('not_started', 'running') ORDER BY seq;

-- name: relocate
UPDATE operation SET sealed_location = :sealed_location
WHERE id = :id AND tenant_id = :tenant_id AND status = 'not_started' AND approval = 'waiting' RETURNING tenant_id, subject_id;

-- name: extend
UPDATE operation SET extension = :extension
WHERE id = :id AND tenant_id = :tenant_id AND extension IS NULL AND status IN ('not_started', 'running', 'failed')
RETURNING tenant_id, subject_id;

-- name: unanswered
-- What was received within a time and is not complete; of what failed, that which nobody gave up (operation.model.GIVEN_UP) and no later
-- operation of the same person takes the place of: one that was given up takes nobody's.
SELECT o.* FROM operation o
WHERE o.tenant_id = :tenant_id AND o.status IN ('not_started', 'running', 'failed') AND o.received_at BETWEEN :received_from AND :received_to
  AND (o.status <> 'failed' OR json_extract(o.failure, '$.code') NOT IN ('cancelled', 'rejected') AND NOT EXISTS (
    SELECT 1 FROM operation l WHERE l.tenant_id = o.tenant_id AND l.subject_id = o.subject_id
      AND l.submitted_at > o.submitted_at AND l.status <> 'intent'
      AND (l.status <> 'failed' OR json_extract(l.failure, '$.code') NOT IN ('cancelled', 'rejected'))))
ORDER BY o.received_at, o.id LIMIT :most;

-- name: drop_repeat_keys
DELETE FROM repeat_key WHERE operation_id = (SELECT id FROM operation WHERE id = :id AND status = 'intent');

-- name: drop_intent
DELETE FROM operation WHERE id = :id AND status = 'intent';

-- name: intents
SELECT id, tenant_id, subject_id, subject_kind, caller_key, by_application, container_key, request_digest, correlation_id,
  storage_location, sealed_location, prefix, language, recipient, key_file, submitted_at, received_at, actor, since
FROM operation WHERE status = 'intent' ORDER BY seq;

-- name: count_open
SELECT number FROM open_operations WHERE tenant_id = :tenant_id;

-- name: backlog
SELECT 'open' AS what, tenant_id, number FROM open_operations
UNION ALL
SELECT 'not_started', '', count(*) FROM operation WHERE status = 'not_started'
UNION ALL
SELECT 'pending', '', count(*) FROM read WHERE state = 'pending' AND not_before = 0
UNION ALL
SELECT 'waiting', '', count(*) FROM read WHERE state = 'pending' AND not_before > 0
UNION ALL
SELECT 'leased', '', count(*) FROM read WHERE state = 'leased'
UNION ALL
SELECT 'recorded', tenant_id, (SELECT max(seq) FROM audit WHERE audit.tenant_id = chain.tenant_id) FROM (
  -- From each tenant to the next: grouping would read the whole trail.
  WITH RECURSIVE next (tenant_id) AS (
    SELECT min(tenant_id) FROM audit
    UNION ALL
    SELECT (SELECT min(tenant_id) FROM audit WHERE audit.tenant_id > next.tenant_id) FROM next WHERE next.tenant_id IS NOT NULL
  )
  SELECT tenant_id FROM next WHERE tenant_id IS NOT NULL
) AS chain;

-- name: add_read
INSERT INTO read (operation_id, source_name, partition, position, operation_seq, tenant_id, spec_digest, sealed_spec, estimated_rows,
  estimated_bytes)
VALUES (:operation_id, :source_name, :partition, :position, :operation_seq, :tenant_id, :spec_digest, :sealed_spec, :estimated_rows,
  :estimated_bytes)
ON CONFLICT DO NOTHING;

-- name: get_operation
SELECT * FROM operation WHERE id = :id AND tenant_id = :tenant_id AND status <> 'intent';

-- name: still_open
-- Which of these operations have not ended.
SELECT id FROM operation WHERE status IN ('not_started', 'running') AND id IN (SELECT value FROM json_each(:ids));

-- name: whose_operation
SELECT tenant_id, subject_id FROM operation WHERE id = :id;

-- name: first_waiting
-- Acceptance number of the oldest operation that has not begun, and may.
SELECT min(seq) AS seq FROM operation WHERE status = 'not_started' AND approval IS DISTINCT FROM 'waiting';

-- name: sources_of
-- Progress by source, in the configuration's order.
SELECT source_name, count(CASE WHEN state <> 'done' THEN 1 END) AS open, count(CASE WHEN state = 'held' AND failures > 0 THEN 1 END) AS failed,
  count(CASE WHEN state = 'held' THEN 1 END) AS held, CAST(sum(attempt) AS BIGINT) AS attempts,
  CAST(sum(rows) AS BIGINT) AS rows, CAST(sum(files) AS BIGINT) AS files, CAST(sum(size_bytes) AS BIGINT) AS size_bytes,
  CAST(sum(skipped) AS BIGINT) AS skipped, sum(earlier_s + duration_s) AS duration_s
FROM read WHERE operation_id = :operation_id GROUP BY source_name ORDER BY min(position);

-- name: due
-- Which of the statements before a claim have anything to do, and whether there is anything to be claimed. Read without a transaction that
-- writes: who looks and finds nothing, as most do, costs next to nothing.
SELECT
  EXISTS (SELECT 1 FROM read WHERE state = 'leased' AND lease_until <= :now) AS free_expired_reads,
  EXISTS (SELECT 1 FROM operation WHERE owner IS NOT NULL AND lease_until <= :now) AS free_expired_operations,
  EXISTS (SELECT 1 FROM read WHERE state = 'pending' AND not_before > 0 AND not_before <= :now) AS wake_reads,
  EXISTS (SELECT 1 FROM operation WHERE not_before > 0 AND not_before <= :now) AS wake_operations,
  EXISTS (SELECT 1 FROM operation WHERE status = 'not_started' AND approval = 'waiting' AND approval_until <= :now) AS end_unapproved,
  EXISTS (SELECT 1 FROM operation WHERE status = 'running' AND open_reads = 0 AND owner IS NULL AND not_before = 0)
    OR EXISTS (SELECT 1 FROM read WHERE state = 'pending' AND not_before = 0) AS claim;

-- name: free_expired_reads
UPDATE read SET state = 'pending', owner = NULL, lease_until = NULL, earlier_s = earlier_s + duration_s, duration_s = 0
WHERE state = 'leased' AND lease_until <= :now;

-- name: free_expired_operations
UPDATE operation SET owner = NULL, lease_until = NULL WHERE owner IS NOT NULL AND lease_until <= :now;

-- name: wake_reads
-- Reads whose wait is over.
UPDATE read SET not_before = 0 WHERE state = 'pending' AND not_before > 0 AND not_before <= :now;

-- name: wake_operations
UPDATE operation SET not_before = 0 WHERE not_before > 0 AND not_before <= :now;

-- name: move_waits_of_reads
-- The clock was set back by so many microseconds. 1: over.
UPDATE read SET not_before = CASE WHEN not_before > :by THEN not_before - :by ELSE 1 END WHERE state = 'pending' AND not_before > 0;

-- name: move_waits_of_operations
UPDATE operation SET not_before = CASE WHEN not_before > :by THEN not_before - :by ELSE 1 END WHERE not_before > 0;

-- name: next_tenant_to_finish
SELECT min(tenant_id) AS tenant_id FROM operation
WHERE status = 'running' AND open_reads = 0 AND owner IS NULL AND not_before = 0 AND tenant_id > :tenant_id;

-- name: finishable
SELECT id, deaths FROM operation
WHERE status = 'running' AND open_reads = 0 AND owner IS NULL AND not_before = 0 AND tenant_id = :tenant_id ORDER BY seq LIMIT :most;

-- name: lease_operation
-- Which receipt came before is settled once: whoever begins the end of the package again writes the same. Of an operation that was purged
-- it is kept by itself.
UPDATE operation SET owner = :owner, attempt = attempt + 1, lease_until = :lease_until, receipt_before = coalesce(receipt_before, (
  SELECT json_object('operationId', b.id, 'receiptSha256', b.receipt_sha256) FROM (
    SELECT o.id, json_extract(o.package, '$.receipt_sha256') AS receipt_sha256, o.completed_at, o.seq FROM operation o
    WHERE o.tenant_id = operation.tenant_id AND o.subject_id = operation.subject_id AND o.status = 'complete'
    UNION ALL
    SELECT r.operation_id, r.receipt_sha256, r.completed_at, r.operation_seq FROM receipt r
    WHERE r.tenant_id = operation.tenant_id AND r.subject_id = operation.subject_id
  ) AS b WHERE b.receipt_sha256 <> '' ORDER BY b.completed_at DESC, b.seq DESC LIMIT 1), '')
WHERE id = :id
RETURNING id, tenant_id, subject_id, subject_kind, caller_key, storage_location, sealed_location, prefix, language, recipient, key_file, submitted_at,
  attempt, since, receipt_before, deaths, first_death_at, last_death_at;

-- name: next_tenant
SELECT min(tenant_id) AS tenant_id FROM read WHERE state = 'pending' AND not_before = 0 AND tenant_id > :tenant_id;

-- name: first_pending
-- The oldest read of a tenant, but for scans that are not planned and still gather. `alone` is the group that it is claimed with; 0: any.
SELECT operation_id, source_name, partition, spec_digest, sealed_cursor IS NULL AS is_fresh, alone, deaths FROM read
WHERE state = 'pending' AND not_before = 0 AND tenant_id = :tenant_id
  AND NOT (spec_digest = '' AND source_name IN (SELECT value FROM json_each(:gathering))) ORDER BY operation_seq, position, partition LIMIT 1;

-- name: waiting_for_scan
-- Since when the oldest waits whose scan of a source is not planned yet, and whether that source is being read.
SELECT (SELECT operation.submitted_at FROM read JOIN operation ON operation.id = read.operation_id
        WHERE read.state = 'pending' AND read.not_before = 0 AND read.tenant_id = :tenant_id AND read.source_name = :source_name
          AND read.partition = 0 AND read.spec_digest = '' ORDER BY read.operation_seq LIMIT 1) AS since,
  EXISTS (SELECT 1 FROM read WHERE state = 'leased' AND tenant_id = :tenant_id AND source_name = :source_name) AS is_being_read;

-- name: same_scan
-- Fresh reads of one scan key, oldest first; those that may be what kills the service are claimed apart from others.
SELECT operation_id FROM read
WHERE state = 'pending' AND not_before = 0 AND tenant_id = :tenant_id AND source_name = :source_name AND partition = :partition
  AND spec_digest = :spec_digest AND sealed_cursor IS NULL AND alone = :alone
  AND CASE WHEN deaths >= :suspected THEN 1 ELSE 0 END = :is_suspected ORDER BY operation_seq LIMIT :most;

-- name: lease_reads
UPDATE read SET state = 'leased', owner = :owner, attempt = attempt + 1, lease_until = :lease_until
WHERE operation_id IN (SELECT value FROM json_each(:ids)) AND source_name = :source_name AND partition = :partition
RETURNING operation_id, source_name, partition, spec_digest, sealed_spec, attempt, failures, next_part, sealed_cursor, rows, files,
  size_bytes, skipped, sealed_outcome, deaths, first_death_at, last_death_at;

-- name: running_operations
-- Looked for first: to set a status anew, though to the same, writes every index that depends on it.
SELECT id, tenant_id, subject_id, subject_kind, caller_key, storage_location, sealed_location, prefix, language, recipient, key_file, submitted_at,
  since, 0 AS attempt, NULL AS receipt_before, 0 AS deaths, 0 AS first_death_at, 0 AS last_death_at
FROM operation WHERE id IN (SELECT value FROM json_each(:ids)) AND status = 'running' AND started_at IS NOT NULL;

-- name: start_operations
UPDATE operation SET status = 'running', started_at = coalesce(started_at, :now)
WHERE id IN (SELECT value FROM json_each(:ids)) AND status IN ('not_started', 'running')
RETURNING id, tenant_id, subject_id, subject_kind, caller_key, storage_location, sealed_location, prefix, language, recipient, key_file, submitted_at,
  since, 0 AS attempt, NULL AS receipt_before, 0 AS deaths, 0 AS first_death_at, 0 AS last_death_at;

-- name: working_on
-- What work on an operation knows of it, for who is about to cancel it.
SELECT id, tenant_id, subject_id, subject_kind, caller_key, storage_location, sealed_location, prefix, language, recipient, key_file, submitted_at,
  since, 0 AS attempt, NULL AS receipt_before, 0 AS deaths, 0 AS first_death_at, 0 AS last_death_at FROM operation WHERE id = :id AND status IN ('not_started', 'running');

-- name: begin_removal
UPDATE operation SET removal = :removal WHERE id = :id AND status = 'failed';

-- name: forget_entry
DELETE FROM entry WHERE operation_id = :operation_id AND source_name = :source_name AND partition = :partition AND number = :number
  AND revision = :revision;

-- name: left_of
-- What may lie in the storage location of an operation that has failed, beside RequestInfo.json.
SELECT count(*) AS entries, coalesce(sum(size_bytes), 0) AS size_bytes FROM entry
WHERE operation_id = :operation_id AND state IN ('staged', 'done', 'superseded') AND NOT (source_name = '' AND number = 0);

-- name: extend_reads
UPDATE read SET lease_until = :lease_until WHERE owner = :owner AND state = 'leased';

-- name: extend_operations
UPDATE operation SET lease_until = :lease_until WHERE owner = :owner;

-- name: count_held
-- Of how much a service may have died.
SELECT (SELECT count(*) FROM read WHERE state = 'leased' AND (CAST(:owner AS TEXT) IS NULL OR owner = :owner))
  + (SELECT count(*) FROM operation WHERE owner IS NOT NULL AND (CAST(:owner AS TEXT) IS NULL OR owner = :owner)) AS held;

-- name: count_deaths_alone_of_reads
-- The service died with this suspect, and with nothing else. It lived until the lease was last extended, perhaps no longer; its death is
-- noted when it is started again, which may be much later.
UPDATE read SET deaths = deaths + 1, first_death_at = CASE WHEN deaths = :suspected THEN :now ELSE first_death_at END,
  last_death_at = CASE WHEN lease_until < :now THEN lease_until ELSE :now END,
  not_before = :now + 1000000 * CASE WHEN deaths - :suspected > 9 THEN :longest_s ELSE 1 << CAST(deaths - :suspected AS INTEGER) END
WHERE state = 'leased' AND (CAST(:owner AS TEXT) IS NULL OR owner = :owner) AND deaths >= :suspected;

-- name: count_deaths_alone_of_operations
UPDATE operation SET deaths = deaths + 1, first_death_at = CASE WHEN deaths = :suspected THEN :now ELSE first_death_at END,
  last_death_at = CASE WHEN lease_until < :now THEN lease_until ELSE :now END,
  not_before = :now + 1000000 * CASE WHEN deaths - :suspected > 9 THEN :longest_s ELSE 1 << CAST(deaths - :suspected AS INTEGER) END
WHERE owner IS NOT NULL AND (CAST(:owner AS TEXT) IS NULL OR owner = :owner) AND deaths >= :suspected;

-- name: suspect_reads
UPDATE read SET deaths = deaths + 1 WHERE state = 'leased' AND (CAST(:owner AS TEXT) IS NULL OR owner = :owner) AND deaths < :suspected;

-- name: suspect_operations
UPDATE operation SET deaths = deaths + 1 WHERE owner IS NOT NULL AND (CAST(:owner AS TEXT) IS NULL OR owner = :owner) AND deaths < :suspected;

-- name: release_reads
UPDATE read SET state = 'pending', owner = NULL, lease_until = NULL, earlier_s = earlier_s + duration_s, duration_s = 0
WHERE state = 'leased' AND (CAST(:owner AS TEXT) IS NULL OR owner = :owner);

-- name: release_operations
UPDATE operation SET owner = NULL, lease_until = NULL WHERE owner IS NOT NULL AND (CAST(:owner AS TEXT) IS NULL OR owner = :owner);

-- name: pace_anew
-- After a stop: the time that nothing ran says nothing of the pace.
UPDATE operation SET started_at = :now, progress_from = progress, progress_from_at = :now, progress_at = NULL WHERE status = 'running';

-- name: is_our_finishing
SELECT 1 FROM operation WHERE id = :id AND owner = :owner AND attempt = :attempt AND status = 'running';

-- name: our_reads
SELECT operation_id, attempt FROM read WHERE operation_id IN (SELECT value FROM json_each(:ids))
  AND source_name = :source_name AND partition = :partition AND owner = :owner AND state = 'leased';

-- name: set_plan
-- What the subject itself has, where that is known already, counts more than what one has on average; it is shared out once.
UPDATE read SET spec_digest = :spec_digest, sealed_spec = :sealed_spec,
  estimated_rows = CASE WHEN own_estimate = 1 THEN estimated_rows / (CASE WHEN spec_digest = '' THEN :partitions ELSE 1 END) ELSE :estimated_rows END,
  estimated_bytes = CASE WHEN own_estimate = 1 THEN estimated_bytes / (CASE WHEN spec_digest = '' THEN :partitions ELSE 1 END) ELSE :estimated_bytes END
WHERE operation_id = :operation_id AND source_name = :source_name AND partition = 0 AND owner = :owner AND attempt = :attempt
RETURNING position, operation_seq, tenant_id, estimated_rows, estimated_bytes, own_estimate;

-- name: estimate_reads
-- What a subject has in a source, shared out over its partitions.
UPDATE read SET own_estimate = 1,
  estimated_rows = :rows / (SELECT count(*) FROM read r WHERE r.operation_id = :operation_id AND r.source_name = :source_name),
  estimated_bytes = :bytes / (SELECT count(*) FROM read r WHERE r.operation_id = :operation_id AND r.source_name = :source_name)
WHERE operation_id = :operation_id AND source_name = :source_name AND state <> 'done';

-- name: count_reads
UPDATE operation SET open_reads = open_reads + :more WHERE id = :id;

-- name: put_entry
INSERT INTO entry (operation_id, source_name, partition, number, revision, state, sha256, size_bytes, rows, sealed)
VALUES (:operation_id, :source_name, :partition, :number, :revision, :state, :sha256, :size_bytes, :rows, :sealed)
ON CONFLICT (operation_id, source_name, partition, number, revision) DO UPDATE SET state = excluded.state, sha256 = excluded.sha256,
  size_bytes = excluded.size_bytes, rows = excluded.rows, sealed = excluded.sealed;

-- name: count_entries
-- Entries that were staged as they count now; their numbers follow one another.
UPDATE entry SET state = 'done' WHERE operation_id = :operation_id AND source_name = :source_name AND partition = :partition
  AND number BETWEEN :first AND :last AND revision = 0;

-- name: entries
SELECT operation_id, source_name, partition, number, revision, state, sha256, size_bytes, rows, sealed FROM entry
WHERE operation_id = :operation_id AND (CAST(:source_name AS TEXT) IS NULL OR source_name = :source_name)
  AND (CAST(:partition AS BIGINT) IS NULL OR partition = :partition)
ORDER BY source_name, partition, number, revision;

-- name: first_entries
-- Of each of these operations what it was accepted with.
SELECT operation_id, source_name, partition, number, revision, state, sha256, size_bytes, rows, sealed FROM entry
WHERE operation_id IN (SELECT value FROM json_each(:ids)) AND source_name = '' AND partition = 0
ORDER BY operation_id, number, revision;

-- name: checkpoint
UPDATE read SET next_part = :next_part, sealed_cursor = :sealed_cursor,
  rows = CASE WHEN :is_done OR :rows > rows THEN :rows ELSE rows END, files = CASE WHEN :is_done OR :files > files THEN :files ELSE files END,
  size_bytes = CASE WHEN :is_done OR :size_bytes > size_bytes THEN :size_bytes ELSE size_bytes END,
  skipped = CASE WHEN :is_done OR :skipped > skipped THEN :skipped ELSE skipped END, duration_s = :duration_s,
  sealed_outcome = coalesce(:sealed_outcome, sealed_outcome),
  failures = CASE WHEN :is_ahead OR :is_done THEN 0 ELSE failures END, deaths = CASE WHEN :is_ahead OR :is_done THEN 0 ELSE deaths END,
  state = CASE WHEN :is_done THEN 'done' ELSE state END, owner = CASE WHEN :is_done THEN NULL ELSE owner END
WHERE operation_id = :operation_id AND source_name = :source_name AND partition = :partition
  AND owner = :owner AND attempt = :attempt AND state = 'leased';

-- name: reads_of
SELECT operation_id, state = 'done' AS is_done, rows, estimated_rows, size_bytes, estimated_bytes FROM read
WHERE operation_id IN (SELECT value FROM json_each(:ids));

-- name: advance
UPDATE operation SET progress_at = CASE WHEN :progress > progress THEN :now ELSE progress_at END,
  progress_from = CASE WHEN coalesce(progress_from, 0) = 0 AND :progress > 0 THEN :progress ELSE progress_from END,
  progress_from_at = CASE WHEN coalesce(progress_from, 0) = 0 AND :progress > 0 THEN :now ELSE progress_from_at END,
  progress = CASE WHEN :progress > progress THEN :progress ELSE progress END, open_reads = open_reads - :done,
  waiting_for = CASE WHEN :was_put THEN NULL ELSE waiting_for END, waiting_since = CASE WHEN :was_put THEN NULL ELSE waiting_since END
WHERE id = :id;

-- name: retry_read
UPDATE read SET state = 'pending', owner = NULL, lease_until = NULL, not_before = :at, failures = failures + :failed,
  given_back = given_back + :unread, deaths = CASE WHEN :unread <> 0 THEN deaths ELSE 0 END,
  alone = CASE WHEN :group <> 0 THEN :group ELSE alone END, earlier_s = earlier_s + duration_s, duration_s = 0
WHERE operation_id = :operation_id AND source_name = :source_name AND partition = :partition AND owner = :owner AND attempt = :attempt
  AND state = 'leased';

-- name: wait_for
UPDATE operation SET waiting_for = :waiting_for, waiting_since = coalesce(waiting_since, :now) WHERE id = :id AND status = 'running'
RETURNING tenant_id, waiting_since;

-- name: waiting_since
SELECT waiting_since FROM operation WHERE id = :id;

-- name: outcomes
SELECT source_name, partition, state = 'done' AS is_done, rows, files, size_bytes, skipped, attempt - given_back AS attempts,
  earlier_s + duration_s AS duration_s, sealed_outcome
FROM read WHERE operation_id = :operation_id ORDER BY position, partition;

-- name: retry_finish
UPDATE operation SET owner = NULL, lease_until = NULL, not_before = :at, deaths = CASE WHEN :has_failed <> 0 THEN 0 ELSE deaths END
WHERE id = :id AND owner = :owner AND attempt = :attempt;

-- name: complete
UPDATE operation SET status = 'complete', completed_at = :at, progress = 100, package = :package, sealed_location = NULL, owner = NULL,
  sealed_fingerprints = :sealed_fingerprints, lease_until = NULL, waiting_for = NULL, waiting_since = NULL
WHERE id = :id AND owner = :owner AND attempt = :attempt AND status = 'running';

-- name: forget_entries
DELETE FROM entry WHERE operation_id = :operation_id;

-- name: forget_reads
UPDATE read SET sealed_spec = :nothing, sealed_outcome = NULL, sealed_cursor = NULL WHERE operation_id = :operation_id;

-- name: fail
UPDATE operation SET status = 'failed', completed_at = :at, failure = :failure, sealed_location = NULL, owner = NULL, lease_until = NULL,
  waiting_for = NULL, waiting_since = NULL, approval = CASE WHEN approval = 'waiting' THEN 'not_given' ELSE approval END
WHERE id = :id AND status IN ('not_started', 'running') RETURNING tenant_id, subject_id;

-- name: hold_reads
UPDATE read SET state = 'held', owner = NULL, lease_until = NULL, failures = CASE WHEN source_name = :source_name THEN 1 ELSE 0 END,
  earlier_s = earlier_s + duration_s, duration_s = 0
WHERE operation_id = :operation_id AND state <> 'done';

-- name: resume_operation
UPDATE operation SET status = 'running', completed_at = NULL, failure = NULL, sealed_location = :sealed_location, waiting_for = NULL,
  waiting_since = NULL, not_before = 0, deaths = 0, started_at = :now, progress_from = progress, progress_from_at = :now, progress_at = NULL
WHERE id = :id AND tenant_id = :tenant_id AND (status = 'failed' OR (status = 'running' AND waiting_for IS NOT NULL))
  AND approval IS DISTINCT FROM 'not_given' AND removal = 0 RETURNING tenant_id, subject_id;

-- name: resume_reads
UPDATE read SET state = CASE WHEN state = 'held' THEN 'pending' ELSE state END, failures = 0, deaths = 0, not_before = 0, alone = 0
WHERE operation_id = :operation_id AND state IN ('held', 'pending');

-- name: append_audit
INSERT INTO audit (tenant_id, seq, record, hash) VALUES (:tenant_id, :seq, :record, :hash);

-- name: audit_head
SELECT seq, hash FROM audit WHERE tenant_id = :tenant_id ORDER BY seq DESC LIMIT 1;

-- name: audit_page
SELECT seq, record, hash FROM audit WHERE tenant_id = :tenant_id AND seq > :after_seq ORDER BY seq LIMIT :limit;

-- name: add_checkpoint
INSERT INTO audit_checkpoint (tenant_id, seq, checkpoint) VALUES (:tenant_id, :seq, :checkpoint) ON CONFLICT DO NOTHING;

-- name: last_checkpoint
SELECT checkpoint FROM audit_checkpoint WHERE tenant_id = :tenant_id ORDER BY seq DESC LIMIT 1;

-- name: checkpoints
SELECT checkpoint FROM audit_checkpoint WHERE tenant_id = :tenant_id ORDER BY seq;

-- name: next_audit_tenant
SELECT min(tenant_id) AS tenant_id FROM audit WHERE CAST(:after AS TEXT) IS NULL OR tenant_id > :after;

-- name: next_audit_checkpoint_tenant
SELECT min(tenant_id) AS tenant_id FROM audit_checkpoint WHERE CAST(:after AS TEXT) IS NULL OR tenant_id > :after;

-- name: fingerprints
SELECT sealed_fingerprints FROM operation WHERE id = :id AND tenant_id = :tenant_id AND status = 'complete';

-- name: forget_old_fingerprints
-- Of what ended before a time; what an operation is being compared with stays until that has ended.
UPDATE operation SET sealed_fingerprints = NULL
WHERE sealed_fingerprints IS NOT NULL AND tenant_id = :tenant_id AND completed_at < :before
  AND NOT EXISTS (SELECT 1 FROM operation later WHERE later.since = operation.id AND later.status IN ('intent', 'not_started', 'running'));

-- name: forget_fingerprints
UPDATE operation SET sealed_fingerprints = NULL WHERE id = :id AND tenant_id = :tenant_id AND sealed_fingerprints IS NOT NULL
RETURNING tenant_id, subject_id;

-- name: compared_with
SELECT id FROM operation WHERE since = :id AND status IN ('intent', 'not_started', 'running') LIMIT 1;

-- name: fingerprint_use
SELECT tenant_id, status, completed_at, sealed_fingerprints IS NOT NULL AS is_kept FROM operation WHERE id = :id;

-- name: sealed_operations
SELECT seq, id AS operation_id, tenant_id, sealed_location, sealed_fingerprints FROM operation
WHERE seq > :after_seq AND (sealed_location IS NOT NULL OR sealed_fingerprints IS NOT NULL) ORDER BY seq LIMIT :most;

-- name: reseal_operation
UPDATE operation SET sealed_location = :sealed_location, sealed_fingerprints = :sealed_fingerprints WHERE id = :operation_id;

-- name: sealed_reads
SELECT operation_id, tenant_id, source_name, partition, sealed_spec, sealed_cursor, sealed_outcome FROM read
WHERE (operation_id, source_name, partition) > (:after_operation_id, :after_source_name, :after_partition)
  AND (length(sealed_spec) > 0 OR sealed_cursor IS NOT NULL OR sealed_outcome IS NOT NULL)
ORDER BY operation_id, source_name, partition LIMIT :most;

-- name: reseal_read
UPDATE read SET sealed_spec = :sealed_spec, sealed_cursor = :sealed_cursor, sealed_outcome = :sealed_outcome
WHERE operation_id = :operation_id AND source_name = :source_name AND partition = :partition;

-- name: sealed_entries
SELECT operation_id, (SELECT tenant_id FROM operation WHERE id = entry.operation_id) AS tenant_id, source_name, partition, number, revision, sealed
FROM entry WHERE (operation_id, source_name, partition, number, revision)
  > (:after_operation_id, :after_source_name, :after_partition, :after_number, :after_revision)
ORDER BY operation_id, source_name, partition, number, revision LIMIT :most;

-- name: reseal_entry
UPDATE entry SET sealed = :sealed WHERE operation_id = :operation_id AND source_name = :source_name AND partition = :partition
  AND number = :number AND revision = :revision;

-- name: add_event
INSERT INTO outgoing_event (event_id, endpoint, tenant_id, operation_id, kind, code, happened_at)
VALUES (:event_id, :endpoint, :tenant_id, :operation_id, :kind, :code, :happened_at);

-- name: outgoing_events
SELECT * FROM outgoing_event WHERE endpoint = :endpoint AND tenant_id = :tenant_id AND not_before <= :now
ORDER BY not_before, seq LIMIT :most;

-- name: forget_event
-- Its id too: a number may be given again, and who was not told that it is forgotten asks once more.
DELETE FROM outgoing_event WHERE seq = :seq AND event_id = :event_id;

-- name: put_off_event
UPDATE outgoing_event SET attempts = attempts + 1, not_before = :at
WHERE seq = :seq AND event_id = :event_id AND attempts = :attempts;

-- name: event_endpoints
SELECT DISTINCT endpoint FROM outgoing_event;

-- name: forget_endpoint
DELETE FROM outgoing_event WHERE endpoint = :endpoint;

-- name: purge_candidates
-- Operations that ended before a time, the earliest first; none that an open one is compared with, and of those that failed none that was
-- received since another time: it may have to be answered still.
SELECT id, seq, subject_id, status, completed_at, package FROM operation
WHERE tenant_id = :tenant_id AND status <> 'intent' AND completed_key > 0 AND completed_key < :before AND status IN ('complete', 'failed')
  AND (status = 'complete' OR received_at < :received_before)
  AND NOT EXISTS (SELECT 1 FROM operation later WHERE later.since = operation.id AND later.status IN ('intent', 'not_started', 'running'))
ORDER BY completed_key, submitted_at, id LIMIT :most;

-- name: purgeable_operations
-- How many purge_candidates there are.
SELECT count(*) AS number, min(completed_at) AS oldest, max(completed_at) AS newest FROM operation
WHERE tenant_id = :tenant_id AND status <> 'intent' AND completed_key > 0 AND completed_key < :before AND status IN ('complete', 'failed')
  AND (status = 'complete' OR received_at < :received_before)
  AND NOT EXISTS (SELECT 1 FROM operation later WHERE later.since = operation.id AND later.status IN ('intent', 'not_started', 'running'));

-- name: keep_receipt
INSERT INTO receipt (tenant_id, operation_id, subject_id, receipt_sha256, completed_at, operation_seq)
VALUES (:tenant_id, :operation_id, :subject_id, :receipt_sha256, :completed_at, :operation_seq) ON CONFLICT DO NOTHING;

-- name: purge_entries
DELETE FROM entry WHERE (operation_id, source_name, partition, number, revision) IN (
  SELECT operation_id, source_name, partition, number, revision FROM entry WHERE operation_id = :operation_id LIMIT :most);

-- name: purge_reads
DELETE FROM read WHERE operation_id = :operation_id;

-- name: purge_repeat_keys
DELETE FROM repeat_key WHERE operation_id = :operation_id;

-- name: purge_events
-- Of several operations at once: there is no index by operation, and seldom much that nobody has taken.
DELETE FROM outgoing_event WHERE tenant_id = :tenant_id AND operation_id IN (SELECT value FROM json_each(:ids));

-- name: purge_operation
DELETE FROM operation WHERE id = :operation_id;

-- name: purge_receipts
DELETE FROM receipt WHERE (tenant_id, operation_id) IN (
  SELECT tenant_id, operation_id FROM receipt WHERE tenant_id = :tenant_id AND completed_at < :before ORDER BY completed_at LIMIT :most);

-- name: purgeable_receipts
SELECT count(*) AS number, min(completed_at) AS oldest, max(completed_at) AS newest FROM receipt
WHERE tenant_id = :tenant_id AND completed_at < :before;

-- name: retention
SELECT purged_at, start_seq, start FROM retention WHERE tenant_id = :tenant_id;

-- name: put_start
-- A start never goes back.
INSERT INTO retention (tenant_id, start_seq, start) VALUES (:tenant_id, :seq, :start)
ON CONFLICT (tenant_id) DO UPDATE SET start_seq = excluded.start_seq, start = excluded.start WHERE retention.start_seq < excluded.start_seq;

-- name: put_purged
-- The latest moment that is known, where the clock went back since.
INSERT INTO retention (tenant_id, purged_at) VALUES (:tenant_id, :at) ON CONFLICT (tenant_id) DO UPDATE
SET purged_at = CASE WHEN retention.purged_at > excluded.purged_at THEN retention.purged_at ELSE excluded.purged_at END;

-- name: purge_records
DELETE FROM audit WHERE tenant_id = :tenant_id AND seq IN (
  SELECT seq FROM audit WHERE tenant_id = :tenant_id AND seq <= :up_to ORDER BY seq LIMIT :most);

-- name: purge_checkpoints
DELETE FROM audit_checkpoint WHERE tenant_id = :tenant_id AND seq IN (
  SELECT seq FROM audit_checkpoint WHERE tenant_id = :tenant_id AND seq <= :up_to ORDER BY seq LIMIT :most);
