-- The whole state of an appliance. Times are milliseconds since 1970 UTC; addresses and MACs are text as people write them.
-- UNIQUE keys, not code, make double tickets, jobs and reservations impossible; leases see decisions/0007.

CREATE TABLE machine (
  id          INTEGER PRIMARY KEY,
  name        TEXT NOT NULL UNIQUE,
  state       TEXT NOT NULL CHECK (state IN ('new', 'ready', 'installing', 'installed', 'failed', 'ignored')),
  locked      INTEGER NOT NULL DEFAULT 0 CHECK (locked IN (0, 1)),
  uuid        TEXT,
  serial      TEXT,
  firmware    TEXT CHECK (firmware IN ('bios', 'uefi')),
  inventory   TEXT CHECK (inventory IS NULL OR json_valid(inventory)),
  params      TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(params)),
  boot        INTEGER NOT NULL DEFAULT 0,      -- number of the boot it is in
  boot_stage  TEXT NOT NULL DEFAULT 'none',    -- how far that boot has come; tells a new boot from the next stage of one
  status      TEXT NOT NULL DEFAULT '',
  created_at  INTEGER NOT NULL,
  seen_at     INTEGER
) STRICT;

CREATE TABLE machine_mac (
  mac         TEXT PRIMARY KEY,
  machine_id  INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX machine_mac_by_machine ON machine_mac (machine_id);

CREATE TABLE bmc (
  machine_id    INTEGER PRIMARY KEY REFERENCES machine (id) ON DELETE CASCADE,
  driver        TEXT NOT NULL,
  address       TEXT NOT NULL,
  port          INTEGER NOT NULL,
  user          TEXT NOT NULL,
  password      BLOB NOT NULL,                 -- sealed with data/secret.key, see store/secrets.ts
  cipher_suite  INTEGER                        -- the one that worked last
) STRICT;

CREATE TABLE subnet (
  id             INTEGER PRIMARY KEY,
  name           TEXT NOT NULL UNIQUE,
  interface      TEXT NOT NULL,
  cidr           TEXT NOT NULL UNIQUE,
  pool_first     TEXT NOT NULL,
  pool_last      TEXT NOT NULL,
  gateway        TEXT,
  dns            TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(dns)),
  domain         TEXT NOT NULL DEFAULT '',
  lease_seconds  INTEGER NOT NULL CHECK (lease_seconds >= 120),
  authoritative  INTEGER NOT NULL DEFAULT 1 CHECK (authoritative IN (0, 1))
) STRICT;

CREATE TABLE reservation (
  id          INTEGER PRIMARY KEY,
  subnet_id   INTEGER NOT NULL REFERENCES subnet (id) ON DELETE CASCADE,
  mac         TEXT NOT NULL,
  address     TEXT NOT NULL,
  UNIQUE (subnet_id, address),
  UNIQUE (subnet_id, mac)
) STRICT;

-- One row per address that was ever given out. A declined address has no client. Offers are never written.
CREATE TABLE lease (
  subnet_id   INTEGER NOT NULL REFERENCES subnet (id) ON DELETE CASCADE,
  address     TEXT NOT NULL,
  client      TEXT,                            -- 'hw:' or 'id:' key, see model/network.ts
  mac         TEXT,
  client_id   BLOB,
  hostname    TEXT NOT NULL DEFAULT '',
  state       TEXT NOT NULL CHECK (state IN ('bound', 'released', 'declined')),
  expires_at  INTEGER NOT NULL,
  PRIMARY KEY (subnet_id, address),
  UNIQUE (subnet_id, client)
) STRICT, WITHOUT ROWID;
CREATE INDEX lease_by_mac ON lease (mac);
CREATE INDEX lease_by_address ON lease (address);

CREATE TABLE job (
  id                INTEGER PRIMARY KEY,
  machine_id        INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
  workflow          TEXT NOT NULL,
  bootenv           TEXT,
  params            TEXT NOT NULL CHECK (json_valid(params)),
  plan              TEXT NOT NULL CHECK (json_valid(plan)),   -- the stages as they were when the job was made
  state             TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'cancelled')),
  stage             INTEGER NOT NULL,
  stage_started_at  INTEGER NOT NULL,
  why               TEXT NOT NULL DEFAULT '',
  machine_was       TEXT NOT NULL,                            -- the machine's state before it
  created_by        TEXT NOT NULL,
  idempotency_key   TEXT UNIQUE,
  created_at        INTEGER NOT NULL,
  ended_at          INTEGER
) STRICT;
CREATE UNIQUE INDEX job_one_running ON job (machine_id) WHERE state = 'running';

-- The single-use right to be handed an installer.
CREATE TABLE ticket (
  id           INTEGER PRIMARY KEY,
  machine_id   INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
  job_id       INTEGER NOT NULL UNIQUE REFERENCES job (id) ON DELETE CASCADE,
  bootenv      TEXT NOT NULL,
  opened_by    TEXT NOT NULL,
  opened_at    INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  attempts     INTEGER NOT NULL DEFAULT 0,
  last_boot    INTEGER,                        -- the boot that made the last attempt
  closed_at    INTEGER,
  closed_why   TEXT
) STRICT;
CREATE UNIQUE INDEX ticket_one_open ON ticket (machine_id) WHERE closed_at IS NULL;

-- What a running installer, scout or new system may talk to us with. Only the SHA-256 of the token is kept.
CREATE TABLE run_token (
  hash        TEXT PRIMARY KEY,
  machine_id  INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
  purpose     TEXT NOT NULL CHECK (purpose IN ('scout', 'install', 'first-boot')),
  mac         TEXT NOT NULL,
  bootenv     TEXT NOT NULL,
  job_id      INTEGER REFERENCES job (id) ON DELETE CASCADE,
  boot        INTEGER NOT NULL,
  expires_at  INTEGER NOT NULL,
  used_at     INTEGER
) STRICT;
CREATE INDEX run_token_by_machine ON run_token (machine_id);

-- What a job wants done to the world: stored before it is performed and safe to repeat, so a restart resumes from here.
CREATE TABLE effect (
  id          INTEGER PRIMARY KEY,
  job_id      INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
  action      TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('todo', 'done', 'failed', 'dropped')),
  result      TEXT NOT NULL DEFAULT '',
  created_at  INTEGER NOT NULL,
  ended_at    INTEGER
) STRICT;
CREATE INDEX effect_todo ON effect (job_id) WHERE state = 'todo';

-- A script handed to the scout of a machine.
CREATE TABLE task (
  id          INTEGER PRIMARY KEY,
  job_id      INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
  machine_id  INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
  name        TEXT NOT NULL,
  boot        INTEGER NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed')),
  message     TEXT NOT NULL DEFAULT '',
  started_at  INTEGER NOT NULL,
  ended_at    INTEGER
) STRICT;

CREATE TABLE event (
  id          INTEGER PRIMARY KEY,
  at          INTEGER NOT NULL,
  kind        TEXT NOT NULL,
  machine_id  INTEGER REFERENCES machine (id) ON DELETE SET NULL,
  mac         TEXT,
  boot        INTEGER,
  text        TEXT NOT NULL,
  because     TEXT CHECK (because IS NULL OR json_valid(because)),
  data        TEXT CHECK (data IS NULL OR json_valid(data))
) STRICT;
CREATE INDEX event_by_machine ON event (machine_id, id);
CREATE INDEX event_by_mac ON event (mac, id) WHERE machine_id IS NULL;

-- Who may use the API. Only the SHA-256 of a token is kept.
CREATE TABLE api_token (
  name        TEXT PRIMARY KEY,
  hash        TEXT NOT NULL UNIQUE,
  created_at  INTEGER NOT NULL
) STRICT;
