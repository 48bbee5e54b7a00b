--
-- CREATE EXTENSION by whoever may, over whatever somebody has made before: names are not captured, and what was made
-- belongs to nobody with fewer rights than those who run it.
--
\pset format unaligned
\pset footer off
\pset null -
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE ROLE regress_install_mallory;
CREATE ROLE regress_install_shop;
BEGIN;
DROP EXTENSION contact_sync CASCADE;
-- Nothing of it is left.
SELECT nspname FROM pg_namespace WHERE nspname ^@ 'contact_sync';
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_install_mallory, regress_install_shop', current_database()); END $$;

--
-- Traps in a schema of that name: operators and functions that match better than PostgreSQL's own
--
SAVEPOINT clean;
SET ROLE regress_install_mallory;
CREATE SCHEMA contact_sync;
CREATE TABLE contact_sync.caught (who name DEFAULT current_user);
CREATE FUNCTION contact_sync.evil(oid, regclass) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO contact_sync.caught DEFAULT VALUES;
    RETURN true;
END
$$;
CREATE OPERATOR contact_sync.= (FUNCTION = contact_sync.evil, LEFTARG = oid, RIGHTARG = regclass);
CREATE FUNCTION contact_sync.format(text, text, text) RETURNS text LANGUAGE sql AS $$ SELECT 'SELECT contact_sync.evil(1, NULL)' $$;
SAVEPOINT planted;
CREATE EXTENSION contact_sync;
ROLLBACK TO planted;
RESET ROLE;
CREATE EXTENSION contact_sync;          -- nor by a superuser
ROLLBACK TO planted;
SELECT * FROM contact_sync.caught;
ROLLBACK TO clean;
-- Any object counts, in either schema.
CREATE FUNCTION pg_temp.refuses(sqls text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    sql text;
BEGIN
    FOREACH sql IN ARRAY sqls LOOP
        BEGIN
            EXECUTE sql;
            EXECUTE 'CREATE EXTENSION contact_sync';
            RETURN NEXT 'not refused: ' || sql;
        EXCEPTION WHEN duplicate_schema THEN
            RETURN NEXT SQLERRM;
        END;
    END LOOP;
END
$$;
SELECT DISTINCT * FROM pg_temp.refuses(ARRAY[
    'CREATE SCHEMA contact_sync CREATE TABLE t ()', 'CREATE SCHEMA contact_sync CREATE VIEW v AS SELECT 1',
    'CREATE SCHEMA contact_sync CREATE SEQUENCE s', 'CREATE SCHEMA contact_sync_internal CREATE TABLE t ()',
    'CREATE SCHEMA contact_sync; CREATE TYPE contact_sync.t AS ENUM ()',
    'CREATE SCHEMA contact_sync_internal; CREATE FUNCTION contact_sync_internal.f() RETURNS int LANGUAGE sql RETURN 1',
    'CREATE SCHEMA contact_sync; CREATE COLLATION contact_sync.c FROM "C"',
    'CREATE SCHEMA contact_sync; CREATE TEXT SEARCH CONFIGURATION contact_sync.c (COPY = simple)',
    'CREATE SCHEMA contact_sync; CREATE EXTENSION citext SCHEMA contact_sync']);
-- One that is empty is made anew, whoever made it and whatever rights were given on it: a restore may have made it.
SET ROLE regress_install_mallory;
CREATE SCHEMA contact_sync;
GRANT ALL ON SCHEMA contact_sync TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA contact_sync GRANT ALL ON TABLES TO PUBLIC;
CREATE SCHEMA contact_sync_internal;
RESET ROLE;
SET ROLE regress_install_shop;
CREATE EXTENSION contact_sync;
RESET ROLE;
SELECT nspname, rolsuper, has_schema_privilege('regress_install_mallory', n.oid, 'CREATE') AS mallory,
       has_schema_privilege('regress_install_shop', n.oid, 'CREATE') AS shop
    FROM pg_namespace n JOIN pg_roles r ON r.oid = nspowner WHERE nspname ^@ 'contact_sync' ORDER BY 1;
ROLLBACK TO clean;

--
-- Installed by a role with CREATE on the database and nothing else, while a superuser's default privileges hand out much
--
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO regress_install_mallory;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO regress_install_mallory;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO regress_install_mallory;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
SET ROLE regress_install_shop;
CREATE EXTENSION contact_sync;
RESET ROLE;
-- All of it belongs to a superuser.
SELECT classid::regclass::text COLLATE "C" AS catalog, count(*) > 0 AS some, bool_and(rolsuper) AS "a superuser's"
    FROM pg_depend d
         JOIN LATERAL (SELECT proowner FROM pg_proc WHERE d.classid = 'pg_proc'::regclass AND oid = d.objid
                       UNION ALL SELECT relowner FROM pg_class WHERE d.classid = 'pg_class'::regclass AND oid = d.objid
                       UNION ALL SELECT typowner FROM pg_type WHERE d.classid = 'pg_type'::regclass AND oid = d.objid
                       UNION ALL SELECT nspowner FROM pg_namespace
                       WHERE d.classid = 'pg_namespace'::regclass AND oid = d.objid) AS o(owner) ON true
         JOIN pg_roles r ON r.oid = o.owner
    WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
      AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'contact_sync')
    GROUP BY 1 ORDER BY 1;
-- None of the functions has other rights than its caller's, and each has a search_path of its own, or is in C, or
-- qualifies all names.
SELECT count(*) FROM pg_proc WHERE pronamespace IN ('contact_sync'::regnamespace, 'contact_sync_internal'::regnamespace)
    AND prosecdef;
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = prolang
    WHERE pronamespace IN ('contact_sync'::regnamespace, 'contact_sync_internal'::regnamespace)
      AND lanname <> 'c' AND NOT coalesce(proconfig::text LIKE '%search_path=pg_catalog, pg_temp%', false) ORDER BY 1;
-- Who may do what
SELECT r.rolname, n.nspname, has_schema_privilege(r.oid, n.oid, 'USAGE') AS usage, has_schema_privilege(r.oid, n.oid, 'CREATE') AS create
    FROM pg_roles r, pg_namespace n WHERE rolname ^@ 'regress_install' AND nspname ^@ 'contact_sync' ORDER BY 1, 2;
SELECT r.rolname, p.prorettype = 'trigger'::regtype AS for_triggers, bool_and(has_function_privilege(r.oid, p.oid, 'EXECUTE')) AS execute,
       bool_or(has_function_privilege(r.oid, p.oid, 'EXECUTE WITH GRANT OPTION')) AS with_grant_option
    FROM pg_roles r, pg_proc p WHERE rolname ^@ 'regress_install'
      AND pronamespace IN ('contact_sync'::regnamespace, 'contact_sync_internal'::regnamespace)
    GROUP BY 1, 2 ORDER BY 1, 2;
SELECT rolname, string_agg(privilege, ', ') FILTER (WHERE has_table_privilege(r.oid, 'contact_sync.failures', privilege)) AS on_failures
    FROM pg_roles r, unnest('{SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER}'::text[]) AS privilege
    WHERE rolname ^@ 'regress_install' GROUP BY 1 ORDER BY 1;
-- So the extension's owner puts no code where others run it: no trigger, no rule, no policy, no function in place of one.
CREATE FUNCTION pg_temp.denied(sqls text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    sql text;
BEGIN
    FOREACH sql IN ARRAY sqls LOOP
        BEGIN
            EXECUTE sql;
            RETURN NEXT 'not denied: ' || sql;
        EXCEPTION WHEN insufficient_privilege OR dependent_objects_still_exist THEN
            RETURN NEXT SQLERRM;
        END;
    END LOOP;
END
$$;
GRANT ALL ON FUNCTION pg_temp.denied(text[]) TO PUBLIC;
SET ROLE regress_install_shop;
SELECT * FROM pg_temp.denied(ARRAY[
    'CREATE FUNCTION contact_sync.number(varchar) RETURNS text LANGUAGE sql RETURN NULL',
    'CREATE FUNCTION contact_sync_internal.f() RETURNS text LANGUAGE sql RETURN NULL',
    $sql$CREATE OR REPLACE FUNCTION contact_sync_internal.is_ours(function oid) RETURNS boolean LANGUAGE sql RETURN true$sql$,
    'ALTER FUNCTION contact_sync_internal.is_ours(oid) SECURITY DEFINER',
    'ALTER FUNCTION contact_sync_internal.waiting_failures_as_keeper(regclass) OWNER TO regress_install_shop',
    'DROP FUNCTION contact_sync_internal.is_ours(oid)',
    'ALTER EXTENSION contact_sync DROP TABLE contact_sync.failures',
    'CREATE TRIGGER t BEFORE INSERT ON contact_sync.failures FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()',
    'CREATE RULE r AS ON INSERT TO contact_sync.failures DO INSTEAD NOTHING',
    'CREATE POLICY p ON contact_sync.failures',
    'ALTER TABLE contact_sync.failures ADD CHECK (true)',
    'CREATE INDEX ON contact_sync.failures (message)',
    'ALTER SCHEMA contact_sync RENAME TO mine',
    'ALTER SCHEMA contact_sync_internal OWNER TO regress_install_shop',
    'DROP SCHEMA contact_sync_internal']);
-- It may read failures and load them, as a restore does, hand the trigger functions to others, and drop the extension.
INSERT INTO contact_sync.failures VALUES ('a.customers', '1', 'f', now(), now(), 1, '23514', 'm');
DELETE FROM contact_sync.failures RETURNING customer;
GRANT EXECUTE ON FUNCTION contact_sync.update_contact_methods() TO regress_install_mallory;
DROP EXTENSION contact_sync;
RESET ROLE;
SELECT nspname FROM pg_namespace WHERE nspname ^@ 'contact_sync';
ROLLBACK;
DROP ROLE regress_install_mallory, regress_install_shop;
