
-- Checks that never stand in the way: what a DBA should know, with SQL where there is some.

CREATE FUNCTION contact_sync_internal.check_advice(s contact_sync_internal.shape, rls text)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH contact AS MATERIALIZED (
        SELECT t.* FROM contact_sync_internal.contact_tables(s) t WHERE t.usable
    ), granted AS MATERIALIZED (
        SELECT contact.position, contact.name, a.grantee, coalesce(quote_ident(role.rolname), 'PUBLIC') AS role,
               a.privilege_type AS privilege
        FROM contact JOIN pg_class c ON c.oid = contact.relation
             CROSS JOIN LATERAL aclexplode(c.relacl) a
             LEFT JOIN pg_roles role ON role.oid = a.grantee
        WHERE a.grantee <> c.relowner AND role.rolsuper IS NOT TRUE
    ), legacy_function AS (
        SELECT f.oid::regprocedure::text AS name
        FROM pg_proc f
        WHERE f.proname IN (SELECT function FROM contact_sync_internal.expected_triggers(false))
          AND f.prorettype = 'trigger'::regtype AND NOT contact_sync_internal.is_ours(f.oid)
          AND NOT EXISTS (SELECT FROM pg_trigger t
                          WHERE t.tgfoid = f.oid
                            AND t.oid NOT IN (SELECT trigger FROM contact_sync_internal.sync_triggers(s.customers)))
    ), finding AS (
        SELECT 1 AS step, 'number_column' AS check_name, format('%s.%I', s.name, missing.name) AS object,
               CASE WHEN a.attnum IS NULL
                    THEN 'there is no such column: what is missing is not taken for an empty number'
                    ELSE 'it is generated as it is read, so triggers do not see it: make it STORED' END AS problem,
               NULL AS fix
        FROM (VALUES (s.phone_column, s.phone), (s.whatsapp_column, s.whatsapp)) AS missing(name, number)
             LEFT JOIN pg_attribute a ON a.attrelid = s.customers AND a.attname = missing.name AND NOT a.attisdropped
        WHERE number IS NULL

        UNION ALL
        SELECT 2, 'required_column', format('%s.%I', contact.name, a.attname),
               'it takes no null and has no default: the sync cannot insert a row unless a trigger fills it', NULL
        FROM contact JOIN pg_attribute a ON a.attrelid = contact.relation AND a.attnum > 0 AND NOT a.attisdropped
        WHERE contact.table_name <> 'contact_history' AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
          AND a.attname NOT IN ('customer_id', 'method_type', 'phone_number')
          AND NOT EXISTS (SELECT FROM pg_type t WHERE t.oid = a.atttypid AND t.typdefault IS NOT NULL)
          AND NOT EXISTS (SELECT FROM contact_sync_internal.contact_columns(s) w     -- it gets the default it lacks
                          WHERE (w.table_name, w.column_name) = (contact.table_name, a.attname)
                            AND w.default_value IS NOT NULL AND to_regtype(w.type) = a.atttypid)

        UNION ALL
        SELECT 3, 'trigger_privilege', name, role || ' may put triggers on it, which run with its owner''s rights',
               format('REVOKE TRIGGER ON TABLE %s FROM %s;', name, role)
        FROM granted WHERE privilege = 'TRIGGER'

        UNION ALL
        SELECT 4, 'redundant_index', i.indexrelid::regclass::text,
               format('%s serves the same searches, and every insert pays for both',
                      (min(wider.indexrelid::regclass::text))),
               format('DROP INDEX %s;', i.indexrelid::regclass)
        FROM contact
             JOIN pg_index i ON i.indrelid = contact.relation
             JOIN pg_class c ON c.oid = i.indexrelid
             JOIN pg_am m ON m.oid = c.relam AND m.amname = 'btree'
             JOIN pg_index wider ON wider.indrelid = i.indrelid AND wider.indexrelid <> i.indexrelid
                                    AND wider.indisunique AND wider.indisvalid
                                    AND wider.indpred IS NULL AND wider.indexprs IS NULL
        WHERE NOT i.indisunique AND NOT i.indisexclusion AND i.indpred IS NULL AND i.indexprs IS NULL
          AND i.indnatts = i.indnkeyatts AND i.indnkeyatts <= wider.indnkeyatts AND NOT c.relispartition
          AND (wider.indkey::smallint[])[0:i.indnkeyatts - 1] = (i.indkey::smallint[])[0:i.indnkeyatts - 1]
          AND (wider.indclass::oid[])[0:i.indnkeyatts - 1] = (i.indclass::oid[])[0:i.indnkeyatts - 1]
          AND (wider.indcollation::oid[])[0:i.indnkeyatts - 1] = (i.indcollation::oid[])[0:i.indnkeyatts - 1]
          AND (wider.indoption::smallint[])[0:i.indnkeyatts - 1] = (i.indoption::smallint[])[0:i.indnkeyatts - 1]
          AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
        GROUP BY i.indexrelid

        UNION ALL
        SELECT 5, 'deferrable_constraint', format('constraint %I on %s', k.conname, contact.name),
               'it can fail at COMMIT, where nothing guards the customer''s transaction',
               CASE k.contype WHEN 'f' THEN
                   format('ALTER TABLE %s ALTER CONSTRAINT %I NOT DEFERRABLE;', contact.name, k.conname) END
        FROM contact JOIN pg_constraint k ON k.conrelid = contact.relation
        WHERE k.condeferrable AND k.contype IN ('f', 'u', 'p', 'x', 't') AND k.conparentid = 0

        UNION ALL
        SELECT 6, 'unvalidated_constraint', format('constraint %I on %s', k.conname, contact.name),
               'the rows that were there before it are not checked yet',
               format('ALTER TABLE %s VALIDATE CONSTRAINT %I;', contact.name, k.conname)
        FROM contact JOIN pg_constraint k ON k.conrelid = contact.relation
        WHERE NOT k.convalidated AND k.conparentid = 0 AND contact_sync_internal.is_enforced(k.oid)

        UNION ALL
        -- Row security looks the customer up with the reader's own rights.
        SELECT 7, 'reader', u.relation::regclass::text,
               format('%s has privileges on it, but no SELECT privilege on columns that its policies read: %s', u.role,
                      u.columns), u.grants
        FROM contact_sync_internal.unreadable_columns(s) u WHERE rls = 'inherit'

        UNION ALL
        SELECT 8, 'legacy_function', name, 'nothing will use it any more', format('DROP FUNCTION %s;', name)
        FROM legacy_function

        UNION ALL
        SELECT 9, 'enabled', 'contact_sync.enabled', 'the setting is off: the triggers do nothing', NULL
        WHERE current_setting('contact_sync.enabled', true) IN ('off', 'false', 'no', '0')

        UNION ALL
        -- Whether there is anything at all is soon told; contact_sync.drift looks at each customer. No SQL to mend it:
        -- reconcile commits, so it cannot run among the others.
        SELECT 10, 'contact_data', contact.name,
               format('no customer has contact data yet: CALL contact_sync.reconcile(%L)', s.name), NULL
        FROM contact
        WHERE contact.table_name = 'contact_preferences'
          AND contact_sync_internal.holds_rows(s.customers) AND NOT contact_sync_internal.holds_rows(contact.relation)
    ), checked(step, check_name) AS (VALUES
        (1, 'number_column'), (2, 'required_column'), (3, 'trigger_privilege'), (4, 'redundant_index'),
        (5, 'deferrable_constraint'), (6, 'unvalidated_constraint'), (7, 'reader'), (8, 'legacy_function'),
        (9, 'enabled'), (10, 'contact_data')
    )
    SELECT check_name, coalesce(object, s.name), CASE WHEN object IS NULL THEN 'ok' ELSE 'advice' END, problem, fix
    FROM checked LEFT JOIN finding USING (step, check_name)
    ORDER BY step, object, problem
$$;
COMMENT ON FUNCTION contact_sync_internal.check_advice(contact_sync_internal.shape, text) IS
    'what verify says of what is worth doing and never stands in the way';

CREATE FUNCTION contact_sync_internal.check_failures(s contact_sync_internal.shape)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 'failures', 'contact_sync.failures', CASE WHEN count(*) = 0 THEN 'ok' ELSE 'advice' END,
           CASE WHEN count(*) > 0 THEN format('failures of %s that wait to be mended: %s', s.name, count(*)) END,
           NULL
    FROM contact_sync_internal.waiting_failures(s.customers)
$$;
COMMENT ON FUNCTION contact_sync_internal.check_failures(contact_sync_internal.shape) IS
    'what verify says of failures that wait';
