
-- Who may do what with all that was made, whatever the database's default privileges have handed out.
--
-- All of it belongs to the superuser that runs this script, so that nobody with fewer rights can change what others run.
-- Everybody may call the functions: they have their caller's rights, or ask for those they need. But who may put the
-- trigger functions on a table is the DBA's choice. Messages in failures can hold numbers: they are for the extension's
-- owner alone, who may restore them from a dump, but not put triggers on the table.

DO $$
DECLARE
    revoke text;
BEGIN
    FOR revoke IN
        SELECT format('REVOKE ALL ON %s FROM %s', object.name,
                      CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
        FROM (SELECT 'TABLE ' || c.oid::regclass, c.relowner, coalesce(c.relacl, acldefault('r', c.relowner))
              FROM pg_class c WHERE c.oid = 'contact_sync.failures'::regclass
              UNION ALL
              SELECT 'SCHEMA ' || n.nspname, n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner))
              FROM pg_namespace n WHERE n.nspname IN ('contact_sync', 'contact_sync_internal')
              UNION ALL
              SELECT 'ROUTINE ' || p.oid::regprocedure, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
              FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
              WHERE n.nspname IN ('contact_sync', 'contact_sync_internal')) AS object(name, owner, acl)
             CROSS JOIN LATERAL aclexplode(object.acl) a
        WHERE a.grantee <> object.owner
    LOOP
        EXECUTE revoke;
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA contact_sync, contact_sync_internal TO PUBLIC;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA contact_sync, contact_sync_internal TO PUBLIC;
REVOKE EXECUTE ON FUNCTION
    contact_sync.sync_contact_numbers(), contact_sync.initialize_contact_preferences(),
    contact_sync.update_contact_methods(), contact_sync.touch_updated_at() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    contact_sync.sync_contact_numbers(), contact_sync.initialize_contact_preferences(),
    contact_sync.update_contact_methods(), contact_sync.touch_updated_at() TO @extowner@ WITH GRANT OPTION;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE contact_sync.failures TO @extowner@;
