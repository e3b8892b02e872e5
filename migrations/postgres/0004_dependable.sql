-- Which blob store the database belongs to: one row, written at the first start.
CREATE TABLE storage (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    id       UUID NOT NULL
);

-- The number of the model's parameters, so that nobody has to read a manifest for it. NULL where
-- the manifest of an older row does not say it. Not read as JSON: a damaged manifest must not stop
-- the migration.
ALTER TABLE models ADD COLUMN parameters BIGINT;
UPDATE models SET parameters = CAST(substring(manifest FROM '"parameters": *([0-9]{1,18}), *"engine"') AS BIGINT);

-- The epoch that an event reports; its data is then the report in job_epochs. NULL in events of
-- other kinds, and in older ones, which hold their data themselves.
ALTER TABLE job_events ADD COLUMN epoch BIGINT;

-- A queued job without a back-off is due whatever the clock says.
UPDATE jobs SET claimable_at = 0 WHERE status = 'queued' AND faults = 0;
