\echo Use "CREATE EXTENSION contact_sync" to load this file. \quit

-- contact_sync 1.0, the install script.
--
-- The script trusts no name. It runs with a superuser's rights, and anybody may have made objects before it: so names
-- are looked up in pg_catalog alone, objects are created plainly (never OR REPLACE, never IF NOT EXISTS), and both
-- schemas are new. They belong to the extension, and nobody else can create anything in them. No user table is touched.
SET LOCAL search_path = pg_catalog, pg_temp;

DO $$
BEGIN
    -- One that is empty, as a restore may have made it, is made anew; one that holds objects is not.
    DROP SCHEMA IF EXISTS contact_sync, contact_sync_internal RESTRICT;
EXCEPTION WHEN dependent_objects_still_exist THEN
    RAISE EXCEPTION 'schema "contact_sync" or "contact_sync_internal" exists and holds objects'
        USING ERRCODE = 'duplicate_schema',
              HINT = 'Drop it, or rename it with ALTER SCHEMA ... RENAME TO, and create the extension again.';
END
$$;

-- What users call, and everything else.
CREATE SCHEMA contact_sync;
CREATE SCHEMA contact_sync_internal;
COMMENT ON SCHEMA contact_sync IS 'contact_sync: what its users call';
COMMENT ON SCHEMA contact_sync_internal IS 'contact_sync: its own functions, not to be called by users';
