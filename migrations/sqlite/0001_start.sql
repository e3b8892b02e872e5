-- Times are microseconds since 1970 UTC. Columns that hold JSON are TEXT.

CREATE TABLE datasets (
    id         BLOB PRIMARY KEY,
    name       TEXT NOT NULL,
    -- The newest of its revisions.
    revision   INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE dataset_revisions (
    dataset_id BLOB NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
    revision   INTEGER NOT NULL,
    -- Of the file of points, and part of both its blobs' keys.
    sha256     TEXT NOT NULL,
    bytes      INTEGER NOT NULL,
    profile    TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (dataset_id, revision)
) STRICT;

CREATE TABLE jobs (
    id               BLOB PRIMARY KEY,
    kind             TEXT NOT NULL,
    name             TEXT NOT NULL,
    status           TEXT NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    -- Not a foreign key: a job outlives its dataset once it has ended.
    dataset_id       BLOB NOT NULL,
    dataset_revision INTEGER NOT NULL,
    parent_id        BLOB REFERENCES jobs (id) ON DELETE SET NULL,
    job_order        TEXT NOT NULL,
    created_at       INTEGER NOT NULL,
    started_at       INTEGER,
    finished_at      INTEGER,
    progress         REAL NOT NULL DEFAULT 0,
    eta_seconds      REAL,
    engine           TEXT,
    error_code       TEXT,
    error_detail     TEXT,
    metrics          TEXT,
    -- How often a worker took the job up; every write of a worker names the attempt it belongs to.
    attempt          INTEGER NOT NULL DEFAULT 0,
    -- Faults of the machine since the last new epoch.
    faults           INTEGER NOT NULL DEFAULT 0,
    lease_owner      BLOB,
    -- From when a worker may take the job: of a queued one the end of its back-off, of a running
    -- one the end of its lease. NULL once the job has ended.
    claimable_at     INTEGER,
    cancel_requested_at INTEGER,
    -- Rises with every change of what the API shows.
    version          INTEGER NOT NULL DEFAULT 1,
    -- The sequence number of the job's last event.
    events           INTEGER NOT NULL DEFAULT 0,
    CHECK ((claimable_at IS NULL) = (status IN ('succeeded', 'failed', 'cancelled'))),
    CHECK ((finished_at IS NULL) = (status IN ('queued', 'running')))
) STRICT;

-- The queue, in the order of its claiming; those not due yet are passed over in the index alone.
CREATE INDEX jobs_open ON jobs (id, claimable_at) WHERE claimable_at IS NOT NULL;
CREATE INDEX jobs_by_status ON jobs (status, id);
CREATE INDEX jobs_by_dataset ON jobs (dataset_id, id);
CREATE INDEX jobs_by_parent ON jobs (parent_id, id);

CREATE TABLE job_events (
    job_id   BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    data     TEXT NOT NULL,
    PRIMARY KEY (job_id, sequence)
) STRICT;

CREATE TABLE job_epochs (
    job_id BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    epoch  INTEGER NOT NULL,
    report TEXT NOT NULL,
    PRIMARY KEY (job_id, epoch)
) STRICT;

CREATE TABLE models (
    id         BLOB PRIMARY KEY,
    name       TEXT NOT NULL,
    -- NULL for an imported model, and once the job is deleted: the manifest keeps the facts.
    job_id     BLOB REFERENCES jobs (id) ON DELETE SET NULL,
    created_at INTEGER NOT NULL,
    sha256     TEXT NOT NULL,
    bytes      INTEGER NOT NULL,
    manifest   TEXT NOT NULL
) STRICT;

-- A job leaves one model at most.
CREATE UNIQUE INDEX models_by_job ON models (job_id);
