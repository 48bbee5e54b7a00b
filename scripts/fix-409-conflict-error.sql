-- The complete fix: contact_sync takes the place of the PL/pgSQL triggers, and the contact tables are put right.
--
--   psql -X -f fix-409-conflict-error.sql                              the table customers that search_path finds
--   psql -X -v customers=shop.customers -f fix-409-conflict-error.sql  another one
--
-- Run it as the owner of the table (or as superuser) in the app's database, after `make install` or the package.
-- Nothing is changed before the transaction below; it is rolled back as a whole if anything is `blocked`, or if a lock
-- cannot be had within half a second: then run it again at a quieter time.  A second run does nothing.

\set ON_ERROR_STOP on
\if :{?customers} \else
    \set customers customers
\endif

CREATE EXTENSION IF NOT EXISTS contact_sync;

\echo
\echo 'Before: what is wrong. "fix" is mended below; "blocked" must be mended by hand first; "advice" never hinders.'
SELECT check_name, object, status, problem, fix FROM contact_sync.verify(:'customers') WHERE status <> 'ok';

BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL lock_timeout = '500ms';
\echo 'What attach does:'
SELECT check_name, object, fix FROM contact_sync.attach(:'customers');
COMMIT;

\echo 'After: only advice is left.'
SELECT check_name, object, status, problem, fix FROM contact_sync.verify(:'customers') WHERE status <> 'ok';
