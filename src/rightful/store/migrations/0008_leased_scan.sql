-- Whether a source is being read is asked for each scan that gathers, at each claim: with thousands of leased reads, of this source's alone.

CREATE INDEX read_leased_scan ON read (tenant_id, source_name) WHERE state = 'leased';
