-- A machine whose boot device was set is expected to boot from the network only once it is started, and for ten minutes at most.
DELETE FROM awaited_boot WHERE since = 0;
ALTER TABLE awaited_boot ADD COLUMN is_started INTEGER NOT NULL DEFAULT 1 CHECK (is_started IN (0, 1));
