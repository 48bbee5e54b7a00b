-- Runs the statement in the file :statement; prints its milliseconds, the XIDs of its subtransactions, its bytes of
-- WAL.  Nobody else is on the server.  With :peak, a file, that is where its backend's peak of memory goes.
\if :{?peak}
SELECT pg_backend_pid() AS backend \gset
\setenv BACKEND :backend
\setenv PEAK :peak
\setenv PEAK_MEMORY :peak_memory
\! "$PEAK_MEMORY" "$BACKEND" "$PEAK"
\endif
SELECT pg_current_wal_insert_lsn() AS lsn, pg_snapshot_xmax(pg_current_snapshot()) AS xid, clock_timestamp() AS start
\gset
\i :statement
SELECT 1000 * extract(epoch FROM clock_timestamp() - :'start'::timestamptz) AS ms,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint - :xid - 1 AS subtransactions,
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), :'lsn') AS wal;
