-- One row per address that was ever given out, in the order in which they were first, without an index: a lease is found by its row,
-- which the appliance holds in memory with it. An index over addresses that are given out in no order costs each lease a page of its
-- own in the log, 4 KiB instead of 0.3, and was read by nobody.

CREATE TABLE lease_3 (
  id                 INTEGER PRIMARY KEY,
  subnet_id          INTEGER NOT NULL REFERENCES subnet (id) ON DELETE CASCADE,
  address            TEXT NOT NULL,
  client             TEXT,                              -- 'hw:' or 'id:' key, see model/network.ts; a declined address has none
  mac                TEXT,
  client_id          BLOB,
  uuid               TEXT,
  hostname           TEXT NOT NULL DEFAULT '',
  state              TEXT NOT NULL CHECK (state IN ('bound', 'released', 'declined')),
  started_at         INTEGER NOT NULL,
  expires_at         INTEGER NOT NULL,
  is_guest           INTEGER NOT NULL CHECK (is_guest IN (0, 1)),
  giaddr             TEXT,
  relay_information  BLOB                               -- option 82 as it came: a renewal comes without it
) STRICT;
INSERT INTO lease_3
  SELECT rowid, subnet_id, address, client, mac, client_id, uuid, hostname, state, started_at, expires_at, is_guest, giaddr, relay_information
    FROM lease ORDER BY rowid;
DROP TABLE lease;
ALTER TABLE lease_3 RENAME TO lease;
