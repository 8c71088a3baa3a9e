-- Signed: how far each audit chain went (audit.checkpoint). Copies kept elsewhere show when these were taken away with the end of a chain.

CREATE TABLE audit_checkpoint (
  tenant_id TEXT NOT NULL,
  seq INTEGER NOT NULL,                    -- of the last record that it confirms
  checkpoint TEXT NOT NULL,                -- its line of JSON
  PRIMARY KEY (tenant_id, seq)
) WITHOUT ROWID;
