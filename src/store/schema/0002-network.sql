-- Subnets behind relays, several subnets and pools on one wire, reservations by more than the MAC, options at every level.

ALTER TABLE subnet ADD COLUMN shared_network TEXT NOT NULL DEFAULT '';        -- subnets that name the same one are one wire
ALTER TABLE subnet ADD COLUMN pools TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(pools));
ALTER TABLE subnet ADD COLUMN relays TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(relays));
ALTER TABLE subnet ADD COLUMN guests INTEGER CHECK (guests >= 0);             -- NULL: strangers may take the whole pool
ALTER TABLE subnet ADD COLUMN conflict_detection INTEGER NOT NULL DEFAULT 1 CHECK (conflict_detection IN (0, 1));
ALTER TABLE subnet ADD COLUMN loaders TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(loaders));
UPDATE subnet SET pools = json_array(json_object('first', pool_first, 'last', pool_last));
ALTER TABLE subnet DROP COLUMN pool_first;
ALTER TABLE subnet DROP COLUMN pool_last;

CREATE TABLE reservation_2 (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  subnet_id   INTEGER NOT NULL REFERENCES subnet (id) ON DELETE CASCADE,
  address     TEXT,                                     -- NULL: a name and options, and an address of the pool
  hostname    TEXT NOT NULL DEFAULT '',
  mac         TEXT,
  client_id   BLOB,
  uuid        TEXT,
  circuit_id  BLOB NOT NULL DEFAULT x'',                -- with remote_id: a port of a relay (RFC 3046)
  remote_id   BLOB NOT NULL DEFAULT x'',
  machine_id  INTEGER REFERENCES machine (id) ON DELETE SET NULL,   -- who stands at that port
  CHECK (mac IS NOT NULL OR client_id IS NOT NULL OR uuid IS NOT NULL OR length(circuit_id) + length(remote_id) > 0),
  UNIQUE (subnet_id, address),
  UNIQUE (subnet_id, mac),
  UNIQUE (subnet_id, client_id),
  UNIQUE (subnet_id, uuid)
) STRICT;
INSERT INTO reservation_2 (id, subnet_id, address, mac) SELECT id, subnet_id, address, mac FROM reservation;
DROP TABLE reservation;
ALTER TABLE reservation_2 RENAME TO reservation;
CREATE UNIQUE INDEX reservation_port ON reservation (subnet_id, circuit_id, remote_id)
  WHERE length(circuit_id) + length(remote_id) > 0;

-- One row per address that was ever given out, in the order in which they were first: a commit of many touches few pages.
-- The appliance holds all of them in memory, so it looks none up here.
CREATE TABLE lease_2 (
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
  relay_information  BLOB,                              -- option 82 as it came: a renewal comes without it
  UNIQUE (subnet_id, address),
  UNIQUE (subnet_id, client)
) STRICT;
INSERT INTO lease_2 (subnet_id, address, client, mac, client_id, hostname, state, started_at, expires_at, is_guest)
  SELECT subnet_id, address, client, mac, client_id, hostname, state, 0, expires_at, 0 FROM lease;
DROP TABLE lease;
ALTER TABLE lease_2 RENAME TO lease;

-- What a person wants sent. scope_id: '' for global, else the id of the subnet, reservation or machine, or a profile's name.
CREATE TABLE dhcp_option (
  scope     TEXT NOT NULL CHECK (scope IN ('global', 'subnet', 'profile', 'reservation', 'machine')),
  scope_id  TEXT NOT NULL,
  name      TEXT NOT NULL,
  value     TEXT NOT NULL CHECK (json_valid(value)),
  force     INTEGER NOT NULL DEFAULT 0 CHECK (force IN (0, 1)),   -- also to those who did not ask for it
  PRIMARY KEY (scope, scope_id, name)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER dhcp_option_of_subnet AFTER DELETE ON subnet BEGIN
  DELETE FROM dhcp_option WHERE scope = 'subnet' AND scope_id = old.id;
END;
CREATE TRIGGER dhcp_option_of_reservation AFTER DELETE ON reservation BEGIN
  DELETE FROM dhcp_option WHERE scope = 'reservation' AND scope_id = old.id;
END;
CREATE TRIGGER dhcp_option_of_machine AFTER DELETE ON machine BEGIN
  DELETE FROM dhcp_option WHERE scope = 'machine' AND scope_id = old.id;
END;
CREATE TABLE dhcp_custom_option (
  code   INTEGER PRIMARY KEY,
  name   TEXT NOT NULL UNIQUE,
  shape  TEXT NOT NULL
) STRICT;
CREATE TABLE machine_profile (
  machine_id  INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
  profile     TEXT NOT NULL,
  position    INTEGER NOT NULL,          -- a later one counts before an earlier one
  PRIMARY KEY (machine_id, profile)
) STRICT, WITHOUT ROWID;

ALTER TABLE machine ADD COLUMN pxe_style TEXT NOT NULL DEFAULT 'auto' CHECK (pxe_style IN ('auto', 'direct', 'plain', 'header', 'binl', 'none'));
ALTER TABLE machine ADD COLUMN pxe_learned TEXT CHECK (pxe_learned IN ('direct', 'binl'));   -- what led to a download
ALTER TABLE machine ADD COLUMN reply_delay_ms INTEGER NOT NULL DEFAULT 0 CHECK (reply_delay_ms BETWEEN 0 AND 10000);
