-- The quick fix: switches the contact triggers of customers off, those of contact_sync and the legacy ones alike, also on
-- a database where contact_sync was never attached.  Customers can be updated; contact data no longer follows them.
--
--   psql -X -f disable-unified-contact-triggers.sql                              the table customers that search_path finds
--   psql -X -v customers=shop.customers -f disable-unified-contact-triggers.sql  another one
--
-- Run it as the owner of the table (or as superuser) in the app's database, after `make install` or the package.  It gives
-- up, with nothing changed, if a lock cannot be had within half a second: then run it again at a quieter time.

\set ON_ERROR_STOP on
\if :{?customers} \else
    \set customers customers
\endif

CREATE EXTENSION IF NOT EXISTS contact_sync;

BEGIN;
SET LOCAL lock_timeout = '500ms';
SELECT * FROM contact_sync.disable(:'customers');
COMMIT;

\echo 'The way back, with the triggers as they were:  SELECT * FROM contact_sync.enable(''customers'');'
\echo 'Or the complete fix, which needs no enable before it:  fix-409-conflict-error.sql'
