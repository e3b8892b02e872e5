-- Jobs that run others, what they find out, and names for models.

-- 1: the job waits for its children and is never claimed by a worker.
ALTER TABLE jobs ADD COLUMN coordinates INTEGER NOT NULL DEFAULT 0;
-- A child's place in its parent's order: what makes it that child, however often it is asked for.
ALTER TABLE jobs ADD COLUMN slot INTEGER;
ALTER TABLE jobs ADD COLUMN result TEXT;
-- The model that the job chose among its children's.
ALTER TABLE jobs ADD COLUMN chosen_model BLOB REFERENCES models (id) ON DELETE SET NULL;
-- The job whose order this one tries again.
ALTER TABLE jobs ADD COLUMN retry_of BLOB REFERENCES jobs (id) ON DELETE SET NULL;

CREATE UNIQUE INDEX jobs_by_slot ON jobs (parent_id, slot);
CREATE INDEX jobs_by_chosen_model ON jobs (chosen_model) WHERE chosen_model IS NOT NULL;
CREATE INDEX jobs_by_retry ON jobs (retry_of) WHERE retry_of IS NOT NULL;

-- Workers and the coordinator each pass over the other's jobs in the index alone.
DROP INDEX jobs_open;
CREATE INDEX jobs_open ON jobs (id, claimable_at) WHERE claimable_at IS NOT NULL AND coordinates = 0;
CREATE INDEX jobs_coordinated ON jobs (id) WHERE claimable_at IS NOT NULL AND coordinates = 1;

CREATE TABLE aliases (
    name       TEXT PRIMARY KEY,
    model_id   BLOB NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX aliases_by_model ON aliases (model_id);
