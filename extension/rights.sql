
-- Who may do what with all that was made so far.
--
-- The trigger functions work with the rights of the customers table's owner: who may put them on a table is the DBA's
-- choice. Messages in failures can hold numbers. So both are the extension owner's alone, whatever the database's
-- default privileges have handed out.

ALTER TABLE @extschema@.failures OWNER TO @extowner@;

DO $$
DECLARE
    revoke text;
BEGIN
    FOR revoke IN
        SELECT pg_catalog.format('REVOKE ALL ON %s FROM %s', object.name,
                                 CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::pg_catalog.regrole::text END)
        FROM (SELECT 'TABLE ' || c.oid::pg_catalog.regclass, c.relowner,
                     coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))
              FROM pg_catalog.pg_class c WHERE c.oid = '@extschema@.failures'::pg_catalog.regclass
              UNION ALL
              SELECT 'FUNCTION ' || p.oid::pg_catalog.regprocedure, p.proowner,
                     coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))
              FROM pg_catalog.pg_proc p
              WHERE p.pronamespace = '@extschema@'::pg_catalog.regnamespace
                AND p.prorettype = 'pg_catalog.trigger'::pg_catalog.regtype) AS object(name, owner, acl)
             CROSS JOIN LATERAL pg_catalog.aclexplode(object.acl) a
        WHERE a.grantee <> object.owner
    LOOP
        EXECUTE revoke;
    END LOOP;
END
$$;

GRANT EXECUTE ON FUNCTION
    @extschema@.sync_contact_numbers(), @extschema@.initialize_contact_preferences(),
    @extschema@.update_contact_methods(), @extschema@.touch_updated_at() TO @extowner@;
