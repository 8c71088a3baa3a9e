-- Times are whole microseconds since 1970-01-01 UTC. JSON columns hold msgspec values. What is personal or secret comes sealed.

CREATE TABLE operation (
  seq INTEGER PRIMARY KEY,                 -- order of acceptance
  id TEXT NOT NULL UNIQUE,
  tenant_id TEXT NOT NULL,
  subject_id TEXT NOT NULL,
  subject_kind TEXT NOT NULL,
  caller_key TEXT NOT NULL,
  container_key TEXT NOT NULL,
  request_digest TEXT NOT NULL,
  correlation_id TEXT NOT NULL,
  storage_location TEXT NOT NULL,          -- without its query string
  sealed_location BLOB,                    -- erased when the operation ends
  prefix TEXT NOT NULL,
  status TEXT NOT NULL,                    -- 'intent', then operation.status
  submitted_at INTEGER NOT NULL,
  started_at INTEGER,
  completed_at INTEGER,
  progress REAL NOT NULL DEFAULT 0,
  failure TEXT,
  waiting_for TEXT,
  waiting_since INTEGER,
  package TEXT,
  open_reads INTEGER NOT NULL DEFAULT 0,   -- reads that are not done
  owner TEXT,                              -- who is finishing it
  attempt INTEGER NOT NULL DEFAULT 0,
  lease_until INTEGER,
  not_before INTEGER NOT NULL DEFAULT 0    -- 0 for what may be tried now
);
CREATE UNIQUE INDEX operation_once ON operation (tenant_id, caller_key, subject_id, subject_kind, container_key)
  WHERE status IN ('intent', 'not_started', 'running');
CREATE INDEX operation_listed ON operation (tenant_id, submitted_at, id) WHERE status <> 'intent';
CREATE INDEX operation_of_subject ON operation (tenant_id, subject_id, submitted_at, id) WHERE status <> 'intent';
CREATE INDEX operation_waiting ON operation (status, seq) WHERE status IN ('intent', 'not_started');
-- What waits for a later try is out of the indexes that claims look into: a claim takes as long with a hundred thousand waiting as with none.
CREATE INDEX operation_finishable ON operation (tenant_id, seq)
  WHERE status = 'running' AND open_reads = 0 AND owner IS NULL AND not_before = 0;
CREATE INDEX operation_retried ON operation (not_before) WHERE not_before > 0;
CREATE INDEX operation_leased ON operation (lease_until) WHERE owner IS NOT NULL;

CREATE TABLE repeat_key (
  caller_key TEXT NOT NULL,
  repeat_key TEXT NOT NULL,
  operation_id TEXT NOT NULL,
  PRIMARY KEY (caller_key, repeat_key)
) WITHOUT ROWID;
CREATE INDEX repeat_key_of_operation ON repeat_key (operation_id);

CREATE TABLE read (
  operation_id TEXT NOT NULL REFERENCES operation (id),
  source_name TEXT NOT NULL,
  partition INTEGER NOT NULL,
  position INTEGER NOT NULL,               -- of the source in the configuration
  operation_seq INTEGER NOT NULL,
  tenant_id TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'pending',   -- pending, leased, done, held (its operation has failed)
  spec_digest TEXT NOT NULL DEFAULT '',    -- keyed; reads of one scan have the same
  sealed_spec BLOB NOT NULL DEFAULT x'',
  owner TEXT,
  attempt INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  lease_until INTEGER,
  not_before INTEGER NOT NULL DEFAULT 0,
  alone INTEGER NOT NULL DEFAULT 0,        -- is claimed without others
  next_part INTEGER NOT NULL DEFAULT 0,
  sealed_cursor BLOB,
  rows INTEGER NOT NULL DEFAULT 0,
  files INTEGER NOT NULL DEFAULT 0,
  size_bytes INTEGER NOT NULL DEFAULT 0,
  skipped INTEGER NOT NULL DEFAULT 0,
  estimated_rows INTEGER,
  estimated_bytes INTEGER,
  earlier_s REAL NOT NULL DEFAULT 0,       -- what earlier attempts took
  duration_s REAL NOT NULL DEFAULT 0,      -- what this attempt has taken
  sealed_outcome BLOB,
  PRIMARY KEY (operation_id, source_name, partition)
) WITHOUT ROWID;
CREATE INDEX read_pending ON read (tenant_id, operation_seq, position, partition) WHERE state = 'pending' AND not_before = 0;
CREATE INDEX read_scan ON read (tenant_id, source_name, partition, operation_seq) WHERE state = 'pending' AND not_before = 0;
CREATE INDEX read_waiting ON read (not_before) WHERE state = 'pending' AND not_before > 0;
CREATE INDEX read_leased ON read (lease_until) WHERE state = 'leased';

CREATE TABLE entry (
  operation_id TEXT NOT NULL REFERENCES operation (id),
  source_name TEXT NOT NULL,
  partition INTEGER NOT NULL,
  number INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  state TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  sealed BLOB NOT NULL,
  PRIMARY KEY (operation_id, source_name, partition, number, revision)
) WITHOUT ROWID;
