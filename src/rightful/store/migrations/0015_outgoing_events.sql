-- What webhooks are to be told: put down with what it tells, and deleted once it was taken.

CREATE TABLE outgoing_event (
  seq INTEGER PRIMARY KEY,                 -- order of what happened
  event_id TEXT NOT NULL,                  -- the same for each endpoint that is told
  endpoint TEXT NOT NULL,                  -- keyed by its address, which may hold a secret
  tenant_id TEXT NOT NULL,
  operation_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  code TEXT NOT NULL,
  happened_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX outgoing_event_due ON outgoing_event (endpoint, not_before, seq);
