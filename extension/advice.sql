
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
        SELECT 3 AS step, 'trigger_privilege' AS check_name, name AS object,
               role || ' may put triggers on it, which run with its owner''s rights' AS problem,
               format('REVOKE TRIGGER ON TABLE %s FROM %s;', name, role) AS fix
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
    ), checked(step, check_name) AS (VALUES
        (3, 'trigger_privilege'), (4, 'redundant_index'),
        (5, 'deferrable_constraint'), (6, 'unvalidated_constraint'), (7, 'reader'), (8, 'legacy_function'),
        (9, 'enabled')
    )
    SELECT check_name, coalesce(object, s.name), CASE WHEN object IS NULL THEN 'ok' ELSE 'advice' END, problem, fix
    FROM checked LEFT JOIN finding USING (step, check_name)
    ORDER BY step, object, problem
$$;
COMMENT ON FUNCTION contact_sync_internal.check_advice(contact_sync_internal.shape, text) IS
    'what verify says of what is worth doing and never stands in the way';

CREATE FUNCTION contact_sync_internal.foreign_names(source text, own_schema oid)
RETURNS TABLE (schema_name name, name name)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- A bare name before a parenthesis calls a function, one after FROM, INTO, ... is a table.
    WITH called(name) AS (
        SELECT DISTINCT lower(m[1]) FROM regexp_matches(source, '(?<![\w."])([a-z_]\w*)\s*\(', 'gi') AS m
    ), read(name) AS (
        SELECT DISTINCT lower(m[1])
        FROM regexp_matches(source, '\m(?:from|join|into|update)\s+(?:only\s+)?([a-z_]\w*)(?![\w.(])', 'gi') AS m
    ), found AS (
        SELECT p.pronamespace AS schema, p.proname AS name, 'function' AS kind
        FROM pg_proc p JOIN called c ON p.proname = c.name
        UNION
        SELECT c.relnamespace, c.relname, 'table'
        FROM pg_class c JOIN read ON c.relname = read.name WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    )
    SELECT DISTINCT ON (found.kind, found.name) n.nspname, found.name
    FROM found JOIN pg_namespace n ON n.oid = found.schema
    WHERE n.nspname !~ '^(pg_|information_schema$|contact_sync)'
      AND NOT EXISTS (SELECT FROM found own WHERE (own.kind, own.name) = (found.kind, found.name)
                                              AND own.schema IN (own_schema, 'pg_catalog'::regnamespace))
    ORDER BY found.kind, found.name, n.nspname
$$;
COMMENT ON FUNCTION contact_sync_internal.foreign_names(text, oid) IS
    'what the text of a function seems to name without a schema that is in others than pg_catalog and its own';

CREATE FUNCTION contact_sync_internal.check_search_path(s contact_sync_internal.shape)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- Triggers of others on contact tables run under the search_path of the sync, unless they have their own.
    WITH written(relation) AS (
        SELECT f.relation
        FROM contact_sync_internal.contact_tables(s) t
             CROSS JOIN LATERAL contact_sync_internal.family(t.relation) AS f(relation)
        WHERE t.usable
    ), finding AS (
        SELECT format('trigger %I on %s', t.tgname, t.tgrelid::regclass) AS object, f.oid::regprocedure AS function,
               string_agg(format('%I.%I', n.schema_name, n.name), ', ' ORDER BY n.schema_name, n.name) AS names,
               string_agg(DISTINCT quote_ident(n.schema_name), ', ') AS schemas
        FROM written
             JOIN pg_trigger t ON t.tgrelid = written.relation AND NOT t.tgisinternal AND t.tgenabled <> 'D'
             JOIN pg_proc f ON f.oid = t.tgfoid
             JOIN pg_language l ON l.oid = f.prolang AND l.lanname = 'plpgsql'
             CROSS JOIN LATERAL contact_sync_internal.foreign_names(f.prosrc, s.schema) AS n
        WHERE NOT EXISTS (SELECT FROM unnest(f.proconfig) AS setting WHERE setting ^@ 'search_path=')
        GROUP BY t.tgname, t.tgrelid, f.oid
    )
    SELECT 'search_path', coalesce(f.object, s.name), CASE WHEN f.object IS NULL THEN 'ok' ELSE 'advice' END,
           'its function runs with the search_path of the sync, ' || quote_ident(s.schema_name)
               || ', and seems to name without a schema: ' || f.names,
           CASE WHEN f.object IS NOT NULL THEN
               format('ALTER FUNCTION %s SET search_path = %I, %s, pg_temp;', f.function, s.schema_name, f.schemas) END
    FROM (VALUES (1)) AS one LEFT JOIN finding f ON true
    ORDER BY f.object
$$;
COMMENT ON FUNCTION contact_sync_internal.check_search_path(contact_sync_internal.shape) IS
    'what verify says of triggers that find by search_path what the sync has not in its own';

CREATE FUNCTION contact_sync_internal.check_contact_data(customers regclass, s contact_sync_internal.shape)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    looked_at bigint;
    drifted bigint;
BEGIN
    -- Where it cannot be told, other checks say why.
    IF contact_sync_internal.obstacles(customers, s, false) IS NOT NULL THEN
        RETURN;
    END IF;
    BEGIN
        looked_at := contact_sync_internal.estimated_customers(customers);
        IF looked_at > 10000 THEN
            SELECT * INTO looked_at, drifted FROM contact_sync_internal.sample_drifted(s, looked_at);
        ELSE
            SELECT * INTO looked_at, drifted FROM contact_sync_internal.count_drifted(s, s.name || ' AS c');
        END IF;
    EXCEPTION WHEN insufficient_privilege THEN
        RETURN;
    END;
    check_name := 'contact_data';
    object := s.name;
    status := CASE WHEN drifted > 0 THEN 'advice' ELSE 'ok' END;
    IF drifted > 0 THEN
        -- No SQL to mend it: reconcile commits, so it cannot run among the others.
        problem := format('customers with contact data that differs: %s of %s looked at; CALL contact_sync.reconcile(%L)',
                          drifted, looked_at, s.name);
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.check_contact_data(regclass, contact_sync_internal.shape) IS
    'what verify says of customers whose contact data drifted: it counts them, or looks at a sample where they are many';

CREATE FUNCTION contact_sync_internal.check_unwanted(s contact_sync_internal.shape)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH most AS MATERIALIZED (
        SELECT u.* FROM contact_sync_internal.contact_tables(s) t
             CROSS JOIN LATERAL contact_sync_internal.unwanted_methods(s, true) u
        WHERE t.table_name = 'contact_methods' AND t.usable AND u.most
          AND (SELECT count(*) = 2
               FROM pg_attribute a
                    CROSS JOIN LATERAL contact_sync_internal.base_type(a.atttypid, a.atttypmod) AS own
                    LEFT JOIN pg_attribute id ON a.attname = 'customer_id' AND id.attrelid = s.customers AND id.attnum = s.id
                    LEFT JOIN LATERAL contact_sync_internal.base_type(id.atttypid, id.atttypmod) AS referred ON true
               WHERE a.attrelid = t.relation AND a.attnum > 0 AND NOT a.attisdropped
                 AND (a.attname = 'customer_id' AND own.type = referred.type OR a.attname = 'method_type'))
    )
    -- No SQL to correct it: which of the two it is, and reconcile commits.
    SELECT 'unwanted_methods', format('%s.%I', s.name, most.column_name), 'advice',
           format('it is empty for most customers who have a contact method for it (about %s of %s): fill it, or '
                  'CALL contact_sync.reconcile(%L, move_unwanted => true), which moves these methods to contact_quarantine',
                  most.unwanted, most.rows, s.name), NULL
    FROM most
    UNION ALL
    SELECT 'unwanted_methods', s.name, 'ok', NULL, NULL WHERE NOT EXISTS (SELECT FROM most)
$$;
COMMENT ON FUNCTION contact_sync_internal.check_unwanted(contact_sync_internal.shape) IS
    'what verify says of a column that is empty for most of its contact methods';

CREATE FUNCTION contact_sync_internal.count_without_customer(s contact_sync_internal.shape, keys text[]) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
BEGIN
    RETURN (SELECT r.counted
            FROM contact_sync_internal.look_up(
                     format('SELECT pg_catalog.count(*) FROM pg_catalog.unnest($1) AS k(id) '
                            'WHERE NOT EXISTS (SELECT 1 FROM %s AS c WHERE c.%I %s k.id::%s)',
                            s.name, s.id_column, s.id_equality, s.id_type), keys) AS r(counted bigint));
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;                -- a text that is no id (any more), or an id whose type has rules
END
$$;
COMMENT ON FUNCTION contact_sync_internal.count_without_customer(contact_sync_internal.shape, text[]) IS
    'how many ids, as text, are of customers that do not exist; null if that cannot be determined';

CREATE FUNCTION contact_sync_internal.check_failures(s contact_sync_internal.shape)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH failure AS MATERIALIZED (
        SELECT * FROM contact_sync_internal.waiting_failures(s.customers)
    ), waiting AS MATERIALIZED (
        SELECT count(*) AS failures,
               -- A BEFORE trigger's failure stays when ON CONFLICT DO NOTHING keeps the row out.
               CASE WHEN count(*) BETWEEN 1 AND 10000 THEN
                   contact_sync_internal.count_without_customer(
                       s, array_agg(f.customer) FILTER (WHERE f.customer NOT IN ('', '(unknown)'))) END AS without_customer
        FROM failure f
    ), gone AS MATERIALIZED (
        SELECT * FROM contact_sync_internal.failures_of_gone_tables(s.customers)
    )
    SELECT 'failures', 'contact_sync.failures', CASE WHEN failures = 0 THEN 'ok' ELSE 'advice' END,
           CASE WHEN failures > 0 THEN
               format('unresolved failures of %s: %s%s; when their cause is corrected: CALL contact_sync.reconcile(%L)',
                      s.name, failures,
                      CASE WHEN without_customer > 0
                           THEN format(' (%s of customers that do not exist)', without_customer) END, s.name) END,
           NULL
    FROM waiting
    UNION ALL
    -- The table failures is for the extension's owner; this is for the owner of customers.
    SELECT * FROM (
        SELECT 'failures', format('%s()', f.function), 'advice',
               format('%s of these, %s: %s: %s', count(*),
                      CASE min(f.customer) WHEN '' THEN 'of the table as a whole'
                                           ELSE format('of customer %s for example', min(f.customer)) END,
                      f.sqlstate, f.message), NULL
        FROM failure f GROUP BY f.function, f.sqlstate, f.message
        ORDER BY count(*) DESC, f.function, f.sqlstate, f.message LIMIT 10) AS common
    UNION ALL
    SELECT 'failures_of_gone_tables', 'contact_sync.failures', 'ok', NULL, NULL WHERE NOT EXISTS (SELECT FROM gone)
    UNION ALL
    SELECT * FROM (
        SELECT 'failures_of_gone_tables', gone.customers_table, 'advice',
               format('failures of a table that does not exist, because it was renamed or dropped: %s', gone.failures)
                   || CASE WHEN gone.in_own_schema
                           THEN format('; CALL contact_sync.reconcile(%L) deletes them', s.name) ELSE '' END,
               CASE WHEN gone.deletable THEN
                   format('DELETE FROM contact_sync.failures WHERE customers_table = %L;', gone.customers_table) END
        FROM gone ORDER BY gone.customers_table) AS listed
$$;
COMMENT ON FUNCTION contact_sync_internal.check_failures(contact_sync_internal.shape) IS
    'what verify says of failures that nothing has resolved yet';
