-- Which blob store the database belongs to: one row, written at the first start.
CREATE TABLE storage (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    id       BLOB NOT NULL
) STRICT;

-- The number of the model's parameters, so that nobody has to read a manifest for it. NULL where
-- the manifest of an older row does not say it.
ALTER TABLE models ADD COLUMN parameters INTEGER;
UPDATE models SET parameters = json_extract(manifest, '$.parameters')
    WHERE CASE WHEN json_valid(manifest) THEN json_type(manifest, '$.parameters') = 'integer' END;

-- The epoch that an event reports; its data is then the report in job_epochs. NULL in events of
-- other kinds, and in older ones, which hold their data themselves.
ALTER TABLE job_events ADD COLUMN epoch INTEGER;

-- A queued job without a back-off is due whatever the clock says.
UPDATE jobs SET claimable_at = 0 WHERE status = 'queued' AND faults = 0;
