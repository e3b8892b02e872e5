-- Why the engine that runs a job is the one that does.
ALTER TABLE jobs ADD COLUMN engine_reason TEXT;
