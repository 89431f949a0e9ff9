-- Chains of ways to a BMC, credentials that many share, and what was asked of them.

-- A user and password that many machines share, tried in the order of their positions when a BMC is found.
CREATE TABLE credential (
  name      TEXT PRIMARY KEY,
  position  INTEGER NOT NULL,
  user      TEXT NOT NULL,
  password  BLOB NOT NULL                       -- sealed, see store/secrets.ts
) STRICT;

-- One way to a machine's BMC; the first of its chain is tried first.
CREATE TABLE bmc_link (
  machine_id  INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
  position    INTEGER NOT NULL,
  driver      TEXT NOT NULL,
  address     TEXT NOT NULL,
  port        INTEGER NOT NULL,
  credential  TEXT REFERENCES credential (name),   -- NULL: its own user and password
  user        TEXT NOT NULL,
  password    BLOB NOT NULL,                        -- sealed
  settings    TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(settings)),
  learned     TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(learned)),   -- cipher suite, fingerprint of its certificate
  refusal     TEXT CHECK (refusal IS NULL OR json_valid(refusal)),      -- not used again until somebody changes something
  PRIMARY KEY (machine_id, position)
) STRICT, WITHOUT ROWID;
INSERT INTO bmc_link (machine_id, position, driver, address, port, user, password, learned)
  SELECT machine_id, 0, driver, address, port, user, password,
         CASE WHEN cipher_suite IN (3, 17) THEN json_object('cipherSuite', cipher_suite) ELSE '{}' END
    FROM bmc;
DROP TABLE bmc;

-- A login that a task makes in a machine's BMC. It is used once the task has said that it is there.
CREATE TABLE bmc_login (
  machine_id  INTEGER PRIMARY KEY REFERENCES machine (id) ON DELETE CASCADE,
  password    BLOB NOT NULL                       -- sealed
) STRICT;

-- What somebody wants of a BMC. Kept before it is carried out, so that a restart knows what was under way.
CREATE TABLE power_order (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  machine_id  INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
  what        TEXT NOT NULL CHECK (json_valid(what)),
  asked_by    TEXT NOT NULL,
  effect_id   INTEGER UNIQUE REFERENCES effect (id) ON DELETE SET NULL,   -- the job's step that wants it
  state       TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
  progress    TEXT CHECK (progress IS NULL OR json_valid(progress)),
  driver      TEXT,
  result      TEXT NOT NULL DEFAULT '',
  created_at  INTEGER NOT NULL,
  started_at  INTEGER,
  ended_at    INTEGER
) STRICT;
CREATE INDEX power_order_by_machine ON power_order (machine_id, id);
CREATE INDEX power_order_open ON power_order (machine_id) WHERE state IN ('waiting', 'running');

-- A machine that was started to boot from the network: when no DHCP of it comes, another way is tried once.
CREATE TABLE awaited_boot (
  machine_id  INTEGER PRIMARY KEY REFERENCES machine (id) ON DELETE CASCADE,
  wish        TEXT NOT NULL CHECK (json_valid(wish)),
  driver      TEXT NOT NULL,
  attempt     INTEGER NOT NULL,
  since       INTEGER NOT NULL,
  asked_by    TEXT NOT NULL
) STRICT;
